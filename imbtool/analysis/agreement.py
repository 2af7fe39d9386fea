"""How far annotators agree, and what their disagreement means for a model's F1.

Krippendorff's alpha is 1 - observed / expected disagreement, of nominal values of any number of
annotators, each of whom may have left texts out (Krippendorff, Computing Krippendorff's
Alpha-Reliability, 2011). 1 is agreement, 0 what chance gives.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from imbtool.evaluation.document import Estimate
from imbtool.evaluation.intervals import draw_weights, f1_interval, resampled_interval
from imbtool.evaluation.metrics import Weights
from imbtool.files.documents import Count, NumberOrNone, Part
from imbtool.types import Floats, Targets

Ratings = Floats | Targets
"""What annotators say of texts: [annotators, texts] or [annotators, texts, labels], NaN nothing."""
TAILS = (0.025, 0.975)


class LabelAgreement(Part):
    """How far annotators agree about a label."""

    texts: Count
    """That two annotators or more have answered."""
    positives: Count
    """Of these, texts to which somebody gives the label."""
    split: Count
    """Of these, texts about which annotators differ."""
    alpha: Estimate
    """Krippendorff's alpha; None where all annotators always say the same one thing."""
    ceiling: NumberOrNone
    """The mean F1 of one annotator against the majority of the others."""


class AnnotatorAgreement(Part):
    """How far an annotator agrees with the majority of the others, over all labels."""

    texts: Count
    """That the annotator has answered."""
    compared: Count
    """Of these, texts that others have answered too."""
    f1: Estimate
    """Of the annotator's labels against the majority of the others."""
    more: Count
    """Labels given that the others do not give."""
    fewer: Count
    """Labels not given that the others give."""
    differs: bool
    """Whether the interval of the F1 ends below the F1 of all other annotators together."""


class Agreement(Part):
    """How far annotators agree, by label and by annotator."""

    labels: dict[str, LabelAgreement]
    annotators: dict[str, AnnotatorAgreement]


def krippendorff_alpha(ratings: Ratings) -> float:
    """Krippendorff's alpha of nominal values.

    Args:
        ratings: [annotators, texts], NaN where an annotator has said nothing.

    Returns:
        Alpha; NaN where no text has two answers, or all answers are the same.
    """
    counts, differing = _pairs(ratings)
    ones = np.ones((len(counts), 1), dtype=np.float32)
    return float(_alphas(counts, differing, ones)[0])


def alpha_estimate(ratings: Ratings, seed: int = 0) -> Estimate:
    """Krippendorff's alpha with its 95% interval, from resamples of the texts.

    As everywhere, the spread is that of the resamples and the shape that of a share; ends below 0,
    which no share has, are quantiles of the resamples.

    Args:
        ratings: [annotators, texts], NaN where an annotator has said nothing.
        seed: of the resamples.
    """
    counts, differing = _pairs(ratings)
    value = krippendorff_alpha(ratings)
    if np.isnan(value):
        return Estimate(value=None, low=None, high=None)
    parts = [_alphas(counts, differing, weights) for weights in draw_weights(len(counts), seed)]
    drawn = np.concatenate(parts)
    low, high = (float(end) for end in np.nanquantile(drawn, TAILS))
    if value > 0:
        # where nobody differs, what alpha rests on are the texts with the rarer answer
        rarer = (counts > 0).sum(axis=0).min()
        as_share = resampled_interval(value, np.clip(drawn, 0, 1), float(rarer))
        low, high = min(low, as_share[0]) if low < 0 else as_share[0], as_share[1]
    return Estimate(value=value, low=low, high=high)


def _pairs(ratings: Ratings) -> tuple[Floats, Floats]:
    """Of each text with two answers or more the number of each answer, and differing pairs.

    Returns:
        Counts [texts, values], and the ordered pairs of different answers a text, each text
        weighted by 1 / (answers - 1) [texts].
    """
    values = np.unique(ratings[~np.isnan(ratings)])
    counts = (ratings[:, :, None] == values).sum(axis=0).astype(float)
    counts = counts[counts.sum(axis=1) >= 2]
    answers = counts.sum(axis=1)
    differing = (answers**2 - (counts**2).sum(axis=1)) / np.maximum(answers - 1, 1)
    return counts, differing


