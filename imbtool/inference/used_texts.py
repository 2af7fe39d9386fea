"""Texts that a training has used: figures on them are better than those on new texts."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from imbtool.config.schema import Profile
from imbtool.data.corpus import Split, read_own_split
from imbtool.data.duplicates import text_numbers
from imbtool.errors import UserError
from imbtool.runs.manifest import read_manifest
from imbtool.trained.checkpoint import Checkpoint


def count_used(checkpoint: Checkpoint, profile: Profile | None, split: Split) -> int | None:
    """Number of texts that the training of a checkpoint has learned from or chosen thresholds on.

    Texts that differ only in case and white space are the same text.

    Args:
        checkpoint: what was trained.
        profile: of its run, if it stands in one.
        split: the texts.

    Returns:
        None where the tables of the training are not at hand or have changed, and of a student
        that has also learned from unlabelled texts.
    """
    if profile is None:
        return None
    meta = checkpoint.meta
    try:
        if _taught_unlabelled(checkpoint.folder.parent):
            return None
        used = [
            read_own_split(name, profile, checkpoint.labels, meta.declared.labels)
            for name in ("train", "validation")
        ]
    except UserError:
        return None
    if any(each.fingerprint != meta.fingerprints[each.name] for each in used):
        return None
    numbers = text_numbers(*(each.texts for each in used), split.texts)
    first = sum(map(len, used))
    return int(np.isin(numbers[first:], numbers[:first]).sum())


def _taught_unlabelled(run: Path) -> bool:
    taught = read_manifest(run).distillation
    return taught is not None and taught.unlabelled is not None
