"""How the cost of `imbtool analyze`, and of a training's first steps, grows with the table.

python -m benchmarks.speed.scale [--rows 100000 1000000 10000000] [--train] [--figure PATH] [--json]

Each table is that of analyze.py, with 50 labels; validation and test are split off from it. Each
measurement is a process of its own: pandas reads the table with every cell as text and does nothing
else; `imbtool analyze` does all that the command does; with --train, a training goes to step 100.
Seconds of the processor are those of all threads: on a busy machine they say more. Bytes are those
that the process reads through system calls. Exit 1 if imbtool needs more than
6 GiB. The table of ten million rows has 1.2 GiB and takes minutes to make.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.speed.analyze import FOLDER, LABELS, ROOT, make_table
from benchmarks.speed.million import PROFILE
from benchmarks.speed.million import measure as train_steps

SIZES = (100_000, 1_000_000, 10_000_000)
STEPS = 100
MOST_MEMORY = 6 * 2**30
PANDAS, ANALYZE, TRAIN = "pandas.read_csv", "imbtool analyze", f"train, {STEPS} steps"


@dataclass(frozen=True)
class Cost:
    """What a process cost: seconds, those of the processor, bytes of its peak memory and read."""

    rows: int
    name: str
    seconds: float
    cpu_seconds: float
    peak_memory: int
    bytes_read: int


def read_with_pandas(table: Path, folder: Path) -> None:  # noqa: ARG001
    """Read every cell as text, and no more."""
    import pandas as pd

    pd.read_csv(table, dtype=str, keep_default_na=False)


def analyze_table(table: Path, folder: Path) -> None:
    """All that `imbtool analyze` does."""
    from imbtool.cli import main

    sys.argv = ["imbtool", "analyze", str(_profile(table, folder)), "-o", str(folder / "analysis")]
    with contextlib.suppress(SystemExit):
        main()
    if not (folder / "analysis" / "analysis.html").is_file():
        raise SystemExit("no page was written")


def train_on_table(table: Path, folder: Path) -> None:
    """A training's first steps."""
    train_steps(_profile(table, folder), folder / "run", STEPS)


WORK: dict[str, Callable[[Path, Path], None]] = {
    PANDAS: read_with_pandas,
    ANALYZE: analyze_table,
    TRAIN: train_on_table,
}


def _profile(table: Path, folder: Path) -> Path:
    path = folder / "profile.yaml"
    asked = {"table": table, "encoder": "bundled", "head_first": "true"}
    path.write_text(PROFILE.format(**asked), encoding="utf-8")
    return path


def measure(name: str, table: Path, rows: int) -> Cost:
    """What the work costs in this process, all imports but those of this script counted."""
    with TemporaryDirectory(dir=FOLDER) as folder, contextlib.redirect_stdout(sys.stderr):
        read, start, worked = _bytes_read(), time.perf_counter(), time.process_time()
        WORK[name](table, Path(folder))
        seconds, worked = time.perf_counter() - start, time.process_time() - worked
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return Cost(rows, name, seconds, worked, peak, _bytes_read() - read)


def _bytes_read() -> int:
    counts = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(counts["rchar"])


def in_own_process(name: str, table: Path, rows: int) -> Cost:
    """A measurement; this process stays small, since a child's peak begins with its parent's."""
    asked = ["--measure", name, "--table", str(table), "--rows", str(rows)]
    command = [sys.executable, "-m", "benchmarks.speed.scale", *asked]
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    return Cost(**json.loads(done.stdout))


def show(cost: Cost) -> None:
    """A measurement as a line."""
    print(
        f"{cost.rows:>11,}  {cost.name:<16} {cost.seconds:8.1f} s  CPU {cost.cpu_seconds:8.1f} s  "
        f"peak {cost.peak_memory / 2**30:5.2f} GiB  read {cost.bytes_read / 2**20:8,.0f} MiB",
        flush=True,
    )


def draw(costs: Sequence[Cost], path: Path) -> None:
    """Draw how seconds and memory grow with the rows."""
    from matplotlib.ticker import NullFormatter

    from imbtool.report.figures.figure import figure_style, new_figure, write_png

    figure = new_figure(8, 3.6)
    with figure_style():
        seconds, memory = figure.subplots(1, 2)
        for name in dict.fromkeys(cost.name for cost in costs):
            own = [cost for cost in costs if cost.name == name]
            rows = [cost.rows for cost in own]
            seconds.plot(rows, [cost.cpu_seconds for cost in own], marker="o", label=name)
            memory.plot(rows, [cost.peak_memory / 2**30 for cost in own], marker="o", label=name)
        memory.axhline(MOST_MEMORY / 2**30, linestyle=":", color="grey", label="the limit")
        memory.legend(loc="best")
        for axes, title in ((seconds, "Seconds of the processor"), (memory, "Peak memory in GiB")):
            axes.set_xscale("log")
            axes.set_yscale("log")
            axes.set_xticks(sorted({cost.rows for cost in costs}))
            axes.xaxis.set_major_formatter("{x:,.0f}")
            axes.yaxis.set_major_formatter("{x:g}")
            for axis in (axes.xaxis, axes.yaxis):
                axis.set_minor_formatter(NullFormatter())
            axes.set_xlabel(f"rows with {LABELS} labels")
            axes.set_title(title)
            axes.grid(True)
    write_png(figure, path)


def main() -> int:
    """Make the tables that are not there, measure, print and draw; exit 1 for too much memory."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, nargs="+", default=SIZES)
    parser.add_argument("--train", action="store_true", help="also train to step 100")
    parser.add_argument("--figure", type=Path, default=FOLDER / "scale.png")
    parser.add_argument("--json", action="store_true", help="the last line is one JSON object")
    parser.add_argument("--measure", choices=WORK, help=argparse.SUPPRESS)
    parser.add_argument("--table", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(asdict(measure(options.measure, options.table, *options.rows))))
        return 0
    costs = []
    for rows in options.rows:
        table = FOLDER / f"analyze-{rows}.csv"
        if not table.is_file():
            make_table(table, rows)
        for name in WORK:
            if name != TRAIN or options.train:
                costs.append(in_own_process(name, table, rows))
                show(costs[-1])
    draw(costs, options.figure)
    print(f"how cost grows: {options.figure}")
    if options.json:
        print(json.dumps([asdict(cost) for cost in costs]))
    most = max(cost.peak_memory for cost in costs if cost.name != PANDAS)
    return 0 if most <= MOST_MEMORY else 1


if __name__ == "__main__":
    sys.exit(main())
