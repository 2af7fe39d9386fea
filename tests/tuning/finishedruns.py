"""Finished runs, made up: healthy unless told otherwise."""

from typing import Any

from imbtool.config.schema import TuningSection
from imbtool.events import EpochEvent
from imbtool.tuning.diagnosis import Diagnosis, FinishedRun, LabelState, diagnose

Row = dict[str, Any]

GOOD = {"precision": 0.8, "recall": 0.7, "f1": 0.75, "support": 40}


def label(**metrics: Any) -> Row:
    """A label's row; F1 follows from precision and recall."""
    row = GOOD | metrics
    both = row["precision"] + row["recall"]
    return row | {"f1": 2 * row["precision"] * row["recall"] / both if both else 0.0}


def epoch(number: int, **parts: Any) -> EpochEvent:
    """An epoch that is a little better than the one before."""
    usual = {
        "epoch": number,
        "step": 10 * number,
        "train_loss": 0.5 / number,
        "validation_loss": 0.4 / number,
        "f1_macro": 0.5 + 0.002 * number,
        "average_precision_macro": 0.5 + 0.002 * number,
        "best": True,
        "labels": {"rare": GOOD, "common": GOOD},
    }
    return EpochEvent(**usual | parts)


def finished(**parts: Any) -> FinishedRun:
    """A run of two epochs with a rare and a common label."""
    usual = {
        "epochs": [epoch(1), epoch(2)],
        "losses": [0.5] * 100,
        "frozen": 0.3,
        "labels": {"rare": LabelState("severe", 0.5), "common": LabelState("common", 0.5)},
    }
    return FinishedRun(**(usual | parts))


def with_label(
    name: str = "rare", threshold: float = 0.5, requirement: str | None = None, **metrics: Any
) -> FinishedRun:
    """A run whose kept epoch has these metrics of one label."""
    tier = "severe" if name == "rare" else "common"
    labels = {"rare": GOOD, "common": GOOD} | {name: label(**metrics)}
    states = finished().labels | {name: LabelState(tier, threshold, requirement)}
    return finished(epochs=[epoch(1), epoch(2, labels=labels)], labels=states)


def swinging() -> FinishedRun:
    """A run whose training loss oscillates."""
    return finished(losses=[0.1 * (8 if step // 10 % 2 else 1) for step in range(200)])


def rising(average_precision: float, kept: int = 1) -> FinishedRun:
    """A run whose validation loss rises in its second epoch, which ends at this ranking."""
    first = epoch(1, validation_loss=0.3)
    last = epoch(2, validation_loss=0.4, best=kept == 2, average_precision_macro=average_precision)
    return finished(epochs=[first, last])


def incoherent(texts: int, decided: int = 60) -> FinishedRun:
    """A run that decides `rare` on some texts, on so many of them without its parent."""
    row = {"child": "rare", "parent": "common", "texts": texts, "decided": decided}
    return finished(epochs=[epoch(1), epoch(2, violations=[row])])


def found(run: FinishedRun, **healthy: float) -> dict[tuple[str, str | None], Diagnosis]:
    """The diagnoses of a run by id and label."""
    section = TuningSection.model_validate({"healthy": healthy})
    return {(each.id, each.label): each for each in diagnose(run, section)}
