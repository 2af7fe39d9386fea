"""Ideas for rare labels that the tool does not have: whole runs with one of them each, same seed.

python benchmarks/ideas.py --data data/edos [--texts 3000] [--epochs 2] [--seeds 0 1]
    [--ideas "repeat-factor sampling"] [--json]

On a stratified part of the data, the same one for all seeds. Prints, for every idea of patches.py
and seed, the kept epoch with its macro-F1 and mean average precision on validation, the mean F1 of
rare labels, and the mean differences to the same seeds without it. What was run once is kept in the
folder of results and not run again.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from finetunes import Document, Part, add_part_options, kept, part_of
from patches import IDEAS, NOTHING
from tasks import with_training
from texttable import table
from turns import in_its_own_process, say

from imbtool.config.schema import Profile
from imbtool.evaluation.metrics import mean_defined
from imbtool.files.json_text import to_json
from imbtool.training import run

FIGURES = ("f1_macro", "average_precision_macro", "rare_f1")


def main() -> None:
    """Train, one run after the other, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--ideas", nargs="+", choices=list(IDEAS), default=list(IDEAS))
    add_part_options(parser, "ideas")
    options = parser.parse_args()
    part = part_of(options.data, options.texts, options.epochs, 0, options.cache, options.results)
    names = list(dict.fromkeys([NOTHING, *options.ideas]))
    runs = {name: [figures_of(part, name, seed) for seed in options.seeds] for name in names}
    print(table(rows_of(runs)))
    if options.json:
        print(to_json(runs))


def figures_of(part: Part, name: str, seed: int) -> Document:
    """What an idea reaches on validation with a seed; it is trained unless that is known."""
    path = part.results.with_suffix(".jsonl")
    rare = [label.label for label in part.rare]
    work = partial(in_its_own_process, train_with, part.profile, name, seed, rare)
    record = kept(path, f"{name}, seed {seed}", work)
    figures = "  ".join(f"{key} {record[key]:.3f}" for key in FIGURES)
    say(f"{name}, seed {seed}: {figures}")
    return record


def train_with(profile: Profile, name: str, seed: int, rare: Sequence[str]) -> Document:
    """The best epoch of a whole run with an idea."""
    profile = IDEAS[name](with_training(profile, seed=seed))
    with TemporaryDirectory() as folder:
        start = time.perf_counter()
        best = run.train(profile, Path(folder) / "run").best
        seconds = time.perf_counter() - start
    f1 = np.array([best["labels"][label]["f1"] for label in rare], dtype=np.float64)
    return {
        "epoch": best["epoch"],
        "f1_macro": best["f1_macro"],
        "average_precision_macro": best["average_precision_macro"],
        "rare_f1": mean_defined(f1),
        "seconds": seconds,
    }


def rows_of(runs: Mapping[str, Sequence[Document]]) -> list[list[str]]:
    """The rows of the table: figures of each seed, and their mean difference to nothing."""
    rows = [["idea", "epoch", "macro-F1", "mean AP", "rare labels' F1", "mean differences"]]
    for name, records in runs.items():
        columns = [" ".join(str(record["epoch"]) for record in records)]
        columns += [" ".join(f"{record[key]:.3f}" for record in records) for key in FIGURES]
        gains = [
            np.mean([one[key] - two[key] for one, two in zip(records, runs[NOTHING], strict=True)])
            for key in FIGURES
        ]
        rows.append([name, *columns, " ".join(f"{gain:+.3f}" for gain in gains)])
    return rows


if __name__ == "__main__":
    main()
