"""Measure a checkpoint on a labelled table: the content of evaluation.json."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from imbtool.config.schema import EvaluationSection, Profile
from imbtool.data.corpus import SPLITS, Split, read_own_split, read_split, split_column
from imbtool.data.provenance import bias_notes
from imbtool.errors import rows_named, user_error
from imbtool.evaluation.calibration import measure_calibration, sigmoid
from imbtool.evaluation.comparison import compare
from imbtool.evaluation.document import (
    Evaluation,
    LabelThreshold,
    SplitData,
    Thresholds,
    TrainedLabel,
)
from imbtool.evaluation.estimates import SplitMetrics
from imbtool.evaluation.gates import Gate, check_gates, judge_gates
from imbtool.evaluation.mistakes import confusion_pairs, find_mistakes
from imbtool.evaluation.predictions import Predictions
from imbtool.evaluation.summary import (
    measure_slices,
    summarise_hierarchy,
    summarise_labels,
    summarise_overall,
    summarise_tiers,
)
from imbtool.files.model_folder import is_file
from imbtool.formats.sources import FORMATS
from imbtool.inference.agreement import decided
from imbtool.inference.external import read_external_predictions
from imbtool.inference.used_texts import count_used
from imbtool.notes import tell
from imbtool.runs.folder import read_run_profile
from imbtool.runs.manifest import MANIFEST, PROFILE
from imbtool.trained.checkpoint import Checkpoint, read_checkpoint
from imbtool.trained.metadata import CheckpointMeta
from imbtool.wording import counted, did_you_mean, some


@dataclass(frozen=True)
class EvaluationOptions:
    """What an evaluation holds beside the metrics.

    Attributes:
        gates: bars that metrics must reach.
        by: the column of the table whose values make slices.
        against: another checkpoint, or a file of external predictions.
        errors: how many misses and false alarms of each rare label to quote; 0 quotes no text.
        trust_remote_code: run code that the other checkpoint brings along.
    """

    gates: Sequence[Gate] = ()
    by: str | None = None
    against: Path | None = None
    errors: int = 0
    trust_remote_code: bool = False


METRICS_ALONE = EvaluationOptions()


def run_profile(checkpoint: Checkpoint) -> Profile | None:
    """The resolved profile of the run around a checkpoint; None where it stands alone."""
    run = checkpoint.folder.parent
    is_run = is_file(run / MANIFEST) and is_file(run / PROFILE)
    return read_run_profile(run) if is_run else None


def table_split(checkpoint: Checkpoint, table: Path) -> Split:
    """A table of the user's, read as the training tables were.

    A sentence tells how many of its texts a search chose, since figures on them are biased.

    Raises:
        UserError: it cannot be read, or has labels that the model lacks.
    """
    section = checkpoint.meta.data_section(table)
    split = read_split(
        table.stem, table, section, checkpoint.labels, checkpoint.meta.declared.labels
    )
    tell(bias_notes({split.name: split.chosen}))
    return split


def own_split(checkpoint: Checkpoint, name: str) -> Split:
    """A split of the run's own data, as it was in training.

    A sentence tells how many of its texts a search chose, since figures on them are biased.

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
    split = read_own_split(name, profile, checkpoint.labels, checkpoint.meta.declared.labels)
    if split.fingerprint != checkpoint.meta.fingerprints[name]:
        found = f"other texts or labels in {name} than in training"
        fix = "restore it, or evaluate on it as it is now with --data"
        raise user_error(split.source, found, "the data of the training", fix)
    tell(bias_notes({split.name: split.chosen}))
    return split


