"""Soft targets: what teachers say of the training texts and of unlabelled ones, kept in the run.

A resumed run reads them from the run folder, so it does not need the teachers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from accelerate import Accelerator
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from imbtool.config.schema import Profile
from imbtool.data.corpus import Corpus
from imbtool.data.unlabelled import Unlabelled, read_unlabelled
from imbtool.errors import user_error
from imbtool.model.losses import LABEL_SHARE, TEMPERATURE
from imbtool.runs.manifest import FIX, DistillationManifest, Manifest, split_manifest
from imbtool.types import Targets

FILE = "teacher.safetensors"
LOGITS = "logits"
READ = "the texts that the teacher has read"
FIX_TABLES = "restore the tables as they were, or start a new run"


@dataclass(frozen=True)
class SoftTargets:
    """What teachers say of texts.

    Attributes:
        unlabelled: the m unlabelled texts.
        logits: the teachers' mean logits of the n training texts, then of these [n + m, L].
        teachers: sha256 of each checkpoint, by its folder.
    """

    unlabelled: Unlabelled
    logits: Targets
    teachers: Mapping[str, str]

    @property
    def manifest(self) -> DistillationManifest:
        """What the manifest of the run says of them."""
        texts = self.unlabelled
        return DistillationManifest(
            teachers=dict(self.teachers),
            unlabelled=split_manifest(texts.split) if len(texts) else None,
            left_out={
                "held_out": texts.held_out,
                "labelled": texts.labelled,
                "repeated": texts.repeated,
            },
            logits=_digest(self.logits),
            temperature=TEMPERATURE,
            label_share=LABEL_SHARE,
        )

    def without_texts(self) -> SoftTargets:
        """The same, once the unlabelled texts have been read."""
        split = self.unlabelled.split.without_texts()
        return replace(self, unlabelled=replace(self.unlabelled, split=split))

    def save(self, folder: Path) -> None:
        """Write the logits into a run folder that is being made."""
        save_file({LOGITS: self.logits}, folder / FILE)


Teach = Callable[[Profile, Corpus, Accelerator], SoftTargets]
"""Gives the soft targets of a run; all processes call it."""


def kept_soft_targets(folder: Path, before: Manifest) -> Teach | None:
    """A function that reads the soft targets of a run from its folder; None without a teacher.

    It refuses other texts than the teacher has read, whatever else of the data may have changed.

    Args:
        folder: of the run.
        before: its manifest.
    """
    manifest = before.distillation
    if manifest is None:
        return None

    def read(profile: Profile, corpus: Corpus, _: Accelerator) -> SoftTargets:
        unlabelled = read_unlabelled(profile.data, corpus)
        logits = _read_logits(folder / FILE, manifest.logits)
        wanted = len(corpus.train) + len(unlabelled), len(corpus.labels)
        if logits.shape != wanted:
            texts, labels = logits.shape
            found = f"{wanted[0]:,} texts now, and a teacher's logits of {texts:,}"
            if labels != wanted[1]:
                found = f"{wanted[1]} labels now, and a teacher's logits of {labels}"
            raise user_error(folder, found, READ, FIX_TABLES)
        for split, kept in (
            (corpus.train, before.data.get("train")),
            (unlabelled.split, manifest.unlabelled),
        ):
            if kept is not None and split.fingerprint != kept.fingerprint:
                found = f"other texts or labels in {split.source}, or in another order"
                raise user_error(folder, found, READ, FIX_TABLES)
        return SoftTargets(unlabelled, logits, manifest.teachers)

    return read


def _read_logits(path: Path, digest: str) -> Targets:
    try:
        logits = load_file(path).get(LOGITS)
    except (SafetensorError, OSError, ValueError) as error:
        raise user_error(path, str(error), "the logits of a teacher", FIX) from error
    if logits is None or _digest(logits) != digest:
        raise user_error(path, "other logits than the run began with", "the same", FIX)
    return logits


def _digest(logits: Targets) -> str:
    return hashlib.sha256(np.ascontiguousarray(logits).data).hexdigest()
