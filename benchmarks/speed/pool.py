"""What it takes to search a pool of a million texts: memory, and minutes; and a second time.

python -m benchmarks.speed.pool [--texts 1000000] [--layers 1] [--json]

The pool is the table of analyze.py, of which 2,000 rows are the labelled texts. The encoder has the
shape of the bundled one, but as few layers as asked for, of random weights: what a layer makes does
not change what is kept in memory. Two batches are chosen from the pool, each in a process of its
own; the second one finds the features that the first one has kept. Exit 1 above 4 GiB.
"""

from __future__ import annotations

import argparse
import csv
import json
import resource
import subprocess
import sys
import time
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.speed.analyze import FOLDER, ROOT, make_table

MOST_MEMORY = 4 * 2**30
LABELLED, BATCH = 2_000, 200
PROFILE = """\
data: {train: train.csv, id: id}
model: {encoder: encoder}
weights: {severe: {ratio: 100}}
"""


def make_encoder(folder: Path, layers: int) -> None:
    """Write an encoder of the bundled one's width and tokenizer."""
    import torch
    from transformers import AutoConfig, AutoModel, AutoTokenizer

    from imbtool.model.encoder_files import encoder_folder

    bundled = encoder_folder("bundled")
    config = AutoConfig.from_pretrained(bundled, num_hidden_layers=layers)
    torch.manual_seed(0)
    AutoModel.from_config(config).save_pretrained(folder)  # type: ignore[no-untyped-call]
    AutoTokenizer.from_pretrained(bundled).save_pretrained(folder)


def make_project(table: Path, folder: Path, layers: int) -> None:
    """Write a profile, its labelled texts and its encoder beside the pool."""
    with table.open(encoding="utf-8", newline="") as source:
        rows = list(islice(csv.reader(source), LABELLED + 1))
    with (folder / "train.csv").open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream, lineterminator="\n").writerows(rows)
    (folder / "profile.yaml").write_text(PROFILE, encoding="utf-8")
    make_encoder(folder / "encoder", layers)


def measure(folder: Path, table: Path, batch: str) -> dict[str, float]:
    """Choose a batch in this process; its seconds, and the peak of its memory in bytes."""
    from imbtool import Wish, find_texts

    started = time.perf_counter()
    found = find_texts(
        folder / "profile.yaml",
        table,
        folder / "batches" / batch,
        Wish(BATCH),
        tell=lambda line: print(line, file=sys.stderr, flush=True),
    )
    assert len(found.texts) == BATCH
    seconds = time.perf_counter() - started
    return {"seconds": seconds, "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}


def in_own_process(folder: Path, table: Path, batch: str) -> dict[str, float]:
    """A measurement; this process stays small, since a child's peak begins with its parent's."""
    command = [sys.executable, "-m", "benchmarks.speed.pool", "--measure", str(folder), str(table)]
    done = subprocess.run(
        [*command, batch], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True
    )
    return dict(json.loads(done.stdout))


def main() -> None:
    """Measure both batches."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", type=int, default=1_000_000)
    parser.add_argument("--layers", type=int, default=1, help="of the encoder")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--measure", nargs=3, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.measure:
        folder, table, batch = asked.measure
        print(json.dumps(measure(Path(folder), Path(table), batch)))
        return
    table = FOLDER / f"pool-{asked.texts}.csv"
    if not table.exists():
        make_table(table, asked.texts)
    with TemporaryDirectory(dir=FOLDER) as name:
        make_project(table, Path(name), asked.layers)
        runs = {batch: in_own_process(Path(name), table, batch) for batch in ("01", "02")}
        kept = sum(file.stat().st_size for file in Path(name).glob("batches/.features/*.npy"))
    document = {"texts": asked.texts, "layers": asked.layers, "kept": kept, "batches": runs}
    if asked.json:
        print(json.dumps(document))
    else:
        for batch, run in runs.items():
            peak = run["peak"] / 2**30
            print(f"batch {batch}  {run['seconds'] / 60:6.1f} min  peak {peak:.2f} GiB")
        print(f"features kept  {kept / 2**20:,.0f} MiB")
    if max(run["peak"] for run in runs.values()) > MOST_MEMORY:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
