"""How well flipped labels are found: imbtool beside cleanlab's multilabel filter.

python -m benchmarks.statistics.label_errors --data data/edos data/goemotions [--flip 0.05]
    [--texts N] [--seed 0] [--json]

Needs cleanlab, in an environment of your own: pip install cleanlab (2.9 was used).

Labels of training are flipped at random, in two ways: `positives`, of each label 5% of its
positives become negative and as many negatives positive, so that its frequency stays, as it does
where annotators mix labels up; and `entries`, of each label 5% of all its entries change, which
gives a rare label many times more false positives than it has true ones. Heads on the frozen
bundled encoder are fitted on the flipped labels, out of fold, and both tools get their
probabilities. Chance: the share of entries that are flipped. The data have errors of their own,
which count as false here, so true precision is higher.

cleanlab marks entries (`find_multilabel_issues_per_class`) and ranks them by self-confidence, and
marks and ranks whole texts (`find_label_issues`); both for its default filter and for
`confident_learning`. What it does not mark stands last.

Features are kept under runs/benchmarks/label-errors: a repeat takes a minute.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.shared.tasks import find_profile
from benchmarks.shared.texttable import table
from imbtool.config.reader import read_profile
from imbtool.data.corpus import read_corpus
from imbtool.data.duplicates import text_key
from imbtool.data.splitting import stratified_split
from imbtool.evaluation.estimates import estimate, estimate_text
from imbtool.evaluation.intervals import exact_interval
from imbtool.evaluation.label_errors import LEAST_CHANCE, error_chances
from imbtool.files.json_text import to_json
from imbtool.files.writing import replacing
from imbtool.search.label_errors import frozen_features, out_of_fold

CACHE = Path("runs/benchmarks/label-errors")
FIRST = 100
FILTERS = ("prune_by_noise_rate", "confident_learning")

Document = dict[str, Any]
Flags = NDArray[np.bool_]
Floats = NDArray[np.float64]
Targets = NDArray[np.float32]
say = partial(print, file=sys.stderr, flush=True)


@dataclass(frozen=True)
class Sample:
    """Training texts: features [n, features], targets [n, L] and keys by which they are equal."""

    features: torch.Tensor
    targets: Targets
    keys: list[str]


@dataclass(frozen=True)
class Ranking:
    """Scores of each entry [n, L] and text [n], -inf where it has none, and the entries marked."""

    entries: Floats
    texts: Floats
    marked: Flags


# ---- what is judged


def read_sample(data: Path, texts: int | None, seed: int) -> Sample:
    """Training texts of a data set, or a stratified part of them; features from the cache."""
    profile = read_profile(find_profile(data))
    corpus = read_corpus(profile)
    train, size = corpus.train, min(texts or len(corpus.train), len(corpus.train))
    path = CACHE / f"{data.resolve().name}-{size}-{seed}.npz"
    if not path.is_file():
        share, keys = size / len(train), [text_key(text) for text in train.texts]
        parts = stratified_split(train.targets, [share, 1 - share], seed, keys)
        rows = parts[0] if size < len(train) else np.arange(len(train))
        chosen = [train.texts[row] for row in rows]
        features = frozen_features(profile, corpus.labels.names, chosen, say)
        with replacing(path) as temporary, temporary.open("wb") as stream:
            np.savez(stream, features=features.cpu().numpy(), rows=rows)
    with np.load(path) as kept:
        features, rows = torch.from_numpy(kept["features"]), kept["rows"]
    return Sample(features, train.targets[rows], [text_key(train.texts[row]) for row in rows])


def flip_positives(targets: Targets, share: float, rng: np.random.Generator) -> Flags:
    """Of each label a share of its positives, and as many of its negatives."""
    flipped = np.zeros(targets.shape, dtype=bool)
    for label, column in enumerate(targets.T):
        count = max(1, round(share * int((column == 1).sum())))
        for value in (1, 0):
            flipped[rng.choice(np.flatnonzero(column == value), count, replace=False), label] = True
    return flipped


def flip_entries(targets: Targets, share: float, rng: np.random.Generator) -> Flags:
    """Of each label a share of all its entries."""
    flipped = np.zeros(targets.shape, dtype=bool)
    for label, column in enumerate(targets.T):
        known = np.flatnonzero(~np.isnan(column))
        flipped[rng.choice(known, round(share * len(known)), replace=False), label] = True
    return flipped


FLIPS: dict[str, Callable[[Targets, float, np.random.Generator], Flags]] = {
    "positives": flip_positives,
    "entries": flip_entries,
}

# ---- who judges


def by_imbtool(probabilities: Floats, targets: Targets) -> Ranking:
    """Probabilities of an error; suspected are those from `LEAST_CHANCE` on."""
    chances = np.nan_to_num(error_chances(probabilities, targets))
    return Ranking(chances, chances.max(axis=1), chances >= LEAST_CHANCE)


def by_cleanlab(filter_by: str, probabilities: Floats, targets: Targets) -> Ranking:
    """What cleanlab's filter marks, by self-confidence."""
    from cleanlab.multilabel_classification.filter import (
        find_label_issues,
        find_multilabel_issues_per_class,
    )

    given = [np.flatnonzero(row == 1).tolist() for row in targets]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        issues = find_multilabel_issues_per_class(
            given, probabilities, filter_by=filter_by, n_jobs=1
        )
        order = find_label_issues(
            given,
            probabilities,
            return_indices_ranked_by="self_confidence",
            filter_by=filter_by,
            n_jobs=1,
        )
    own = np.where(targets == 1, probabilities, 1 - probabilities)
    texts = np.full(len(targets), -np.inf)
    texts[order] = -np.arange(len(order), dtype=float)
    return Ranking(np.where(issues, -own, -np.inf), texts, issues)


