"""Thresholds for a stream in which labels are more or less frequent than on validation.

Under prior shift the share of a label's texts that a threshold finds stays, and its precision does
not. A required recall therefore keeps its threshold. A required precision is another bar on
validation: precision is in odds (true shares / false shares) times the odds of the prevalence, so a
bar b at the prevalence q is the bar of odds b / (1 - b) * odds(p) / odds(q) at the prevalence p of
validation, and is tested there as in training. A limit of flags is tested on the stream itself.
Every other label gets the threshold of the best expected F1 under its calibrated probabilities at
the new prevalence. Labels whose prevalence has not surely changed keep their threshold.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from imbtool.config.schema import Requirement
from imbtool.evaluation.calibration import sigmoid
from imbtool.evaluation.document import RequirementResult
from imbtool.evaluation.intervals import exact_interval
from imbtool.evaluation.requirements import PER_1000, fit_requirement, judge_requirement
from imbtool.evaluation.thresholds import expected_f1_threshold
from imbtool.monitoring.shift import ShareEstimate, ShiftedLabel, log_odds
from imbtool.types import Floats, Targets

RULE = "calibrated (new prevalence)"
MOST_BAR = 0.999
"""Of a precision on validation: what asks for more asks for all."""


@dataclass(frozen=True)
class NewThreshold:
    """A threshold for the stream.

    Attributes:
        threshold: as a probability.
        rule: what gave it.
        shift: added to the calibrated logits, so that they hold at the new prevalence.
        requirement: what a required label comes to.
    """

    threshold: float
    rule: str
    shift: float
    requirement: RequirementResult | None = None


def has_changed(share: ShareEstimate, positives: int, known: int) -> bool:
    """Whether a label's prevalence in a stream is surely another than on validation."""
    low, high = exact_interval(positives, known)
    return share.low > high or share.high < low


def adapted_threshold(slope: float, bias: float, label: ShiftedLabel) -> NewThreshold:
    """The threshold of best expected F1 at the prevalence of the stream.

    Args:
        slope: of the label's calibration.
        bias: of the same.
        label: in the stream.
    """
    shift = label.shift
    best = expected_f1_threshold(np.asarray(label.scored.stream, np.float64) + shift) - shift
    raw = np.array([(best - bias) / slope])
    return NewThreshold(float(sigmoid(raw)[0]), RULE, shift)


def adapted_requirement(
    label: str,
    requirement: Requirement,
    validation: tuple[Floats, Targets],
    stream: Floats,
    share: ShareEstimate | None,
) -> NewThreshold | None:
    """The threshold that keeps a requirement in the stream.

    Args:
        label: its name.
        requirement: what is asked.
        validation: logits [m] and targets [m], NaN unknown.
        stream: logits [n].
        share: the label's prevalence in the stream. The lower end of its interval counts for a
            precision, which is least there. A limit of flags needs none.

    Returns:
        None for a recall, whose threshold stays, and where no threshold can be fitted.
    """
    if requirement.measure == "recall":
        return None
    logits, targets = validation
    asked, where = requirement, "validation"
    if requirement.measure == PER_1000:
        logits, targets = stream, np.zeros(len(stream), dtype=np.float32)
        where = "this stream"
    elif share is None:
        return None
    else:
        prior = float(np.nanmean(targets))
        odds = log_odds(requirement.bar) + log_odds(prior) - log_odds(share.low)
        bar = float(np.clip(sigmoid(np.array([odds]))[0], 1 - MOST_BAR, MOST_BAR))
        asked = Requirement(precision=bar)
        where = f"validation, as {requirement.bar:g} at the prevalence of the stream"
    fit = fit_requirement(asked, logits, targets)
    if fit is None:
        return None
    decided = logits >= fit.threshold
    result = judge_requirement(label, asked, fit, targets, decided, decided)
    sentence = result.sentence.replace("on validation", f"on {where}", 1)
    judged = result.model_copy(update={"asked": requirement.asked, "sentence": sentence})
    threshold = float(sigmoid(np.array([fit.threshold]))[0])
    prior = float(np.nanmean(validation[1]))
    shift = 0.0 if share is None else log_odds(share.value) - log_odds(prior)
    return NewThreshold(threshold, f"required {requirement.measure}", shift, judged)
