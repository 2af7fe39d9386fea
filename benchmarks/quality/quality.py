"""How good the models of imbtool and of its peers are on the same texts, encoder and split.

python -m benchmarks.quality.quality --data data/edos [--methods imbtool trainer] [--seeds 3]
    [--encoder roberta-base] [--json]

SetFit and LibMultiLabel need an environment of their own, from the repository's root:

    python3 -m venv /tmp/peers
    /tmp/peers/bin/pip install -c constraints.txt -r benchmarks/quality/requirements-peers.txt

then /tmp/peers/bin/python in place of python. What a method's package is missing for is left out.

Each method trains with each seed in a process of its own; what it answers for the test texts is
kept under runs/benchmarks/quality and not asked for again as long as data, settings and versions
are the same, so a benchmark that was killed goes on where it was; after a change of the code that
trains delete what it moves. The minutes are all that a method takes, from reading the tables to its
answers; a busy machine makes them more.

The table has means over seeds and their standard deviation. `less imbtool` is the difference of two
means with its 95% interval: what other test texts could make of it, paired (the figures of both are
averaged over seeds in each resample of the texts), and, with two seeds or more, what other seeds
could (Welch), added by square and add.

To compare settings of imbtool, which official test splits with 20 positives of a label cannot tell
apart, all texts can be cross-validated instead (see crossvalidation.py):

python -m benchmarks.quality.quality --data data/edos --folds 5 --repeats 2 [--frozen]
    --variant default --variant lighter weights.severe.weight=5 weights.moderate.weight=3
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import torch

from benchmarks.quality.answers import (
    SHOWN_TIERS,
    Answers,
    Document,
    Test,
    find,
    keep,
    less,
    spread,
)
from benchmarks.quality.crossvalidation import cross_validate
from benchmarks.quality.peers import METHODS, TRAINER_RATE, Method, epochs_of
from benchmarks.shared.finetunes import write_part
from benchmarks.shared.tasks import Task, find_profile, profile_of, steps_an_epoch
from benchmarks.shared.texttable import table
from benchmarks.shared.turns import say, silence
from imbtool.data.corpus import SPLITS, Corpus, read_corpus
from imbtool.files.json_text import to_json
from imbtool.model.encoder_files import public_name

PARTS = Path("runs/benchmarks/quality")
RESULTS = PARTS / "results"
OURS = "imbtool"
INSTALL = "pip install -c constraints.txt -r benchmarks/quality/requirements-peers.txt"

TIERED = [f"{name}_{tier}" for name in ("f1", "average_precision") for tier in SHOWN_TIERS]
HEAD = (
    *("", "macro-F1", "less imbtool", "micro-F1", "mean AP", "less imbtool"),
    *(f"{name} {tier}" for name in ("F1", "AP") for tier in SHOWN_TIERS),
    *("zero recall", "violations", "minutes"),
)


@dataclass(frozen=True)
class Bench:
    """What all methods are measured on.

    Attributes:
        name: begins the names of files.
        encoder: what the names of files say of it; empty for the profile's own.
        task: of every method.
        results: folder of what is kept.
    """

    name: str
    encoder: str
    task: Task
    results: Path

    @cached_property
    def corpus(self) -> Corpus:
        """The texts."""
        return read_corpus(profile_of(self.task))

    @cached_property
    def test(self) -> Test:
        """What answers are measured against."""
        return Test(self.corpus, profile_of(self.task).weights)

    def path(self, method: Method, seed: int) -> Path:
        """Of a result."""
        encoder = self.encoder if method.reads_encoder else ""
        parts = (self.name, encoder, method.name, str(seed))
        return self.results / f"{'-'.join(filter(None, parts))}.json"

    def rests_on(self, method: Method, seed: int) -> Document:
        """All that must be the same for a result to be kept."""
        data = {name: split.fingerprint for name, split in self.corpus.splits.items()}
        training = {}
        if method.reads_encoder:
            encoder = public_name(profile_of(self.task).model.encoder)
            training = {"encoder": encoder, "device": self.task.device}
        versions = {package: installed(package) for package in method.packages}
        settings = method.settings(self.task)
        return {
            "data": data,
            "seed": seed,
            **training,
            "settings": settings,
            "versions": versions,
        }

    def results_of(self, method: Method, seeds: int) -> list[Document]:
        """Results with the first seeds, kept or new; those that can be had."""
        missing = [package for package in method.packages if installed(package) is None]
        results = []
        for seed in range(seeds):
            path, rests_on = self.path(method, seed), self.rests_on(method, seed)
            kept, changed = find(path, rests_on, missing)
            if kept is None and missing:
                say(f"{method.name} left out, it needs {', '.join(missing)}: {INSTALL}")
                break
            if changed:
                say(f"{path.name} is done again: it rests on other {changed}")
            results.append(kept or self._new(method, seed, path, rests_on))
        return results

    def _new(self, method: Method, seed: int, path: Path, rests_on: Document) -> Document:
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(1, context, initializer=silence) as pool:
            answers, minutes = pool.submit(answer, method.name, self.task, seed).result()
        result = {
            "method": method.name,
            "minutes": minutes,
            "machine": machine(self.task),
            **self.test.kept(answers),
        }
        say(
            f"{path.name}: macro-F1 {result['figures']['f1_macro']['value']:.3f}, {minutes:.1f} min"
        )
        return keep(path, rests_on, result)


def make_bench(options: argparse.Namespace) -> Bench:
    """The data, encoder and device of the command line."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    path, name = options.profile or find_profile(options.data), options.data.resolve().name
    task = Task(options.data.resolve(), path, options.encoder, TRAINER_RATE, device, steps=0)
    if options.texts is not None:
        name = f"{name}-{options.texts}"
        task = replace(task, data=part_of_training(task, options.texts, PARTS.resolve() / name))
    encoder = Path(options.encoder).name if options.encoder else ""
    corpus = read_corpus(profile_of(task))
    if any(np.isnan(split.targets).any() for split in corpus.splits.values()):
        raise SystemExit(
            f"{options.data}: labels that are unknown, with which imbtool alone trains"
        )
    steps = epochs_of(task) * steps_an_epoch(corpus)
    return Bench(name, encoder, replace(task, steps=steps), options.results)


