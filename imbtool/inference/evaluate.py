"""A checkpoint meets a labelled table: the evaluation document."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imbtool.config.reader import read_profile
from imbtool.config.schema import EvaluationSection, Profile
from imbtool.data.corpus import SPLITS, Split, read_corpus, read_split, split_column
from imbtool.errors import rows_named, user_error
from imbtool.evaluation.calibration import sigmoid
from imbtool.evaluation.comparison import Judged, comparison_document
from imbtool.evaluation.external import read_rival
from imbtool.evaluation.gates import Gate, check_gates, judge_gates
from imbtool.evaluation.mistakes import confusion_pairs, mistakes_document
from imbtool.evaluation.reliability import calibration_document
from imbtool.evaluation.slices import slices_document
from imbtool.evaluation.summary import evaluation_document
from imbtool.formats.sources import FORMATS
from imbtool.model.checkpoint import Checkpoint, read_checkpoint
from imbtool.model.metadata import CheckpointMeta
from imbtool.types import Decisions, Floats, Targets
from imbtool.wording import did_you_mean

Document = dict[str, Any]


@dataclass(frozen=True)
class Wanted:
    """What an evaluation shall hold beside its figures.

    Attributes:
        gates: bars that figures must reach.
        by: the column of the table whose values make slices.
        against: another checkpoint, or a file of any tool's predictions.
        errors: how many misses and false alarms of each rare label to quote; 0 quotes no text.
        trust_remote_code: run code that the other checkpoint brings along.
    """

    gates: Sequence[Gate] = ()
    by: str | None = None
    against: Path | None = None
    errors: int = 0
    trust_remote_code: bool = False


FIGURES_ALONE = Wanted()


def run_profile(checkpoint: Checkpoint) -> Profile | None:
    """The resolved profile of the run around a checkpoint; None where it stands alone."""
    run = checkpoint.folder.parent
    is_run = (run / "manifest.json").is_file() and (run / "profile.yaml").is_file()
    return read_profile(run / "profile.yaml") if is_run else None


def table_split(checkpoint: Checkpoint, table: Path) -> Split:
    """A table of the user's, read as the training tables were.

    Raises:
        UserError: it cannot be read, or has labels that the model lacks.
    """
    section = checkpoint.meta.data_section(table)
    return read_split(table.stem, table, section, checkpoint.labels)


def own_split(checkpoint: Checkpoint, name: str) -> Split:
    """A split of the run's own data, as it was in training.

    Raises:
        UserError: no such split, no run around the checkpoint, or the data have changed.
    """
    if name not in SPLITS:
        raise user_error(
            "--split", repr(name), f"one of {', '.join(SPLITS)}", did_you_mean(name, SPLITS)
        )
    profile = run_profile(checkpoint)
    if profile is None:
        found = f"no run's profile.yaml beside {checkpoint.folder}"
        raise user_error(
            "--split", found, "a checkpoint in its run folder", "name a table with --data"
        )
    split = read_corpus(profile).splits[name]
    if split.fingerprint != checkpoint.meta.fingerprints[name]:
        found = f"other texts or labels in {name} than in training"
        fix = "restore it, or evaluate on it as it is now with --data"
        raise user_error(split.source, found, "the data of the training", fix)
    return split


def evaluate(checkpoint: Checkpoint, split: Split, wanted: Wanted = FIGURES_ALONE) -> Document:
    """Measure a checkpoint on a split: the content of evaluation.json.

    Args:
        checkpoint: the model with its thresholds.
        split: n texts and their targets [n, L].
        wanted: what the document shall hold beside the figures.

    Returns:
        Each figure as {value, low, high}, its 95% interval; see docs/evaluate.md.

    Raises:
        UserError: something that is wanted cannot be had; said before anything is measured.

    Examples:
        >>> from pathlib import Path
        >>> from imbtool import evaluate, read_checkpoint, read_corpus, read_profile
        >>> test = read_corpus(read_profile(Path("profile.yaml"))).test
        >>> document = evaluate(read_checkpoint(Path("runs/first")), test)
        >>> sorted(document["overall"]["macro"]["f1"])
        ['high', 'low', 'value']
    """
    labels, meta, targets = checkpoint.labels, checkpoint.meta, split.targets
    check_gates(wanted.gates, labels, meta.tiers)
    values, theirs = _values(checkpoint, split, wanted.by), _rival(checkpoint, split, wanted)
    with rows_named(split.row_text):
        logits = checkpoint.logits(split.texts)
    scores = sigmoid(logits)
    ours = Judged(labels.names, checkpoint.decide(scores), scores)
    document = _figures(checkpoint, split, scores)
    document["calibration"] = _calibration(checkpoint, logits, targets)
    document["confusion"] = confusion_pairs(labels, ours.decisions, targets)
    document["gates"] = judge_gates(wanted.gates, document)
    document["slices"] = document["comparison"] = document["mistakes"] = None
    if wanted.by is not None:
        least = document["data"]["min_support"]
        document["slices"] = slices_document(
            wanted.by, values, ours.decisions, scores, targets, labels, least
        )
    if theirs is not None:
        document["comparison"] = comparison_document(
            ours, theirs, targets, meta.tiers, str(wanted.against)
        )
    if wanted.errors:
        document["mistakes"] = _mistakes(checkpoint, split, ours.decisions, scores, wanted.errors)
    return document


def _figures(checkpoint: Checkpoint, split: Split, scores: Floats) -> Document:
    meta, profile = checkpoint.meta, run_profile(checkpoint)
    least = (profile.evaluation if profile else EvaluationSection()).min_support
    document = evaluation_document(
        checkpoint.labels, scores, split.targets, meta.thresholds, meta.coherence, meta.tiers
    )
    for name, row in document["labels"].items():
        row["training_positives"] = meta.labels[name].training_positives
        row["weight"], row["reason"] = meta.labels[name].weight, meta.labels[name].reason
        row["few"] = row["support"] < least
    document["thresholds"] = _thresholds(meta)
    used = {meta.fingerprints[name] for name in ("train", "validation")}
    document["data"] = {
        "checkpoint": str(checkpoint.folder),
        "source": str(split.source),
        "split": split.name,
        "texts": len(split),
        "min_support": least,
        "fingerprint": split.fingerprint,
        "seen_in_training": split.fingerprint in used,
    }
    return document


def _thresholds(meta: CheckpointMeta) -> Document:
    return {
        "rule": meta.threshold_rule,
        "scores": meta.threshold_scores,
        "labels": {
            name: {
                "threshold": label.threshold,
                "rule": label.rule or meta.threshold_rule,
                "validation_positives": label.validation_positives,
                "requirement": label.requirement and label.requirement.model_dump(),
            }
            for name, label in meta.labels.items()
        },
    }


def _calibration(checkpoint: Checkpoint, logits: Floats, targets: Targets) -> Document:
    calibration = checkpoint.meta.calibration
    calibrated = calibration.probabilities(logits) if calibration else None
    names = checkpoint.labels.names
    return calibration_document(names, sigmoid(logits), calibrated, targets, calibration)


def _values(checkpoint: Checkpoint, split: Split, column: str | None) -> list[str]:
    """The slice of each text; none where no slices are wanted."""
    data = checkpoint.meta.data
    return [] if column is None else split_column(split, column, data.text_format)


def _rival(checkpoint: Checkpoint, split: Split, wanted: Wanted) -> Judged | None:
    """What another checkpoint, or a file of predictions, says of the texts."""
    path = wanted.against
    if path is None:
        return None
    if path.is_file() or path.suffix in FORMATS:
        section = checkpoint.meta.data_section(split.source)
        return read_rival(path, section, checkpoint.labels.names, split)
    other = read_checkpoint(path, wanted.trust_remote_code)
    with rows_named(split.row_text):
        scores = other.probabilities(split.texts)
    return Judged(other.labels.names, other.decide(scores), scores)


def _mistakes(
    checkpoint: Checkpoint, split: Split, decisions: Decisions, scores: Floats, most: int
) -> Document:
    labels, meta = checkpoint.labels, checkpoint.meta
    thresholds, texts = meta.thresholds, split.texts
    return mistakes_document(
        labels, meta.tiers, decisions, scores, thresholds, split.targets, texts, split.rows, most
    )
