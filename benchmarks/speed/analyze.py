"""What a first look at a large table costs: imbtool beside `pandas.read_csv` on the same file.

python -m benchmarks.speed.analyze [--rows 1000000] [--rounds 3] [--json]

The table has 50 labels and is made of the sample's sentences, once, under runs/benchmarks. Each
measurement is a process of its own. pandas reads the table twice: as it does by itself, which takes
001 for 1 and NA for a missing value, and with every cell as the text that stands there, as imbtool
does. imbtool makes targets of the label cells as well, counts the labels, counts those that stand
together and finds the texts that repeat another, with the functions that `imbtool analyze` uses.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "runs" / "benchmarks"
LABELS = 50
COMMONEST, RAREST = 0.1, 0.0001
"""Prevalence of the first and the last label that is not the sample's own."""
MOST_TIME, MOST_MEMORY = 1.2, 3.0
"""Of pandas with every cell as text, and of pandas as it is."""
SEED = 0


def make_table(path: Path, rows: int) -> None:
    """Write a table of `rows` texts, a row at a time."""
    draft = path.with_suffix(".part")
    draft.parent.mkdir(parents=True, exist_ok=True)
    with draft.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(("id", "text", "labels"))
        writer.writerows(table_rows(rows))
    draft.replace(path)


def table_rows(rows: int) -> Iterator[tuple[str, str, str]]:
    """Texts of the sample's sentences, with its labels and some that the texts do not show."""
    sys.path.insert(0, str(ROOT / "data"))
    import generate

    rng = random.Random(SEED)
    kinds_of = generate._plan(generate.SIZES["train"])
    blocks = generate.LABELLED | generate.HARD_NEGATIVES
    pools = {kind: sorted(generate.templates("train", kind)) for kind in blocks}
    chances = other_labels(LABELS - len(generate.LABELS))
    for number in range(rows):
        kinds = rng.choice(kinds_of)
        text = generate._text(rng, [rng.choice(pools[kind]) for kind in kinds])
        others = [name for name, chance in chances.items() if rng.random() < chance]
        own = generate._labels(kinds)
        yield f"{number}", text, "|".join([*([own] if own else []), *others])


def other_labels(number: int) -> dict[str, float]:
    """Labels and how often a text has them."""
    steps = [step / (number - 1) for step in range(number)]
    return {
        f"topic {place:02}": COMMONEST * (RAREST / COMMONEST) ** step
        for place, step in enumerate(steps, start=1)
    }


def with_pandas(path: Path, **how: Any) -> Callable[[], dict[str, float]]:
    """Read the table and no more."""
    import pandas as pd

    def work() -> dict[str, float]:
        start = time.perf_counter()
        frame = pd.read_csv(path, **how)
        return {"read": time.perf_counter() - start, "rows": len(frame)}

    return work


def with_imbtool(path: Path) -> Callable[[], dict[str, float]]:
    """Read the table, count labels, pairs of labels and texts that repeat another."""
    from imbtool.config.data_sections import DataSection
    from imbtool.config.hierarchy import label_set
    from imbtool.data.corpus import read_split
    from imbtool.data.duplicates import text_numbers
    from imbtool.data.imbalance import co_occurrence, count_labels

    sys.path.insert(0, str(ROOT / "data"))
    from generate import LABELS as OWN

    labels = label_set([*OWN, *other_labels(LABELS - len(OWN))], ())
    data = DataSection(train=path, text="text")

    def work() -> dict[str, float]:
        at = [time.perf_counter()]
        split = read_split("train", path, data, labels)
        at.append(time.perf_counter())
        counts = count_labels(split.label_sets)
        at.append(time.perf_counter())
        together = co_occurrence(split.label_sets)
        at.append(time.perf_counter())
        groups = text_numbers(split.texts)
        at.append(time.perf_counter())
        assert together[0, 0] == counts[0].positives
        spans = [after - before for before, after in pairwise(at)]
        steps = dict(zip(("read", "counts", "co-occurrence", "duplicates"), spans, strict=True))
        repeats = len(groups) - int(groups.max()) - 1
        return {**steps, "rows": len(split), "repeats": repeats}

    return work


