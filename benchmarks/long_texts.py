"""Does it pay to read long texts to their end, if what makes a rare label true stands there?

python benchmarks/long_texts.py [--texts 600] [--words 150 300] [--max-length 64] [--seeds 0 1]

Documents are made of the sample's texts (data/generate.py): one text of each has the labels and
stands in the last third, all others have none, half of them on the same themes. Each of the six
secondary labels is in a twentieth of the documents. The bundled encoder is trained on them three
times, with each `model.long_texts`, and reads so many tokens at once. Prints macro-F1 and mean
average precision of the best epoch on validation and of its checkpoint on test; last line JSON.
"""

from __future__ import annotations

import argparse
import importlib
import json
import random
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, get_args

from texttable import table
from turns import say

from imbtool import Profile, evaluate, read_checkpoint, read_corpus, train
from imbtool.config.schema import LongTexts

sys.path.insert(0, str(Path(__file__).parents[1] / "data"))
generate = importlib.import_module("generate")

SECONDARY = [label for label, parent in generate.PARENTS.items() if parent]
SIZES = {"train": 1.0, "validation": 0.5, "test": 1.0}
"""Documents of a split, as a share of those of training."""
SHARE = 20
"""One document in so many has a label."""
LATE = 2 / 3
"""Share of a document's other texts that stand before the one with its labels, at least."""

Document = dict[str, Any]
FIGURES = ("f1_macro", "average_precision_macro")


def main() -> None:
    """Train by each way and seed, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--texts", type=int, default=600, help="documents of training")
    parser.add_argument("--words", type=int, nargs=2, default=[150, 300], help="of a document")
    parser.add_argument("--max-length", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    options = parser.parse_args()
    titles = [f"{split} {name}" for split in ("validation", "test") for name in ("F1", "AP")]
    rows = [["long_texts", "seed", *titles, "tokens an epoch", "seconds"]]
    measured = []
    for seed in options.seeds:
        with TemporaryDirectory() as folder:
            write_documents(Path(folder), options.texts, options.words, seed)
            for way in get_args(LongTexts):
                reached = train_and_measure(Path(folder), way, seed, options)
                measured.append({"long_texts": way, "seed": seed, **reached})
                rows.append([way, str(seed), *shown(reached)])
                say("  ".join(rows[-1]))
    print(table(rows))
    print(json.dumps({"options": vars(options), "runs": measured}))


def write_documents(folder: Path, texts: int, words: Sequence[int], seed: int) -> None:
    """Three tables of documents."""
    rng = random.Random(seed)
    for split, rows in generate.generate(seed).items():
        count = round(SIZES[split] * texts)
        generate.write(documents(rng, rows, count, words), folder / f"{split}.csv")


def documents(rng: random.Random, rows: list[Any], count: int, words: Sequence[int]) -> list[Any]:
    """So many documents, of which each secondary label has its share."""
    plain = [row for row in rows if not row.labels]
    chosen = {
        row.id: row
        for label in SECONDARY
        for row in [row for row in rows if label in row.labels.split("|")][: count // SHARE]
    }
    chosen |= {row.id: row for row in plain[: count - len(chosen)]}
    others = [row.text for row in plain[count - len(chosen) :]]
    return [row._replace(text=late(rng, row.text, others, words)) for row in chosen.values()]


def late(rng: random.Random, text: str, others: Sequence[str], words: Sequence[int]) -> str:
    """A text in the last third of a document of other texts."""
    wanted, parts = rng.randint(*words), [text]
    while sum(len(part.split()) for part in parts) < wanted:
        parts.append(rng.choice(others))
    around = parts[1:]
    place = rng.randint(round(LATE * len(around)), len(around))
    return " ".join([*around[:place], text, *around[place:]])


def train_and_measure(
    folder: Path, way: LongTexts, seed: int, options: argparse.Namespace
) -> Document:
    """Train on the documents of a folder, and measure on validation and test."""
    data = {name: folder / f"{name}.csv" for name in SIZES}
    profile = Profile.model_validate(
        {
            "data": {**data, "labels": {"column": "labels", "separator": "|"}},
            "model": {"max_length": options.max_length, "long_texts": way},
            "training": {"epochs": options.epochs, "seed": seed},
        }
    )
    events: list[Document] = []
    start = time.perf_counter()
    result = train(profile, folder / f"run-{way}", events.append)
    seconds = time.perf_counter() - start
    test = read_corpus(profile).test
    macro = evaluate(read_checkpoint(result.checkpoint), test).overall.macro
    return {
        "head": next(event for event in events if event["event"] == "head"),
        "validation": {name: result.best[name] for name in FIGURES},
        "test": {name: macro.metric(name.removesuffix("_macro")).value for name in FIGURES},
        "tokens_an_epoch": events[0]["tokens_an_epoch"],
        "seconds": seconds,
    }


def shown(reached: Document) -> list[str]:
    """The cells of a row."""
    figures = [reached[split][name] for split in ("validation", "test") for name in FIGURES]
    tokens, seconds = reached["tokens_an_epoch"], reached["seconds"]
    return [*(f"{value:.3f}" for value in figures), f"{tokens:,}", f"{seconds:.0f}"]


if __name__ == "__main__":
    main()
