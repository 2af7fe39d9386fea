"""How many positives a search finds, beside other ways to choose what to label.

python -m benchmarks.quality.find --data data/edos --batches 20 [--seeds 0 1 2]
    [--strategies imbtool random ...] [--encoder bundled] [--least 1] [--results FILE] [--json]

A data set is annotated once more: of its training texts 500 random ones are labelled at first, then
batches of 100 are chosen, and each gets its true labels. What counts are the positives of severe
labels among all that is labelled, where severe means rarer than 100:1 in the whole training table.

imbtool goes through files, as a user does: `find_texts`, answers in batch.csv, `merge_answers`. The
other strategies work in memory, on the features of the same frozen encoder and with the same head:
random texts, the most uncertain ones, the highest scores of each severe label in turn (a tenth at
random), and strategies of small-text (1.4.1 was used; see requirements-peers.txt), which are left
out where it is not installed.

What was chosen is kept under runs/benchmarks/find/NAME: a repeat takes a minute.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.quality.annotator import (
    Held,
    Plan,
    Study,
    bounds_held,
    prepare,
    rows_of,
    search_by_imbtool,
)
from benchmarks.quality.searches import BASELINES, PEER, PEERS, Features, labels_told, search, there
from benchmarks.shared.texttable import table
from imbtool.config.schema import BUNDLED_ENCODERS
from imbtool.evaluation.intervals import exact_interval
from imbtool.files.json_text import read_json, to_json, write_json
from imbtool.files.writing import replacing
from imbtool.types import Rows

FOLDER = Path("runs/benchmarks/find")
OURS = "imbtool"
BEST_PEERS = [f"{PEER}-{name}" for name in ("contrastive-severe", "cvirs", "entropy-severe")]
LABEL_WIDTH = 40
DEFAULT = [OURS, *BASELINES, *BEST_PEERS]

Document = dict[str, Any]
Counts = NDArray[np.int64]
say = partial(print, file=sys.stderr, flush=True)


@dataclass(frozen=True)
class Curve:
    """What one run has found.

    Attributes:
        strategy: its name.
        seed: of the start, and of what is random.
        found: positives of each severe label after each batch, the start first [batches + 1, L].
    """

    strategy: str
    seed: int
    found: Counts

    @property
    def totals(self) -> Counts:
        """Positives of all severe labels after each batch [batches + 1]."""
        return self.found.sum(axis=1)


@dataclass(frozen=True)
class Runs:
    """All runs of a data set."""

    study: Study

    @cached_property
    def _features(self) -> Features:
        return self.study.features()

    def curve(self, strategy: str, seed: int) -> Curve:
        """What a strategy finds; imbtool's and others' earlier choices are kept."""
        say(f"{self.study.name}, {strategy}, seed {seed}")
        if strategy == OURS:
            batches = [rows_of(self.study, batch) for batch in search_by_imbtool(self.study, seed)]
        else:
            batches = self._in_memory(strategy, seed)
        return Curve(strategy, seed, self.study.found(seed, batches))

    def held(self, seed: int) -> list[Held]:
        """Whether the bounds of imbtool's search cover the truth."""
        return list(bounds_held(self.study, seed, search_by_imbtool(self.study, seed)))

    def _in_memory(self, strategy: str, seed: int) -> list[Rows]:
        path = self.study.folder / f"{strategy}-{seed}.json"
        plan = asdict(self.study.plan)
        if path.is_file() and (kept := read_json(path))["plan"] == plan:
            return [np.array(rows, dtype=np.int64) for rows in kept["batches"]]
        choose = (BASELINES | PEERS)[strategy]
        told = labels_told(strategy, self.study)
        batches = search(self.study, self._features, choose, seed, told)
        write_json(path, {"plan": plan, "batches": [rows.tolist() for rows in batches]})
        return batches


def mean_totals(curves: Sequence[Curve], strategy: str) -> NDArray[np.float64]:
    """Positives after each batch [batches + 1], the mean over the seeds of a strategy."""
    return np.mean([curve.totals for curve in curves if curve.strategy == strategy], axis=0)


