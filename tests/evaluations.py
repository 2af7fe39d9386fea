"""An evaluation as a document, made up, with names and texts that try to break out of it."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from imbtool.evaluation.document import METRICS, Evaluation

Document = dict[str, Any]

NAMES = ["<script>alert('x')</script>", 'say "&amp;" \u202eno', "محتوى عنيف", "none here"]
POSITIVES = [3, 40, 900, 0]
HOSTILE = '</bdi></details><img src=x onerror="alert(1)"> \u202eטקסט & more'
LONG = "a text that goes on and on, " * 40


def typed(document: Document) -> Evaluation:
    """A made-up document as an evaluation is read."""
    return Evaluation.model_validate(document)


def figure(value: float | None, low: float | None = None, high: float | None = None) -> Document:
    return {"value": value, "low": low, "high": high}


def figures(value: float | None) -> Document:
    return {name: figure(value) for name in METRICS}


def label(positives: int, value: float | None) -> Document:
    tier = "severe" if positives < 40 else "moderate" if positives < 900 else "head"
    support, found = positives // 4, round((value or 0) * (positives // 4))
    counts = {"support": support, "found": found, "false_alarms": 2 * found}
    rest = {
        "training_positives": positives,
        "threshold": 0.25,
        "tier": tier,
        "weight": 10.0,
        "reason": "severe: 120:1",
        "few": positives < 40,
    }
    return {**figures(value), **counts, **rest}


def evaluation(**parts: Any) -> Document:
    """An evaluation of which nothing more was wanted; `parts` replace its own."""
    micro = {key: figure(0.6) for key in ("precision", "recall", "f1")}
    overall = {"macro": figures(0.3721), "micro": micro, "weighted": figures(0.5)}
    values = [0.0, 0.4, 0.8, None]
    rows = {name: label(*row) for name, *row in zip(NAMES, POSITIVES, values, strict=True)}
    return {
        "overall": {
            **overall,
            "primary": figures(0.4),
            "secondary": figures(0.2),
            "labels_without_positives": 1,
            "labels_at_zero_recall": 1,
        },
        "tiers": {
            "severe": {"labels": 2, **figures(0.0)},
            "moderate": {"labels": 1, **figures(0.4)},
            "head": {"labels": 1, **figures(0.8)},
        },
        "labels": rows,
        "hierarchy": {
            "edges": [[NAMES[0], NAMES[2]]],
            "coherence": "add-parents",
            "violation_rate_before": 0.0834,
            "violation_rate_after": 0.0,
            "violations_before": [{"child": NAMES[0], "parent": NAMES[2], "texts": 61}],
        },
        "data": {
            "checkpoint": "runs/<b>first</b>/checkpoint",
            "source": "test.csv",
            "split": "test",
            "texts": 4000,
            "min_support": 10,
            "fingerprint": "9f2c4e",
            "seen_in_training": False,
        },
        "thresholds": {
            "rule": "mean",
            "scores": {"0.5": 0.341, "mean": 0.374},
            "labels": {
                name: {
                    "threshold": 0.25,
                    "rule": "mean",
                    "validation_positives": 7,
                    "requirement": None,
                }
                for name in NAMES
            },
        },
        "calibration": calibration(),
        "confusion": [],
        "gates": [],
        "slices": None,
        "comparison": None,
        "mistakes": None,
        **parts,
    }


def full_evaluation() -> Document:
    """An evaluation with everything there can be."""
    document = evaluation(
        confusion=[
            {"label": NAMES[number % 3], "taken_for": NAMES[0], "texts": 3, "of": 4 + number}
            for number in range(12)
        ],
        gates=[gate("recall", NAMES[2], 0.7, True), gate("f1", NAMES[0], 0.5, False)],
        slices=slices(),
        comparison=comparison([0.2, -0.1, 0.01, None]),
        mistakes=mistakes(),
    )
    document["labels"][NAMES[1]].update(
        {name: figure(0.4, 0.122, 0.738) for name in ("precision", "recall", "f1")}
    )
    document["thresholds"]["labels"][NAMES[1]]["requirement"] = {
        "asked": "recall >= 0.8",
        "verdict": "likely",
        "validation": figure(0.86, 0.7, 0.95),
        "sentence": "6 of 7 positives are found, <i>which</i> says little",
    }
    return document


def reliability(ece: float) -> Document:
    shares = [(0.001, 0.0, 0.004), (0.05, 0.03, 0.07), (0.6, 0.5, 0.7)]
    bins = [
        {"texts": 100, "mean_probability": share, "share": figure(share, low, high)}
        for share, low, high in shares
    ]
    return {"ece": ece, "brier": figure(0.03, 0.02, 0.04), "bins": bins}


def calibration() -> Document:
    both = {"raw": reliability(0.031), "calibrated": reliability(0.004)}
    return {
        "overall": both,
        "labels": {name: {**both, "slope": 1.1, "bias": -0.5} for name in NAMES},
    }


def gate(measure: str, of: str, bar: float, met: bool) -> Document:
    return {
        "requirement": f"{measure}:{of}>={bar}",
        "measure": measure,
        "of": of,
        "kind": "label",
        "operator": ">=",
        "bar": bar,
        "figure": figure(0.8 if met else 0.0, 0.0, 0.9),
        "met": met,
    }


def slices() -> Document:
    rows = [
        {
            "value": value,
            "texts": texts,
            "few": texts < 100,
            "macro": figures(0.3),
            "labels": {NAMES[1]: {**figures(0.3), "support": 4, "few": True}},
        }
        for value, texts in ((HOSTILE, 40), ("web", 900))
    ]
    return {"column": "<u>source</u>", "slices": rows}


def difference(value: float | None) -> Document:
    if value is None:
        return {**figure(None), "ours": None, "theirs": None}
    return {**figure(value, value - 0.05, value + 0.05), "ours": 0.5, "theirs": 0.5 - value}


def verdict(value: float | None) -> str:
    return "cannot be told" if value is None or abs(value) < 0.05 else _better(value > 0)


def _better(is_better: bool) -> str:
    return "better" if is_better else "worse"


def comparison(values: Sequence[float | None]) -> Document:
    labels = {
        name: {
            **{measure: difference(value) for measure in METRICS},
            "support": 10,
            "verdict": verdict(value),
        }
        for name, value in zip(NAMES, values, strict=True)
    }
    counts = Counter(row["verdict"] for row in labels.values())
    return {
        "against": "runs/<b>old</b>",
        "texts": 4000,
        "has_scores": True,
        "decided_by": "its own thresholds",
        "left_out": ["only <i>there</i>"],
        "overall": {
            "macro": {measure: difference(0.02) for measure in METRICS},
            "micro": {measure: difference(0.01) for measure in METRICS[:3]},
        },
        "labels": labels,
        "counts": {name: counts[name] for name in ("better", "worse", "cannot be told")},
    }


def item(text: str, row: int) -> Document:
    return {
        "row": row,
        "text": text,
        "probability": 0.125,
        "threshold": 0.25,
        "given": [NAMES[0]],
        "decided": [],
    }


def mistakes() -> Document:
    texts = [HOSTILE, LONG, "short"]
    items = [item(text, row) for row, text in enumerate(texts, start=1)]
    return {
        "labels": {NAMES[0]: {"misses": items, "false_alarms": items[:1]}},
        "suspects": [{**items[0], "label": NAMES[1], "given_label": True, "score": 0.9}],
    }
