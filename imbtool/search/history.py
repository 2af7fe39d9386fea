"""The earlier batches beside a new one, and what their texts were answered."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from imbtool.annotation.batch import BATCH, Batch, BatchText, PoolReport, read_batch, text_of
from imbtool.data.corpus import Corpus
from imbtool.data.duplicates import text_key
from imbtool.types import Targets

SALT = 32
"""Characters of a pool's fingerprint that make its random order another one."""


@dataclass(frozen=True)
class History:
    """The batches in a folder, oldest first, and the answers that are in the labelled texts.

    Attributes:
        batches: by the names of their folders.
        answers: targets [L] of labelled texts by their `text_key`.
        labels: the names [L].
    """

    batches: Mapping[str, Batch]
    answers: Mapping[str, Targets]
    labels: Sequence[str]

    @cached_property
    def asked(self) -> list[str]:
        """The texts of all batches, answered or not."""
        return [text_of(text) for batch in self.batches.values() for text in batch.texts]

    @property
    def asked_ids(self) -> set[str]:
        """Their ids."""
        return {text.id for batch in self.batches.values() for text in batch.texts}

    def first_of(self, fingerprint: str) -> PoolReport | None:
        """What the first batch from a pool said of it; None where there is none."""
        pools = (batch.pool for batch in self.batches.values())
        return next((pool for pool in pools if pool.fingerprint == fingerprint), None)

    def salt(self, fingerprint: str) -> str:
        """That of a pool's random order; a new pool may hold texts of those before it."""
        first = self.first_of(fingerprint)
        if first is not None:
            return first.salt
        return fingerprint[:SALT] if self.batches else ""

    def seed(self) -> int | None:
        """The seed of the random order, which all batches share."""
        return next((batch.seed for batch in self.batches.values()), None)

    def yields(self, label: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """For each batch the answered texts that were chosen for a label, and its positives."""
        place = self.labels.index(label)
        asked, positive = [], []
        for batch in self.batches.values():
            found = [
                self._answer(text, place)
                for text in batch.texts
                if label in text.ask and text.chosen_by != "random"
            ]
            known = [value for value in found if value == value]
            if known:
                asked.append(len(known))
                positive.append(int(sum(known)))
        return tuple(asked), tuple(positive)

    def answers_to(self, batch: Batch) -> Targets:
        """The targets [m, L] of the texts of a batch that were answered."""
        keys = [text_key(text_of(text)) for text in batch.texts]
        rows = [self.answers[key] for key in keys if key in self.answers]
        empty = np.empty((0, len(self.labels)), dtype=np.float32)
        return np.stack(rows) if rows else empty

    def answered(self, fingerprint: str) -> tuple[list[str], Targets]:
        """The texts of a pool's batches that were answered, and their targets [m, L]."""
        texts = [
            text_of(text)
            for batch in self.batches.values()
            if batch.pool.fingerprint == fingerprint
            for text in batch.texts
        ]
        known = [text for text in texts if text_key(text) in self.answers]
        rows = [self.answers[text_key(text)] for text in known]
        empty = np.empty((0, len(self.labels)), dtype=np.float32)
        return known, np.stack(rows) if rows else empty

    def drawn(self, fingerprint: str) -> list[str]:
        """The random texts of a pool's batches that were answered."""
        texts = [
            text_of(text)
            for batch in self.batches.values()
            if batch.pool.fingerprint == fingerprint
            for text in batch.texts
            if text.chosen_by == "random"
        ]
        return [text for text in texts if text_key(text) in self.answers]

    def _answer(self, text: BatchText, label: int) -> float:
        row = self.answers.get(text_key(text_of(text)))
        return float("nan") if row is None else float(row[label])


def read_history(folder: Path, corpus: Corpus) -> History:
    """The batches that stand in the folders of a folder, in the order of their names: 2 before 10.

    Args:
        folder: that the next batch is to be written into.
        corpus: the labelled texts.

    Raises:
        UserError: a batch.json is damaged.
    """
    found = [path.parent for path in folder.glob(f"*/{BATCH}")] if folder.is_dir() else []
    batches = {each.name: read_batch(each) for each in sorted(found, key=_in_order)}
    answers = {
        text_key(text): row
        for split in corpus.splits.values()
        for text, row in zip(split.texts, split.targets, strict=True)
    }
    return History(batches, answers, corpus.labels.names)


def _in_order(folder: Path) -> list[tuple[int, str]]:
    """What sorts names as people number them."""
    parts = re.split(r"([0-9]+)", folder.name)
    return [(int(part), "") if part.isdecimal() else (0, part) for part in parts]