def share_read(ours: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """The share of the other's texts after which we have what the other has at its end.

    Between two batches positives are taken to rise evenly. NaN: we never have as many.
    """
    reached = np.flatnonzero(ours >= other[-1])
    if not len(reached):
        return float("nan")
    end = int(reached[0])
    if end == 0:
        return 0.0
    rise = ours[end] - ours[end - 1]
    return float((end - (ours[end] - other[-1]) / rise) / (len(other) - 1))


def best_peer(curves: Sequence[Curve]) -> str | None:
    """The strategy of small-text with most positives at its end."""
    names = {curve.strategy for curve in curves if curve.strategy in PEERS}
    return max(sorted(names), key=lambda name: mean_totals(curves, name)[-1], default=None)


# ---- shown


def show(study: Study, curves: Sequence[Curve], held: Sequence[Held]) -> str:
    """What is said of a data set."""
    labels = [study.labels[label] for label in study.severe]
    whole = (study.targets[:, study.severe] == 1).sum(axis=0)
    lines = [
        f"{study.name}: {len(labels)} severe labels with {whole.sum()} positives in "
        f"{len(study.pool):,} texts; {study.plan.start} labelled at first, then "
        f"{study.plan.batches} batches of {study.plan.size}",
        "",
        "Severe positives after each batch:",
        table(list(_batch_rows(curves))),
        "",
        "Each label at the end, mean over the seeds:",
        table(list(_label_rows(curves, labels, whole))),
        "",
        *_told(curves, held),
    ]
    return "\n".join(lines)


def _batch_rows(curves: Sequence[Curve]) -> Iterator[list[str]]:
    yield ["strategy", "seed", *map(str, range(len(curves[0].found)))]
    for curve in curves:
        yield [curve.strategy, str(curve.seed), *map(str, curve.totals)]
    for strategy in dict.fromkeys(curve.strategy for curve in curves):
        yield [strategy, "mean", *(f"{mean:.0f}" for mean in mean_totals(curves, strategy))]


def _label_rows(curves: Sequence[Curve], labels: list[str], whole: Counts) -> Iterator[list[str]]:
    strategies = list(dict.fromkeys(curve.strategy for curve in curves))
    yield ["label", "whole table", *strategies]
    for place, label in enumerate(labels):
        ends = (
            np.mean([curve.found[-1, place] for curve in curves if curve.strategy == strategy])
            for strategy in strategies
        )
        yield [label[:LABEL_WIDTH], str(whole[place]), *(f"{mean:.0f}" for mean in ends)]


def _told(curves: Sequence[Curve], held: Sequence[Held]) -> Iterator[str]:
    """Sentences on what the best peer has, and on the bounds."""
    strategies = {curve.strategy for curve in curves}
    peer = best_peer(curves)
    if peer and OURS in strategies:
        ours, other = mean_totals(curves, OURS), mean_totals(curves, peer)
        share = share_read(ours, other)
        yield (
            f"{peer} has {other[-1]:.1f} at its end; imbtool has as many after "
            f"{share:.0%} of its texts ({share * (len(other) - 1):.1f} batches), and at its end "
            f"{ours[-1]:.1f}."
        )
    if "random" in strategies and OURS in strategies:
        ours, other = mean_totals(curves, OURS), mean_totals(curves, "random")
        yield f"imbtool has {ours[-1] / other[-1]:.1f} times as many as random reading."
    yield from _bounds_told("all", held)
    yield from _bounds_told("severe", [each for each in held if each.severe])


def _bounds_told(name: str, held: Sequence[Held]) -> Iterator[str]:
    """How many bounds of some labels cover the truth."""
    for kind in ("remaining", "recall") if held else ():
        covered = sum(getattr(each, kind) for each in held)
        low, high = exact_interval(covered, len(held))
        yield (
            f"Bounds of {name} labels, {kind}: {covered} of {len(held)} cover the truth "
            f"({covered / len(held):.1%}; {low:.1%} to {high:.1%} were they independent)."
        )


def results(study: Study, curves: Sequence[Curve]) -> pd.DataFrame:
    """One row for each run."""
    whole = int((study.targets[:, study.severe] == 1).sum())
    rows = []
    for curve in curves:
        middle = study.plan.batches // 2
        rows.append(
            {
                "data": study.name,
                "encoder": study.plan.encoder,
                "strategy": curve.strategy,
                "seed": curve.seed,
                "start": study.plan.start,
                "batches": study.plan.batches,
                "size": study.plan.size,
                "severe_labels": len(study.severe),
                "severe_positives": whole,
                "found_at_start": curve.totals[0],
                "found_half_way": curve.totals[middle],
                "found": curve.totals[-1],
                "least_of_a_label": curve.found[-1].min(),
                "found_by_label": " ".join(map(str, curve.found[-1])),
            }
        )
    return pd.DataFrame(rows)


def keep(path: Path, new: pd.DataFrame) -> None:
    """Put rows into a table of results in the place of those of the same runs."""
    keys = ["data", "encoder", "strategy", "seed"]
    if path.is_file():
        new = pd.concat([pd.read_csv(path), new]).drop_duplicates(keys, keep="last")
    with replacing(path) as draft:
        new.to_csv(draft, index=False)


def main() -> None:
    """Run what is not there yet, and print tables for each data set."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, nargs="+", required=True)
    parser.add_argument("--start", type=int, default=500, help="texts that are labelled at first")
    parser.add_argument("--batches", type=int, default=15)
    parser.add_argument("--size", type=int, default=100, help="texts in a batch")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--strategies", nargs="+", default=DEFAULT, choices=_all(), metavar="NAME")
    parser.add_argument("--encoder", default=BUNDLED_ENCODERS[0], metavar="NAME")
    parser.add_argument("--least", type=int, default=1, help="positives that a label must have")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="for what is kept")
    parser.add_argument("--results", type=Path, help="a table that the figures are put into")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    strategies = [name for name in options.strategies if there(name)]
    if missing := [name for name in options.strategies if name not in strategies]:
        say(f"small-text is not installed: {', '.join(missing)} left out")
    plan, documents = Plan(options.start, options.batches, options.size, options.encoder), {}
    for data in options.data:
        study = prepare(data, options.least, options.folder / data.resolve().name, plan)
        runs = Runs(study)
        curves = [runs.curve(name, seed) for name in strategies for seed in options.seeds]
        seeds = options.seeds if OURS in strategies else []
        held = [each for seed in seeds for each in runs.held(seed)]
        print(show(study, curves, held), end="\n\n", flush=True)
        documents[study.name] = _document(study, curves, held)
        if options.results:
            keep(options.results, results(study, curves))
    if options.json:
        print(to_json(documents, indent=None))


def _all() -> list[str]:
    return [OURS, *BASELINES, *PEERS]


def _document(study: Study, curves: Sequence[Curve], held: Sequence[Held]) -> Document:
    """Figures of a data set by strategy and seed, and how many bounds cover the truth."""
    return {
        "labels": [study.labels[label] for label in study.severe],
        "found": {f"{curve.strategy} {curve.seed}": curve.found.tolist() for curve in curves},
        "bounds": len(held),
        "covering": {
            kind: sum(getattr(each, kind) for each in held) for kind in ("remaining", "recall")
        },
    }


if __name__ == "__main__":
    main()
