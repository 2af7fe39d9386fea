"""What a method answers for the test texts: measured, and kept as JSON without any text.

Of scores all is kept that average precision rests on: between which positives each text stands.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t

from imbtool.config.schema import WeightsSection
from imbtool.data.corpus import Corpus
from imbtool.data.imbalance import Tier, count_labels, tier_of
from imbtool.evaluation.comparison import difference
from imbtool.evaluation.estimates import ResampledMetric, SplitMetrics
from imbtool.evaluation.intervals import resampled_interval
from imbtool.evaluation.measures import figure
from imbtool.evaluation.predictions import Predictions
from imbtool.files.json_text import read_json, to_json, write_json
from imbtool.types import Decisions

SHOWN_TIERS: tuple[Tier, ...] = ("common", "moderate", "severe")

Document = dict[str, Any]
Estimated = Mapping[str, ResampledMetric]


class Answers(NamedTuple):
    """Decisions [n, L], and scores [n, L]: the higher, the more probable."""

    decisions: Decisions
    scores: NDArray[np.floating[Any] | np.integer[Any]]


class Test:
    """What answers are measured against: the test split, and tiers by training."""

    def __init__(self, corpus: Corpus, rules: WeightsSection) -> None:
        self.labels, self.targets = corpus.labels, corpus.test.targets
        ratios = [count.ratio for count in count_labels(corpus.train.targets)]
        self.tiers: list[Tier] = [tier_of(ratio, rules) for ratio in ratios]

    def estimates(self, answers: Answers) -> dict[str, ResampledMetric]:
        """Every figure with an interval, `f1` and `average_precision` of each tier among them."""
        scores = answers.scores.astype(np.float64)
        predictions = Predictions(self.labels, answers.decisions, scores)
        measured = SplitMetrics(predictions, self.targets)
        macro = measured.macro(range(len(self.tiers)))
        tiers = {tier: measured.macro(self._of(tier)) for tier in SHOWN_TIERS if self._of(tier)}
        return {
            "f1_macro": macro["f1"],
            "f1_micro": measured.micro()["f1"],
            "average_precision_macro": macro["average_precision"],
            **{f"f1_{tier}": of["f1"] for tier, of in tiers.items()},
            **{f"average_precision_{tier}": of["average_precision"] for tier, of in tiers.items()},
        }

    def counts(self, answers: Answers) -> dict[str, float]:
        """Labels with test positives none of which was found, and texts with a lone child."""
        positive = self.targets == 1
        found = (answers.decisions & positive).any(axis=0)
        return {
            "labels_at_zero_recall": float((positive.any(axis=0) & ~found).sum()),
            "violation_rate": self.labels.violation_rate(answers.decisions),
        }

    def kept(self, answers: Answers) -> Document:
        """Figures, decisions and standings, for a JSON file."""
        figures = {
            name: figure(of.value, of.low, of.high) for name, of in self.estimates(answers).items()
        }
        return {
            "figures": figures | self.counts(answers),
            "labels": list(self.labels.names),
            "texts": len(self.targets),
            "decisions": packed(np.packbits(answers.decisions.T)),
            "standings": packed(standings(answers.scores, self.targets).T),
        }

    def read(self, kept: Document) -> Answers:
        """Answers as they were kept; their scores are standings."""
        shape = self.targets.T.shape
        bits = np.unpackbits(unpacked(kept["decisions"], np.uint8), count=self.targets.size)
        scores = unpacked(kept["standings"], np.dtype("<u2")).reshape(shape)
        return Answers(bits.reshape(shape).T.astype(np.bool_), scores.T)

    def _of(self, tier: Tier) -> Sequence[int]:
        return [index for index, of in enumerate(self.tiers) if of == tier]


def standings(scores: NDArray[Any], targets: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Where each text stands among the positives of a label [n, L].

    2 k above the k lowest scores that positives have, 2 k + 1 at the next one. In which order the
    texts between two positives stand changes no average precision and no AUC, in no resample of
    the texts either, so standings give those of the scores.
    """
    columns = []
    for column, truth in zip(scores.T, targets.T, strict=True):
        levels = np.unique(column[truth == 1])
        sides = [np.searchsorted(levels, column, side) for side in ("left", "right")]
        columns.append(sides[0] + sides[1])
    return np.stack(columns, axis=1).astype("<u2")


