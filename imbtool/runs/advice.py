"""What a finished training suggests: a larger encoder, or to measure anew what was measured."""

from __future__ import annotations

from pathlib import Path
from statistics import fmean

from imbtool.data.imbalance import RARE
from imbtool.evaluation.estimates import is_known
from imbtool.events import EpochEvent
from imbtool.model.bundled import BASE, SMALL
from imbtool.runs.manifest import read_manifest
from imbtool.trained.metadata import META, CheckpointMeta, read_meta
from imbtool.wording import counted, some

LEAST_POSITIVES = 100
"""In training: a label with fewer needs positives before it needs a larger encoder."""
LEAST_SUPPORT = 10
"""On validation: with fewer positives the F1 of a label says too little."""
LOW_F1 = 0.5
"""Mean F1 of the rare labels under which a larger encoder is suggested. Such labels of EDOS had
0.41 on test with the small encoder, and each of them ranked better with the one of base size."""
GAIN = "raised macro-F1 from 0.364 to 0.403 and mean average precision from 0.344 to 0.405"
"""On the test split of EDOS; docs/train.md has the whole table."""


def larger_encoder_advice(run: Path, best: EpochEvent) -> str | None:
    """Sentences about a larger encoder, where it is likely to find more of the rare labels.

    Args:
        run: the folder of a finished run.
        best: its best epoch.

    Returns:
        None where nothing speaks for it: the encoder is not the small bundled one, the run had
        teachers, or its rare labels are found well or lack positives.

    Raises:
        UserError: the run is damaged.
    """
    meta = read_meta(run / "checkpoint")
    if meta.encoder != SMALL.name or read_manifest(run).distillation is not None:
        return None
    values = learnable_f1(meta, best)
    if not values or fmean(values) >= LOW_F1:
        return None
    labels = counted(len(values), "rare label")
    return (
        f"{labels} with at least {LEAST_POSITIVES} positives in training have a mean F1 of "
        f"{fmean(values):.2f} on validation: a larger encoder is likely to find more. On EDOS "
        f"model.encoder: {BASE.key} {GAIN}, and took five times as long. `imbtool distil` then "
        "teaches a small model what the large one says."
    )


def learnable_f1(meta: CheckpointMeta, best: EpochEvent) -> list[float]:
    """The F1 on validation of each rare label that has positives enough to learn and to measure."""
    rows = [
        best.labels[name]
        for name, label in meta.labels.items()
        if label.tier in RARE and label.training_positives >= LEAST_POSITIVES
    ]
    return [row.f1 for row in rows if row.support >= LEAST_SUPPORT and is_known(row.f1)]


def earlier_results(run: Path) -> str | None:
    """Which evaluations in a run folder are of a checkpoint before the one that it has now."""
    written = (run / "checkpoint" / META).stat().st_mtime
    names = [
        path.name for path in sorted(run.glob("evaluation*.json")) if path.stat().st_mtime < written
    ]
    return f"of the checkpoint before: {some(names)}, with report and plots" if names else None
