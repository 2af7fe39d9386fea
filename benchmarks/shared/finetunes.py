"""Fine-tunes on a part of a data set, each done once: what it reached is kept as JSON.

A benchmark that was killed finds what it has done in its folder of results and goes on from there.
The results hold no text. The cache folder holds the part's texts and, while a benchmark runs,
weights.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.shared.tasks import find_profile
from imbtool.config.reader import Override, read_profile
from imbtool.config.schema import Profile
from imbtool.data.corpus import SPLITS, Corpus, Split, read_corpus
from imbtool.data.duplicates import text_key
from imbtool.data.imbalance import count_labels
from imbtool.data.splitting import stratified_split
from imbtool.data.tables import read_table
from imbtool.data.weights import LabelWeight, assign_weights
from imbtool.data.writer import TableWriter
from imbtool.errors import NotFiniteError
from imbtool.evaluation.metrics import confusion, mean_defined
from imbtool.events import StartEvent, of_kind, read_events
from imbtool.files.json_text import append_line, read_json, to_json, write_json
from imbtool.files.writing import cut_half_line, replacing
from imbtool.trained.checkpoint import read_checkpoint
from imbtool.training.automatic import choose_epochs
from imbtool.training.run import train
from imbtool.tuning.guide import Change, Settings, apply
from imbtool.wording import counted

MOST_VALIDATION = 2_000
"""Texts. Reading more of them after each epoch would cost more than to train on the part."""
TOKENS_A_SECOND = 3_400
"""That the bundled encoder is trained on with two cores; it reads about three times as many."""
CHARACTERS_A_TOKEN = 4

RUNS = Path("runs/benchmarks")

MEANS = ("f1", "recall")
"""Of the rare labels on validation."""

Document = dict[str, Any]


@dataclass(frozen=True)
class Part:
    """A part of a data set, and what was done on it.

    Attributes:
        profile: that reads it, otherwise the one of the data set.
        cache: folder of its tables and runs.
        results: folder of what was reached.
    """

    profile: Profile
    cache: Path
    results: Path

    @cached_property
    def corpus(self) -> Corpus:
        """Texts and targets."""
        return read_corpus(self.profile)

    @cached_property
    def labels(self) -> list[LabelWeight]:
        """Counts, tiers and weights of the labels, as the profile's rules give them."""
        counts = count_labels(self.corpus.train.targets)
        return assign_weights(self.corpus.labels.names, counts, self.profile.weights)

    @property
    def rare(self) -> list[LabelWeight]:
        """The labels of the tiers severe and moderate."""
        return [label for label in self.labels if label.rare]

    @property
    def fine_tunes(self) -> Path:
        """The folder of all fine-tunes."""
        return self.cache / "fine-tunes"

    @property
    def epoch_texts(self) -> int:
        """Texts that a fine-tune by the profile as it is trains on, each as often as it does."""
        return len(self.corpus.train) * self.epochs

    @property
    def epochs(self) -> int:
        """Of a fine-tune by the profile as it is, at most."""
        epochs: int = choose_epochs(self.profile.training, len(self.corpus.train)).value
        return epochs

    def with_settings(self, settings: Settings) -> Profile:
        """The profile with other values, put where the tuning guide puts them."""
        changes = [
            Change(key=key, label=label, before=0.0, after=value, because="", finding="")
            for (key, label), value in settings.items()
        ]
        return apply(self.profile, changes, self.corpus.labels.names)

    def fine_tune(self, settings: Settings) -> Document:
        """What the profile with other values reaches; it is trained unless that is known.

        Returns:
            `figures` on validation (empty if training broke off; see `figures_of`), `texts` that
            it was trained on, `seconds`.
        """
        path = self.results / "fine-tunes.jsonl"
        return kept(path, self.key_of(settings), lambda: self._train(settings))

    def key_of(self, settings: Settings) -> str:
        """The name of a profile with other values: the same wherever the same texts lie."""
        document = self.with_settings(settings).model_dump(mode="json", exclude={"data"})
        texts = [split.fingerprint for split in self.corpus.splits.values()]
        return hashlib.sha256(to_json([document, texts]).encode()).hexdigest()[:16]

    def run_of(self, settings: Settings) -> Path:
        """The run folder of a fine-tune."""
        return self.fine_tunes / self.key_of(settings)

    def on_test(self, settings: Settings) -> Document:
        """What a fine-tune reaches on the test split; trained again if its weights are gone."""
        run = self.run_of(settings)
        if not any(run.glob("checkpoint/*.safetensors")):
            self._train(settings)
        return self.measure_test(run)

    def measure_test(self, run: Path) -> Document:
        """Macro-F1 of a run's checkpoint on the test split, of all labels and of the rare ones."""
        checkpoint, test = read_checkpoint(run), self.corpus.test
        f1 = confusion(checkpoint.decide(checkpoint.probabilities(test.texts)), test.targets).f1
        rare = [label.rare for label in self.labels]
        return {"f1_macro": mean_defined(f1), "rare_f1": mean_defined(f1[rare])}

    def figures_of(self, event: Mapping[str, Any]) -> Document:
        """Figures of an epoch, or of a frozen encoder's head, on validation.

        Returns:
            `f1_macro`, `average_precision_macro`, `rare_f1`, `rare_recall`, and `labels`: the F1
            of each rare label. Rare: of the tiers severe and moderate.
        """
        rows = {label.label: event["labels"][label.label] for label in self.rare}
        means = {key: mean_defined(np.array([row[key] for row in rows.values()])) for key in MEANS}
        return {
            "f1_macro": event["f1_macro"],
            "average_precision_macro": event["average_precision_macro"],
            **{f"rare_{key}": mean for key, mean in means.items()},
            "labels": {name: row["f1"] for name, row in rows.items()},
        }

    def expected_seconds(self) -> float:
        """Roughly what a fine-tune takes on two cores.

        Every epoch trains on the part and reads validation; the fit of the head before them reads
        the part once and validation twice.
        """
        training, validation = map(_tokens, (self.corpus.train, self.corpus.validation))
        read = training + (2 + self.epochs) * validation
        return (self.epochs * training + read / 3) / TOKENS_A_SECOND

    def _train(self, settings: Settings) -> Document:
        run = self.run_of(settings)
        shutil.rmtree(run, ignore_errors=True)
        start = time.perf_counter()
        try:
            figures = self.figures_of(
                train(self.with_settings(settings), run, _ignore, []).best.model_dump()
            )
        except NotFiniteError:
            figures = {}
        seconds = time.perf_counter() - start
        (run / "last").unlink(missing_ok=True)
        for state in run.glob("last-*"):
            shutil.rmtree(state)
        return {"figures": figures, "texts": texts_trained(run), "seconds": seconds}


