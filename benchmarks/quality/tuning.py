"""How much training `imbtool tune`, Optuna's TPE and random search need for how good a model.

python -m benchmarks.quality.tuning --data data/edos [--texts 3000] [--seeds 0 1 2]
    [--plot curves.png]

Needs Optuna, which imbtool does not: pip install "optuna>=5". A benchmark that was stopped or
killed goes on where it was when the same command is given again.

Each seed has its own stratified part of the training texts; validation is whole up to 2,000 texts,
test always. TPE and random search choose one gamma for all labels, one factor on all weights that
the rules give, the learning rate and, where labels have a hierarchy, the price of incoherence;
TPE's first four choices are random, the same as random search's. `tpe-from-default` tries the
profile as it is first, as imbtool does; it is run if it is named.

Cost is counted in texts trained, in units of one fine-tune by the profile as it is. To it comes,
for imbtool, what it spends on deciding between rounds, frozen heads and all: its seconds, at the
pace of its own fine-tunes. What a method has found is what it would hand over: for imbtool the
round that it kept last, though one that it undid for its rare labels may have a better objective.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.quality.tuners import IMBTOOL, SEARCHES, Point, run_method
from benchmarks.shared.charts import curve_chart
from benchmarks.shared.finetunes import Document, add_part_options, estimate, part_of
from benchmarks.shared.texttable import table
from benchmarks.shared.turns import say
from imbtool.files.json_text import to_json
from imbtool.wording import counted

COLOURS = dict(zip((IMBTOOL, *SEARCHES), ("#4a83b5", "#e0a030", "#6d737c", "#a05195"), strict=True))
COSTS = (1, 2, 4, 8, 16)
"""At which the objective is shown."""


def summarise(results: dict[str, list[Document]], units: Sequence[int], most: int) -> Document:
    """The document: every method's curves and medians, and when imbtool reached the others.

    Args:
        results: of each method, one a seed.
        units: texts of a fine-tune on the part of each seed.
        most: fine-tunes that a method may do.
    """
    curves = {name: list(map(curve_of, each, units)) for name, each in results.items()}
    methods = {name: summary_of(each, curves[name], most) for name, each in results.items()}
    others = [name for name in curves if name != IMBTOOL] if IMBTOOL in curves else []
    shares = {
        name: [share_of(*pair) for pair in zip(curves[IMBTOOL], curves[name], strict=True)]
        for name in others
    }
    reached = {name: {"shares": each, "median": middle(each)} for name, each in shares.items()}
    return {"methods": methods, "reached": reached}


def curve_of(result: Document, unit: int) -> list[Point]:
    """The points of a method, cost in fine-tunes instead of texts."""
    points = [Point(*point) for point in result["points"]]
    return [point._replace(texts=point.texts / unit) for point in points]


def summary_of(results: Sequence[Document], curves: Sequence[list[Point]], most: int) -> Document:
    """What the document says of a method: medians over seeds, and lists by seed."""
    return {
        "objective_at": {
            str(cost): middle(best_at(curve, cost) for curve in curves)
            for cost in COSTS
            if cost <= most
        },
        "final": middle(best_at(curve, np.inf) for curve in curves),
        "test_f1_macro": middle(each["test"]["f1_macro"] for each in results),
        "test_rare_f1": middle(each["test"]["rare_f1"] for each in results),
        "fine_tunes": [each["fine_tunes"] for each in results],
        "cost": [curve[-1].texts for curve in curves],
        "minutes": [curve[-1].seconds / 60 for curve in curves],
        "deciding_seconds": [each["deciding"]["seconds"] for each in results],
        "stops": [each["stop"] for each in results],
        "tests": [each["test"] for each in results],
        "curves": curves,
    }


def best_at(curve: Iterable[Point], cost: float) -> float:
    """The best objective that a cost had bought; NaN: none yet."""
    known = [point.best for point in curve if point.texts <= cost and point.best is not None]
    return known[-1] if known else np.nan


def share_of(ours: Sequence[Point], theirs: Sequence[Point]) -> float:
    """Our cost of what they ended with, as a share of theirs; infinite: never reached."""
    final = best_at(theirs, np.inf)
    reached = (point.texts for point in ours if point.best is not None and point.best >= final)
    return next(reached, np.inf) / theirs[-1].texts


def middle(values: Iterable[float]) -> float:
    """Their median; NaN where one is missing."""
    return float(np.median(list(values)))


def show(document: Document) -> str:
    """The document as a table and some lines."""
    methods = document["methods"]
    costs = next(iter(methods.values()))["objective_at"]
    head = ["", "fine-tunes", "cost", "minutes", *(f"at {cost}" for cost in costs)]
    rows = [[*head, "final", "test macro-F1", "test rare F1"]]
    for name, each in methods.items():
        figures = (*each["objective_at"].values(), each["final"])
        figures += (each["test_f1_macro"], each["test_rare_f1"])
        spent = ["/".join(f"{value:.{digits}f}" for value in each[key]) for key, digits in SPENT]
        rows.append([name, *spent, *(f"{value:.4f}" for value in figures)])
    return "\n".join([table(rows), "", *remarks(document)])


SPENT = (("fine_tunes", 0), ("cost", 1), ("minutes", 0))
"""Columns that stand by seed, and their digits."""


def remarks(document: Document) -> Iterable[str]:
    """What the table does not say."""
    yield (
        "Best macro-F1 on validation at costs in fine-tunes' worth of texts, and macro-F1 on test: "
        "medians over seeds. Fine-tunes, cost and minutes: by seed; minutes are rough where the "
        "machine is shared."
    )
    for name, each in document["reached"].items():
        shares = ", ".join(map(percent, each["shares"]))
        median = percent(each["median"])
        yield f"imbtool reached what {name} ended with at {median} of its cost (by seed: {shares})."
    ours = document["methods"].get(IMBTOOL)
    if ours:
        seconds = ", ".join(f"{value:.0f} s" for value in ours["deciding_seconds"])
        yield f"imbtool's cost holds what it spent on deciding (by seed: {seconds}). It stopped:"
        yield from (f"  {sentence}" for sentence in ours["stops"])


def percent(share: float) -> str:
    """A share as people read it."""
    return f"{share:.0%}" if np.isfinite(share) else "never"


def plot(document: Document, title: str, path: Path) -> None:
    """Draw objective against cost as PNG: the median of the seeds, and each seed faintly."""
    across = "cost: texts trained, in fine-tunes by the profile as it is"
    with curve_chart(path, title, across, "best macro-F1 on validation so far") as axes:
        for name, each in document["methods"].items():
            ends = {point.texts for curve in each["curves"] for point in curve}
            costs = sorted({0.0, *ends})
            heights = [[best_at(curve, cost) for cost in costs] for curve in each["curves"]]
            look: dict[str, Any] = {"color": COLOURS[name], "where": "post"}
            for height in heights:
                axes.step(costs, height, linewidth=0.8, alpha=0.35, **look)
            axes.step(costs, np.median(heights, axis=0), linewidth=2, label=name, **look)


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    add_part_options(parser, "tuning")
    parser.add_argument("--fine-tunes", type=int, default=16, help="that a method may do")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    choices = (IMBTOOL, *SEARCHES)
    parser.add_argument("--methods", nargs="+", choices=choices, default=choices[:3])
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the curves to this PNG")
    return parser.parse_args()


def main() -> None:
    """Run what the results lack, and print a table."""
    options = parse()
    size, folders = (options.texts, options.epochs), (options.cache, options.results)
    parts = [part_of(options.data, *size, seed, *folders) for seed in options.seeds]
    say(estimate(options.fine_tunes * len(options.methods), parts))
    results: dict[str, list[Document]] = {name: [] for name in options.methods}
    for seed, part in zip(options.seeds, parts, strict=True):
        for name in options.methods:
            say(f"seed {seed}, {name}")
            results[name].append(run_method(name, part, seed, options.fine_tunes))
    document = summarise(results, [part.epoch_texts for part in parts], options.fine_tunes)
    print(show(document))
    if options.plot:
        epochs = counted(options.epochs, "epoch")
        title = f"{options.data.resolve().name}, {options.texts:,} texts, {epochs}"
        plot(document, title, options.plot)
    if options.json:
        asked = {key: getattr(options, key) for key in ("texts", "epochs", "fine_tunes", "seeds")}
        print(to_json({"data": str(options.data), **asked, **document}, indent=None))


if __name__ == "__main__":
    main()