def part_of_training(task: Task, texts: int, folder: Path) -> Path:
    """A folder with a stratified part of the training texts; validation and test are whole."""
    if not (folder / "train.csv").is_file():
        write_part(read_corpus(profile_of(task)).train, texts, 0, folder / "train.csv")
    for name in SPLITS[1:]:
        link = folder / f"{name}.csv"
        link.unlink(missing_ok=True)
        link.symlink_to(task.data / f"{name}.csv")
    return folder


def answer(name: str, task: Task, seed: int) -> tuple[Answers, float]:
    """In a process of its own: what a method answers, and the minutes that it took."""
    start = time.perf_counter()
    answers = METHODS[name].answer(task, seed)
    return answers, (time.perf_counter() - start) / 60


def installed(package: str) -> str | None:
    """The version of a package, if it is there."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def machine(task: Task) -> str:
    """On what minutes were measured."""
    if task.device == "cuda":
        return torch.cuda.get_device_name()
    return f"{os.cpu_count()} CPU cores, {torch.get_num_threads()} threads of torch"


# ---- from results to the table


def summarise(bench: Bench, results: Mapping[str, Sequence[Document]]) -> Document:
    """Figures of each method over its seeds, and how far they are from imbtool's."""
    test = bench.test
    measured = {
        name: [test.estimates(test.read(each)) for each in kept] for name, kept in results.items()
    }
    return {
        name: {
            "figures": {
                **{figure: spread([of[figure].value for of in runs]) for figure in runs[0]},
                **{
                    count: spread([each["figures"][count] for each in results[name]])
                    for count in ("labels_at_zero_recall", "violation_rate")
                },
                "minutes": spread([each["minutes"] for each in results[name]]),
            },
            "less_imbtool": less(runs, measured[OURS]) if OURS in measured else {},
        }
        for name, runs in measured.items()
    }