# ---- what is measured


def judge(sample: Sample, flip: str, share: float, seed: int) -> Document:
    """Figures of every tool for one way of flipping."""
    flipped = FLIPS[flip](sample.targets, share, np.random.default_rng(seed))
    targets = np.where(flipped, 1 - sample.targets, sample.targets).astype(np.float32)
    probabilities = out_of_fold(sample.features, targets, sample.keys, seed, say)
    rankings = {"imbtool": by_imbtool(probabilities, targets)} | {
        f"cleanlab, {name}": by_cleanlab(name, probabilities, targets) for name in FILTERS
    }
    ours = rankings["imbtool"].entries
    return {
        "flipped": int(flipped.sum()),
        "entries": flipped.size,
        "chance": float(flipped.mean()),
        "texts_chance": float(flipped.any(axis=1).mean()),
        "expected_errors": float(ours[ours >= LEAST_CHANCE].sum()),
        "tools": {
            name: {
                "entries": found(ranking.entries.ravel(), flipped.ravel()),
                "texts": found(ranking.texts, flipped.any(axis=1)),
                "marked": marked(ranking.marked, flipped),
            }
            for name, ranking in rankings.items()
        },
    }


def found(scores: Floats, flipped: Flags) -> Document:
    """Precision of the first `FIRST`, and recall among as many as were flipped."""
    order = np.argsort(-scores, kind="stable")
    order = order[np.isfinite(scores[order])]
    hits = flipped[order[:FIRST]]
    count = int(flipped.sum())
    return {
        "precision_at_100": estimate(hits.mean(), *exact_interval(hits.sum(), len(hits))),
        "recall": float(flipped[order[:count]].sum() / count),
    }


def marked(flags: Flags, flipped: Flags) -> Document:
    """How many are marked, and how well."""
    hits = int((flags & flipped).sum())
    return {
        "marked": int(flags.sum()),
        "precision": hits / max(1, int(flags.sum())),
        "recall": hits / int(flipped.sum()),
    }


# ---- shown


def show(name: str, document: Document) -> Iterator[str]:
    """What is said of a data set and a way of flipping."""
    yield (
        f"{name}: {document['flipped']:,} of {document['entries']:,} entries flipped, chance "
        f"{document['chance']:.3f}; {document['texts_chance']:.3f} of the texts"
    )
    head = ["", "precision at 100", "recall", "marked", "precision", "recall"]
    rows = [[*head, "texts: precision at 100", "recall"]]
    for tool, row in document["tools"].items():
        entries, texts, all_marked = row["entries"], row["texts"], row["marked"]
        rows.append(
            [
                tool,
                estimate_text(entries["precision_at_100"]),
                f"{entries['recall']:.3f}",
                f"{all_marked['marked']:,}",
                f"{all_marked['precision']:.3f}",
                f"{all_marked['recall']:.3f}",
                estimate_text(texts["precision_at_100"]),
                f"{texts['recall']:.3f}",
            ]
        )
    yield table(rows)
    yield f"errors that imbtool expects among those it marks: {document['expected_errors']:.0f}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a table for each data set and way of flipping."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, nargs="+", required=True)
    parser.add_argument("--flip", type=float, default=0.05, help="share of the labels")
    parser.add_argument("--texts", type=int, help="of each data set; default all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="the last line is one JSON object")
    options = parser.parse_args(arguments)
    documents: Document = {}
    for data in options.data:
        sample = read_sample(data, options.texts, options.seed)
        for flip in FLIPS:
            name = f"{data.resolve().name}, {len(sample.targets):,} texts, {flip}"
            documents[name] = judge(sample, flip, options.flip, options.seed)
            print(*show(name, documents[name]), sep="\n", end="\n\n", flush=True)
    if options.json:
        print(to_json(documents, indent=None))


if __name__ == "__main__":
    main()