def evaluate(
    checkpoint: Checkpoint, split: Split, options: EvaluationOptions = METRICS_ALONE
) -> Evaluation:
    """Measure a checkpoint on a split: the content of evaluation.json.

    Args:
        checkpoint: the model with its thresholds.
        split: n texts and their targets [n, L].
        options: what the evaluation holds beside the metrics.

    Returns:
        Each metric with its 95% interval; see docs/evaluate.md. `model_dump()` makes a dictionary.

    Raises:
        UserError: something that is wanted cannot be had; said before anything is measured.

    Examples:
        >>> from pathlib import Path
        >>> from imbtool import evaluate, read_checkpoint, read_corpus, read_profile
        >>> test = read_corpus(read_profile(Path("profile.yaml"))).test
        >>> evaluation = evaluate(read_checkpoint(Path("runs/first")), test)
        >>> f1 = evaluation.overall.macro.f1
        >>> f1.low <= f1.value <= f1.high
        True
    """
    meta, targets = checkpoint.meta, split.targets
    check_gates(options.gates, checkpoint.labels, meta.tiers)
    data, values = _data(checkpoint, split), _slice_values(meta, split, options.by)
    theirs = _other_predictions(checkpoint, split, options)
    with rows_named(split.row_text):
        logits = checkpoint.logits(split.texts)
    ours = decided(checkpoint, sigmoid(logits))
    metrics = SplitMetrics(ours, targets)
    overall, tiers = summarise_overall(metrics), summarise_tiers(metrics, meta.tiers)
    trained = [
        TrainedLabel.model_validate(label, from_attributes=True) for label in meta.labels.values()
    ]
    labels = summarise_labels(metrics, trained, data.min_support)
    return Evaluation(
        overall=overall,
        tiers=tiers,
        labels=labels,
        hierarchy=summarise_hierarchy(ours),
        thresholds=_thresholds(meta),
        data=data,
        calibration=measure_calibration(ours.labels.names, logits, targets, meta.calibration),
        confusion=confusion_pairs(ours, targets),
        gates=judge_gates(options.gates, labels, {**overall.groups, **tiers}),
        slices=None
        if options.by is None
        else measure_slices(options.by, values, ours, targets, data.min_support),
        comparison=None
        if theirs is None
        else compare(metrics, theirs, targets, meta.tiers, str(options.against)),
        mistakes=find_mistakes(ours, split, meta.tiers, options.errors) if options.errors else None,
    )


def _data(checkpoint: Checkpoint, split: Split) -> SplitData:
    meta, profile = checkpoint.meta, run_profile(checkpoint)
    used = {meta.fingerprints[name] for name in ("train", "validation")}
    fingerprint = split.fingerprint
    used_texts = count_used(checkpoint, profile, split)
    return SplitData(
        checkpoint=str(checkpoint.folder),
        source=str(split.source),
        split=split.name,
        texts=len(split),
        chosen=int(split.chosen.sum()),
        min_support=(profile.evaluation if profile else EvaluationSection()).min_support,
        fingerprint=fingerprint,
        seen_in_training=fingerprint in used or used_texts == len(split),
        own=profile is not None and meta.fingerprints.get(split.name) == fingerprint,
        used_texts=used_texts,
    )


def _thresholds(meta: CheckpointMeta) -> Thresholds:
    return Thresholds(
        rule=meta.threshold_rule,
        scores=meta.threshold_scores,
        micro_scores=meta.threshold_micro_scores,
        labels={
            name: LabelThreshold(
                threshold=label.threshold,
                rule=label.rule or meta.threshold_rule,
                validation_positives=label.validation_positives,
                requirement=label.requirement,
            )
            for name, label in meta.labels.items()
        },
    )


def _slice_values(meta: CheckpointMeta, split: Split, column: str | None) -> list[str]:
    """The value of each text in a column; none where no slices are wanted."""
    return [] if column is None else split_column(split, column, meta.data.text_format)


def _unfair(other: Checkpoint, split: Split, path: Path) -> Iterator[str]:
    """That the other model has used the texts, or may have."""
    fingerprints, measured = other.meta.fingerprints, split.fingerprint
    whole = [name for name in ("train", "validation") if fingerprints[name] == measured]
    if whole:
        yield f"{path} has used these texts as its {whole[0]} texts, so it looks better than it is."
        return
    used = count_used(other, run_profile(other), split)
    if used:
        yield (
            f"The training of {path} has used {used:,} of these {counted(len(split), 'text')}, "
            "so it looks better than it is."
        )
    elif used is None and fingerprints["test"] != measured:
        yield (
            f"These are not the test texts of {path}: it looks better than it is if some of them "
            "are among its training texts."
        )


def _other_predictions(
    checkpoint: Checkpoint, split: Split, options: EvaluationOptions
) -> Predictions | None:
    """What another checkpoint, or a file of external predictions, predicts for the texts."""
    path = options.against
    if path is None:
        return None
    if path.is_file() or path.suffix in FORMATS:
        section = checkpoint.meta.data_section(split.source)
        return read_external_predictions(path, section, checkpoint.labels.names, split)
    other = read_checkpoint(path, options.trust_remote_code)
    columns, own = (
        each.meta.data_section(split.source).text_columns for each in (other, checkpoint)
    )
    if columns != own and max(len(columns), len(own)) > 1:
        expected = f"one that reads {some(own)}, as the checkpoint does"
        fix = "write its predictions by `imbtool predict`, and compare with that file"
        raise user_error(path, f"a model that reads {some(columns)}", expected, fix)
    tell(_unfair(other, split, path))
    with rows_named(split.row_text):
        return decided(other, other.probabilities(split.texts))