def show(document: Document) -> str:
    """The document as a table."""
    return table([HEAD, *(list(row(name, each)) for name, each in document.items())])


def row(name: str, method: Document) -> Iterator[str]:
    """The cells of a method."""
    figures, against = method["figures"], method["less_imbtool"] if name != OURS else {}
    yield name
    yield cell(figures["f1_macro"], 3)
    yield difference_cell(against.get("f1_macro"))
    yield cell(figures["f1_micro"], 3)
    yield cell(figures["average_precision_macro"], 3)
    yield difference_cell(against.get("average_precision_macro"))
    for key in TIERED:
        yield cell(figures[key], 2) if key in figures else "–"
    yield cell(figures["labels_at_zero_recall"], 1)
    yield f"{figures['violation_rate']['mean']:.1%}"
    yield f"{figures['minutes']['mean']:.2f}"


def cell(of: Document, digits: int) -> str:
    """Mean and standard deviation."""
    if np.isnan(of["mean"]):
        return "–"
    deviation = "" if np.isnan(of["sd"]) else f" ±{of['sd']:.{digits}f}".replace("±0.", "±.")
    return f"{of['mean']:.{digits}f}{deviation}"


def difference_cell(of: Document | None) -> str:
    """A difference and its interval."""
    return f"{of['value']:+.3f} [{of['low']:+.3f}, {of['high']:+.3f}]" if of else ""


def headline(bench: Bench, seeds: int) -> str:
    """What was trained on what."""
    sizes = ", ".join(f"{len(split):,} {name}" for name, split in bench.corpus.splits.items())
    tiers = ", ".join(f"{bench.test.tiers.count(tier)} {tier}" for tier in SHOWN_TIERS)
    return (
        f"{bench.name}: texts {sizes}; labels {tiers}; seeds {seeds}; encoder "
        f"{public_name(profile_of(bench.task).model.encoder)} (LibMultiLabel: none, TF-IDF)"
    )


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, metavar="FOLDER", required=True)
    parser.add_argument("--profile", type=Path, metavar="FILE", help="how to read the data")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--seeds", type=int, default=3, help="how many: 0, 1, ...")
    parser.add_argument("--encoder", help="a folder or hub id instead of the profile's")
    parser.add_argument("--texts", type=int, help="read so many, to try the benchmark")
    parser.add_argument("--results", type=Path, metavar="FOLDER", default=RESULTS)
    parser.add_argument("--json", action="store_true", help="the last line is one JSON object")
    folds = parser.add_argument_group("cross-validation, instead of peers and official splits")
    folds.add_argument("--folds", type=int, help="cut all texts into so many")
    folds.add_argument("--repeats", type=int, default=1, help="how often; each has its own seed")
    folds.add_argument(
        "--variant",
        nargs="+",
        action="append",
        default=[],
        metavar=("NAME", "KEY=VALUE"),
        help="settings to compare, as of --set; the others are compared with the first",
    )
    folds.add_argument("--frozen", action="store_true", help="fit a head on the frozen encoder")
    return parser.parse_args()


def main() -> None:
    """Train what is not kept, and print the table."""
    options = parse()
    if options.folds is not None:
        cross_validate(options)
        return
    bench = make_bench(options)
    found = {name: bench.results_of(METHODS[name], options.seeds) for name in options.methods}
    document = summarise(bench, {name: kept for name, kept in found.items() if kept})
    print(headline(bench, options.seeds))
    print(show(document))
    if options.json:
        print(to_json(document, indent=None))


if __name__ == "__main__":
    main()