def _alphas(counts: Floats, differing: Floats, weights: Weights) -> Floats:
    """Alpha for each way to weigh the texts [texts, R]: [R]; NaN where it is undefined."""
    totals = counts.T @ weights
    answers = totals.sum(axis=0)
    expected = answers**2 - (totals**2).sum(axis=0)
    observed = (answers - 1) * (differing @ weights)
    alphas = np.full(len(answers), np.nan)
    np.divide(observed, expected, out=alphas, where=expected > 0)
    return np.asarray(1 - alphas)


def majority(ratings: Ratings) -> Targets:
    """What most annotators say of each text and label.

    Args:
        ratings: [annotators, ...], NaN where an annotator has said nothing.

    Returns:
        float32 [...]: 1 or 0; NaN at a tie, and where nobody has answered.
    """
    yes, no = (ratings == 1).sum(axis=0), (ratings == 0).sum(axis=0)
    result = np.where(yes > no, np.float32(1), np.float32(0))
    result[yes == no] = np.nan
    return np.asarray(result, dtype=np.float32)


TIE = 0.5


def vote_shares(ratings: Ratings) -> Targets:
    """What `majority` says, and `TIE` at a tie: to leave ties out would lower frequencies.

    Args:
        ratings: as for `majority`.
    """
    result = majority(ratings)
    result[np.isnan(result) & ~np.isnan(ratings).all(axis=0)] = TIE
    return result


def measure_agreement(
    ratings: Ratings, annotators: Sequence[str], labels: Sequence[str], seed: int = 0
) -> Agreement:
    """How far annotators agree.

    Args:
        ratings: 1, 0 or NaN, [annotators, texts, labels].
        annotators: their names.
        labels: their names.
        seed: of the resamples.
    """
    both, more, fewer = _against_others(ratings)
    return Agreement(
        labels={
            label: _of_label(ratings[:, :, place], both[:, place], (more + fewer)[:, place], seed)
            for place, label in enumerate(labels)
        },
        annotators={
            name: _of_annotator(ratings, place, both.sum(1), more.sum(1), fewer.sum(1))
            for place, name in enumerate(annotators)
        },
    )


def _against_others(ratings: Ratings) -> tuple[Floats, Floats, Floats]:
    """Labels that an annotator and the majority of the others give, that one alone gives.

    Returns:
        Three counts [annotators, labels]: both, the annotator alone, the others alone.
    """
    yes, no = (ratings == 1).sum(axis=0), (ratings == 0).sum(axis=0)
    counts = []
    for own in ratings:
        others = (yes - (own == 1)) - (no - (own == 0))
        counts.append(
            [
                ((own == 1) & (others > 0)).sum(axis=0),
                ((own == 1) & (others < 0)).sum(axis=0),
                ((own == 0) & (others > 0)).sum(axis=0),
            ]
        )
    both, more, fewer = np.array(counts, dtype=float).transpose(1, 0, 2)
    return both, more, fewer


def _of_label(ratings: Ratings, both: Floats, errors: Floats, seed: int) -> LabelAgreement:
    counts, differing = _pairs(ratings)
    several = (~np.isnan(ratings)).sum(axis=0) >= 2
    given = (ratings == 1).any(axis=0) & several
    found = 2 * both + errors
    f1 = [2 * hits / total for hits, total in zip(both, found, strict=True) if total]
    return LabelAgreement(
        texts=len(counts),
        positives=int(given.sum()),
        split=int((differing > 0).sum()),
        alpha=alpha_estimate(ratings, seed),
        ceiling=float(np.mean(f1)) if f1 else None,
    )


def _of_annotator(
    ratings: Ratings, place: int, both: Floats, more: Floats, fewer: Floats
) -> AnnotatorAgreement:
    answered = np.asarray((~np.isnan(ratings)).any(axis=2))
    others = np.delete(answered, place, axis=0).any(axis=0)
    errors = more + fewer
    f1 = _f1(both[place], errors[place])
    low, high = f1_interval(both[place], errors[place])
    rest = _f1(both.sum() - both[place], errors.sum() - errors[place])
    known = f1 is not None
    # of two annotators neither is the one who differs
    differs = known and len(ratings) > 2 and rest is not None and high < rest
    return AnnotatorAgreement(
        texts=int(answered[place].sum()),
        compared=int((answered[place] & others).sum()),
        f1=Estimate(value=f1, low=low if known else None, high=high if known else None),
        more=int(more[place]),
        fewer=int(fewer[place]),
        differs=bool(differs),
    )


def _f1(both: float, errors: float) -> float | None:
    return float(2 * both / (2 * both + errors)) if both + errors else None