def part_of(data: Path, texts: int, epochs: int, seed: int, cache: Path, results: Path) -> Part:
    """A stratified part of a data set's training texts, and of validation where it is large.

    Args:
        data: folder with train.csv, validation.csv and test.csv.
        texts: to train on.
        epochs: of a fine-tune.
        seed: of the part and of training.
        cache: of all parts; the tables and runs of this one go into a folder in it.
        results: of all parts; the same.
    """
    name = f"{data.resolve().name}-{texts}x{epochs}-{seed}"
    folder = cache.resolve() / name
    tables = {name: data.resolve() / f"{name}.csv" for name in SPLITS}
    parts = {name: folder / f"{name}.csv" for name in ("train", "validation")}
    if not all(path.is_file() for path in parts.values()):
        corpus = read_corpus(_read(data, tables))
        write_part(corpus.train, texts, seed, parts["train"])
        write_part(corpus.validation, MOST_VALIDATION, seed, parts["validation"])
    profile = _read(data, {**tables, **parts}, epochs=epochs, seed=seed)
    return Part(profile, folder, results / name)


def _read(data: Path, tables: Mapping[str, Path], **training: int) -> Profile:
    settings = {f"data.{name}": json.dumps(str(path)) for name, path in tables.items()}
    settings |= {f"training.{name}": str(value) for name, value in training.items()}
    overrides = [Override(key, text, key) for key, text in settings.items()]
    return read_profile(find_profile(data), overrides)


def write_part(split: Split, size: int, seed: int, path: Path) -> None:
    """Write a stratified part of a split as a table, or all of it where it is smaller."""
    rows = np.arange(len(split))
    if size < len(split):
        share, groups = size / len(split), [text_key(text) for text in split.texts]
        rows = stratified_split(split.targets, (share, 1 - share), seed, groups)[0]
    with replacing(path) as temporary, TableWriter(temporary, ".csv") as writer:
        writer.write(read_table(split.source).iloc[rows])


def cached(path: Path, make: Callable[[], Document]) -> Document:
    """The JSON document at a path, made and written first if it is not there."""
    if not path.is_file():
        write_json(path, make())
    document: Document = read_json(path)
    return document


def kept(path: Path, key: str, make: Callable[[], Document]) -> Document:
    """A record in a file of JSON lines, made and appended first if it is not there."""
    if path.is_file():
        cut_half_line(path)
        for line in path.read_text(encoding="utf-8").splitlines():
            record: Document = json.loads(line)
            if record["key"] == key:
                return record
    path.parent.mkdir(parents=True, exist_ok=True)
    record = {"key": key, **make()}
    append_line(path, record)
    return record


def forget_weights(folder: Path) -> None:
    """Delete the tensors of the runs in a folder; nothing else of them is large."""
    for path in folder.rglob("*.safetensors"):
        path.unlink()


def texts_trained(run: Path) -> int:
    """Texts that a run was trained on, each as often as it was."""
    events = read_events(run)
    start = of_kind(events, StartEvent)[0]
    steps = max(event.at_step or 0 for event in events)
    return round(start.texts["train"] * start.epochs * steps / start.steps)


def add_part_options(parser: argparse.ArgumentParser, benchmark: str) -> None:
    """Options for what is trained on, and where results of a benchmark are kept."""
    parser.add_argument("--texts", type=int, default=3_000, help="to train on")
    parser.add_argument("--epochs", type=int, default=2)
    cache = RUNS / benchmark
    where: dict[str, Any] = {"type": Path, "metavar": "FOLDER"}
    parser.add_argument("--cache", **where, default=cache, help="of texts and weights")
    parser.add_argument("--results", **where, default=cache / "results", help="of figures")
    parser.add_argument("--json", action="store_true", help="the last line is one JSON object")


def estimate(fine_tunes: int, parts: Sequence[Part]) -> str:
    """What so many fine-tunes on each part would take, for a person who is about to wait."""
    seconds = fine_tunes * sum(part.expected_seconds() for part in parts)
    whole = fine_tunes * len(parts)
    epochs = counted(parts[0].epochs, "epoch")
    return (
        f"at most {whole} fine-tunes, with {epochs} roughly {seconds / whole:.0f} s each and "
        f"{seconds / 60:.0f} min in all on two idle cores; what {parts[0].results.parent} holds is "
        "not done again"
    )


def _tokens(split: Split) -> float:
    return sum(map(len, split.texts)) / CHARACTERS_A_TOKEN


def _ignore(_: Document) -> None:
    """Nobody watches."""
