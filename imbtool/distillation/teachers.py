"""Teachers: trained models whose logits a student learns."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator

from imbtool.config.schema import Profile
from imbtool.data.corpus import Corpus, Split
from imbtool.data.unlabelled import read_unlabelled
from imbtool.distributed.collectives import Ranks
from imbtool.errors import rows_named, user_error
from imbtool.inference.predict_folder import fingerprint
from imbtool.notes import tell as note
from imbtool.runs.soft_targets import SoftTargets
from imbtool.trained.checkpoint import Checkpoint, checkpoint_folder, read_checkpoint
from imbtool.trained.metadata import CheckpointMeta, read_meta
from imbtool.training.automatic import autocast, choose_precision
from imbtool.types import Rows, Targets
from imbtool.wording import some

Tell = Callable[[str], None]

FIX = "train a teacher by a profile with the same tables"
TEXTS_AT_ONCE = 4096
LINE_EVERY = 30.0
"""Seconds between two lines of progress, at least."""


@dataclass(frozen=True)
class Teachers:
    """Checkpoints whose mean logits are the soft targets of a student.

    Attributes:
        folders: of the checkpoints, or the run folders around them.
        tell: called with a line of progress now and then.
        trust_remote_code: whether to run code that comes with a checkpoint.
    """

    folders: Sequence[Path]
    tell: Tell
    trust_remote_code: bool = False

    def __call__(self, profile: Profile, corpus: Corpus, accelerator: Accelerator) -> SoftTargets:
        """Score the training texts and the unlabelled ones, one teacher after the other.

        Raises:
            UserError: a checkpoint or the unlabelled table cannot be used, or a teacher has other
                labels than the student.
        """
        folders = [checkpoint_folder(each) for each in self.folders]
        for folder in folders:
            _check(folder, read_meta(folder), corpus)
        unlabelled = read_unlabelled(profile.data, corpus)
        precision = choose_precision(profile.training, accelerator.device).value
        total = np.zeros((len(corpus.train) + len(unlabelled), len(corpus.labels)), np.float32)
        for folder in folders:
            teacher = read_checkpoint(folder, self.trust_remote_code)
            teacher.to(accelerator.device)
            score = partial(self._score, teacher, precision, accelerator)
            total += np.concatenate([score(corpus.train), score(unlabelled.split)])
        digests = {_printed(folder): fingerprint(folder) for folder in folders}
        return SoftTargets(unlabelled, total / np.float32(len(folders)), digests)

    def _score(
        self, teacher: Checkpoint, precision: str, accelerator: Accelerator, split: Split
    ) -> Targets:
        """A teacher's logits of the texts of a split [n, L]; processes share the texts."""
        ranks, device, said = Ranks(accelerator), accelerator.device, time.monotonic()
        labels = split.targets.shape[1]
        result = np.zeros((len(split), labels), np.float32)
        for start in range(0, len(split), TEXTS_AT_ONCE):
            texts = split.texts[start : start + TEXTS_AT_ONCE]
            mine = ranks.mine(len(texts))
            part = torch.zeros(len(texts), labels)
            if len(mine):  # fewer texts than processes leave some without any
                with rows_named(partial(_row, split, start, mine)), autocast(precision, device):
                    logits = teacher.logits([texts[row] for row in mine])
                part[mine] = torch.from_numpy(logits).float()
            end = start + len(texts)
            result[start:end] = ranks.sum(part.to(device)).cpu().numpy()
            if time.monotonic() - said >= LINE_EVERY:
                said = time.monotonic()
                self.tell(f"the teacher has read {end:,} of {len(split):,} {split.name} texts")
        return result


def _row(split: Split, start: int, mine: Rows, place: int) -> str:
    return split.row_text(start + int(mine[place]))


def _check(folder: Path, meta: CheckpointMeta, corpus: Corpus) -> None:
    """Refuse a teacher of other labels; say where its training texts may be held-out ones."""
    theirs, ours = list(meta.labels), list(corpus.labels.names)
    if theirs != ours:
        raise user_error(folder, _difference(theirs, ours), "the labels of the profile", FIX)
    if meta.fingerprints["train"] != corpus.train.fingerprint:
        note(
            [
                f"The teacher {folder} was trained on another training table. If that has texts of "
                "your validation or test table, the figures of the student will be too good."
            ]
        )


def _difference(theirs: list[str], ours: list[str]) -> str:
    missing = [name for name in ours if name not in theirs]
    more = [name for name in theirs if name not in ours]
    if not missing and not more:
        return f"a teacher with the same labels in another order: {some(theirs)}"
    told = [f"without {some(missing)}"] * bool(missing) + [f"with {some(more)}"] * bool(more)
    return f"a teacher {' and '.join(told)}"


def _printed(folder: Path) -> str:
    """The whole path of a folder; bytes that are not UTF-8 are escaped."""
    return str(folder.absolute()).encode(errors="backslashreplace").decode()
