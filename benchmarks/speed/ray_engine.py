"""What `imbtool predict --engine ray` costs beside one process, and whether its bytes are the same.

python -m benchmarks.speed.ray_engine RUN TABLE [--texts 100000] [--times 3]

The texts of TABLE, repeated as often as it takes, become one parquet file. Both commands predict
it into a folder, in turns, each in a process of its own; their seconds contain all starts. One
process has a thread for each core, and Ray a worker with one thread for each, so that the bytes are
compared with those of one process with one thread. Exit 1 if they differ, or if the median with Ray
is over 1.1 times the median of one process.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.parquet as pq

from imbtool.data.tables import read_arrow

MOST_RATIO = 1.1
ALONE, RAY = "one process", "Ray"
ENGINES = {ALONE: [], RAY: ["--engine", "ray"]}
ONE_THREAD = ["--threads", "1"]
"""For the bytes: with more threads, sums may be rounded otherwise."""


def make_tables(table: Path, folder: Path, texts: int) -> None:
    """Write the rows of a table, repeated or cut to so many, as a parquet file in a folder."""
    rows = read_arrow(table).data
    repeated = pa.concat_tables([rows] * (texts // len(rows) + 1)).slice(0, texts)
    folder.mkdir()
    pq.write_table(repeated.combine_chunks(), folder / "texts.parquet")


def seconds(run: Path, tables: Path, output: Path, options: list[str]) -> float:
    """How long a command takes, from its start to its end."""
    shutil.rmtree(output, ignore_errors=True)
    command = [sys.executable, "-m", "imbtool", "predict", str(run), str(tables), "-o", str(output)]
    start = time.perf_counter()
    subprocess.run([*command, *options], check=True, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    """Measure in turns, and print the seconds of each turn."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("table", type=Path)
    parser.add_argument("--texts", type=int, default=100_000)
    parser.add_argument("--times", type=int, default=3)
    options = parser.parse_args()
    taken: dict[str, list[float]] = {engine: [] for engine in ENGINES}
    with TemporaryDirectory() as work:
        tables = Path(work, "in")
        make_tables(options.table, tables, options.texts)
        for _ in range(options.times):
            for engine, more in ENGINES.items():
                taken[engine].append(seconds(options.run, tables, Path(work, engine), more))
                print(f"{engine}: {taken[engine][-1]:.1f} s", flush=True)
        one_thread = seconds(options.run, tables, Path(work, ALONE), ONE_THREAD)
        print(f"{ALONE} with one thread: {one_thread:.1f} s", flush=True)
        alone, ray = (Path(work, engine, "texts.parquet").read_bytes() for engine in ENGINES)
    ratio = statistics.median(taken[RAY]) / statistics.median(taken[ALONE])
    print(f"{options.texts} texts, {os.cpu_count()} cores")
    print(f"the same bytes: {alone == ray}; Ray takes {ratio:.2f} times as long")
    sys.exit(alone != ray or ratio > MOST_RATIO)


if __name__ == "__main__":
    main()
