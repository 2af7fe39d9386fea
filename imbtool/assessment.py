"""A checkpoint meets a labelled table: the evaluation document."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from imbtool.checkpoint import Checkpoint
from imbtool.corpus import SPLITS, Split, read_corpus, read_split
from imbtool.errors import did_you_mean, fail
from imbtool.evaluation.summary import evaluation_document
from imbtool.profile import EvaluationSection, Profile
from imbtool.profilefile import read_profile

Document = dict[str, Any]


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
        raise fail("--split", repr(name), f"one of {', '.join(SPLITS)}", did_you_mean(name, SPLITS))
    profile = run_profile(checkpoint)
    if profile is None:
        found = f"no run's profile.yaml beside {checkpoint.folder}"
        raise fail("--split", found, "a checkpoint in its run folder", "name a table with --data")
    split = read_corpus(profile).splits[name]
    if split.fingerprint != checkpoint.meta.fingerprints[name]:
        found = f"other texts or labels in {name} than in training"
        mend = "restore it, or evaluate on it as it is now with --data"
        raise fail(split.source, found, "the data of the training", mend)
    return split


def assess(checkpoint: Checkpoint, split: Split) -> Document:
    """Measure a checkpoint on a split: the content of evaluation.json."""
    meta, profile = checkpoint.meta, run_profile(checkpoint)
    evaluation = profile.evaluation if profile else EvaluationSection()
    document = evaluation_document(
        checkpoint.labels,
        checkpoint.probabilities(split.texts),
        split.targets,
        meta.thresholds,
        meta.coherence,
        meta.tiers,
    )
    for name, row in document["labels"].items():
        row["training_positives"] = meta.labels[name].training_positives
        row["weight"] = meta.labels[name].weight
        row["few"] = row["support"] < evaluation.min_support
    document["thresholds"] = _thresholds(checkpoint)
    used = {meta.fingerprints[name] for name in ("train", "validation")}
    document["data"] = {
        "checkpoint": str(checkpoint.folder),
        "source": str(split.source),
        "split": split.name,
        "texts": len(split),
        "min_support": evaluation.min_support,
        "fingerprint": split.fingerprint,
        "seen_in_training": split.fingerprint in used,
    }
    return document


def read_events(run: Path) -> list[Document]:
    """The events of a run, oldest first; none where there is no run.

    A half line is left out, and so is what a resumed run did over again.
    """
    path = run / "events.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    events: list[Document] = []
    for line in lines:
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if event["event"] == "resume":
            events = [past for past in events if past.get("step", 0) <= event["step"]]
        events.append(event)
    return events


def result_suffix(split: str, table: Path | None) -> str:
    """What tells the files of other splits and tables from those of the test split."""
    if table is not None:
        return "-" + re.sub(r"[^\w.+-]+", "-", table.stem)
    return "" if split == "test" else f"-{split}"


def _thresholds(checkpoint: Checkpoint) -> Document:
    meta = checkpoint.meta
    return {
        "rule": meta.threshold_rule,
        "scores": meta.threshold_scores,
        "labels": {
            name: {
                "threshold": label.threshold,
                "rule": meta.threshold_rule,
                "validation_positives": label.validation_positives,
            }
            for name, label in meta.labels.items()
        },
    }