def spread(values: Sequence[float]) -> Document:
    """Mean and standard deviation over seeds; the latter NaN of one seed."""
    deviation = float(np.std(values, ddof=1)) if len(values) > 1 else np.nan
    return {"mean": float(np.mean(values)), "sd": deviation, "values": list(values)}


def less(theirs: Sequence[Estimated], ours: Sequence[Estimated]) -> Document:
    """Another method's figures less ours, each {value, low, high}."""
    result = {}
    for name in ours[0]:
        pair = [[of[name] for of in runs] for runs in (theirs, ours)]
        of_texts = difference(pooled(pair[0]), pooled(pair[1]), same=theirs is ours)
        of_seeds = seed_reach(*([each.value for each in runs] for runs in pair))
        value = of_texts.value
        down, up = (np.hypot(end - value, of_seeds) for end in (of_texts.low, of_texts.high))
        result[name] = {"value": value, "low": value - float(down), "high": value + float(up)}
    return result


def pooled(runs: Sequence[ResampledMetric]) -> ResampledMetric:
    """The mean of a figure over seeds; resamples of the same texts are the same for all of them."""
    value = float(np.mean([run.value for run in runs]))
    resamples, trials = np.mean([run.resamples for run in runs], axis=0), runs[0].trials
    return ResampledMetric(value, *resampled_interval(value, resamples, trials), resamples, trials)


def seed_reach(theirs: Sequence[float], ours: Sequence[float]) -> float:
    """How far other seeds could move a difference of means: half of Welch's 95% interval."""
    if min(len(theirs), len(ours)) < 2:
        return 0.0
    parts = [(float(np.var(of, ddof=1)) / len(of), len(of) - 1) for of in (theirs, ours)]
    variance = sum(part for part, _ in parts)
    if not variance:
        return 0.0
    freedom = variance**2 / sum(part**2 / degrees for part, degrees in parts)
    return float(t.ppf(0.975, freedom)) * variance**0.5


def packed(array: NDArray[Any]) -> str:
    """The bytes of an array as text."""
    return base64.b64encode(zlib.compress(array.tobytes(), 9)).decode()


def unpacked(text: str, kind: Any) -> NDArray[Any]:
    """The array [m] of which `packed` made a text."""
    return np.frombuffer(zlib.decompress(base64.b64decode(text)), dtype=kind)


def keep(path: Path, rests_on: Document, rest: Document) -> Document:
    """Write a result, and give it as it will be read."""
    write_json(path, {"rests_on": rests_on, **rest})
    result: Document = read_json(path)
    return result


def find(path: Path, rests_on: Document, missing: Sequence[str]) -> tuple[Document | None, str]:
    """A kept result if it rests on the same, and in what it differs if it does not.

    Args:
        path: of the result.
        rests_on: settings, data and versions.
        missing: packages that are not installed, so that their versions are not compared.
    """
    if not path.is_file():
        return None, ""
    kept: Document = read_json(path)
    before, now = (_flat(json.loads(to_json(of))) for of in (kept["rests_on"], rests_on))
    ignored = {f"versions.{package}" for package in missing}
    changed = sorted(key for key in {*before, *now} - ignored if before.get(key) != now.get(key))
    return (None, ", ".join(changed)) if changed else (kept, "")


def _flat(document: Document, prefix: str = "") -> Document:
    """Values under dotted keys."""
    result: Document = {}
    for key, value in document.items():
        nested = isinstance(value, dict)
        result |= _flat(value, f"{prefix}{key}.") if nested else {f"{prefix}{key}": value}
    return result