PANDAS, PANDAS_AS_TEXT, IMBTOOL = "pandas.read_csv", "every cell as text", "imbtool"
CONTENDERS: dict[str, Callable[[Path], Callable[[], dict[str, float]]]] = {
    PANDAS: with_pandas,
    PANDAS_AS_TEXT: partial(with_pandas, dtype=str, keep_default_na=False),
    IMBTOOL: with_imbtool,
}


def measure(name: str, path: Path) -> dict[str, Any]:
    """Seconds of the work, imports left out, and peak memory of the process, imports and all."""
    work = CONTENDERS[name](path)
    start = time.perf_counter()
    steps = work()
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"seconds": seconds, "peak_memory": peak, "steps": steps}


def in_own_process(name: str, path: Path) -> dict[str, Any]:
    """A measurement; this process stays small, since a child's peak begins with its parent's."""
    asked = ["--measure", name, "--table", str(path)]
    command = [sys.executable, "-m", "benchmarks.speed.analyze", *asked]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return dict(json.loads(done.stdout))


def compare(path: Path, rounds: int) -> dict[str, Any]:
    """Measure them in turn and give medians, and imbtool's ratios to pandas."""
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in CONTENDERS}
    for _ in range(rounds):
        for name, measured in runs.items():
            measured.append(in_own_process(name, path))
    figures = {
        name: {
            "seconds": statistics.median(run["seconds"] for run in measured),
            "peak_memory": statistics.median(run["peak_memory"] for run in measured),
            "steps": measured[-1]["steps"],
        }
        for name, measured in runs.items()
    }
    pandas, as_text, ours = (figures[name] for name in (PANDAS, PANDAS_AS_TEXT, IMBTOOL))
    return {
        "file_bytes": path.stat().st_size,
        "rows": ours["steps"]["rows"],
        "labels": LABELS,
        "time_ratio": ours["seconds"] / pandas["seconds"],
        "time_ratio_as_text": ours["seconds"] / as_text["seconds"],
        "memory_ratio": ours["peak_memory"] / pandas["peak_memory"],
        "contenders": figures,
    }


def show(document: dict[str, Any]) -> None:
    """The document as a table."""
    size = document["file_bytes"] / 2**20
    print(f"{document['rows']:,} texts, {document['labels']} labels, {size:.0f} MiB")
    for name, each in document["contenders"].items():
        steps = {key: value for key, value in each["steps"].items() if isinstance(value, float)}
        told = ", ".join(f"{step} {seconds:.2f}" for step, seconds in steps.items())
        memory = each["peak_memory"] / 2**20
        print(f"{name:<18} {each['seconds']:6.2f} s  {memory:6.0f} MiB  ({told})")
    print(f"time    {document['time_ratio']:.2f} of pandas.read_csv")
    as_text = f"{document['time_ratio_as_text']:.2f} of the same with every cell as text"
    print(f"        {as_text}, at most {MOST_TIME:g}")
    print(f"memory  {document['memory_ratio']:.2f} of pandas.read_csv, at most {MOST_MEMORY:g}")


def main() -> int:
    """Make the table if it is not there, measure, and print; exit 1 where a bar is not met."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="the last line is one JSON object")
    parser.add_argument("--measure", choices=CONTENDERS, help=argparse.SUPPRESS)
    parser.add_argument("--table", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.measure, options.table)))
        return 0
    path = FOLDER / f"analyze-{options.rows}.csv"
    if not path.is_file():
        make_table(path, options.rows)
    document = compare(path, options.rounds)
    show(document)
    if options.json:
        print(json.dumps(document))
    met = document["time_ratio_as_text"] <= MOST_TIME and document["memory_ratio"] <= MOST_MEMORY
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
