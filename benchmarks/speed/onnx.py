"""Texts a second of exported models, beside their checkpoint and transformers.pipeline.

imbtool export RUN -o exported/fp32
imbtool export RUN -o exported/int8 --int8
python -m benchmarks.speed.onnx RUN exported/fp32 exported/int8 --data data/edos/test.csv [--json]

All read the same texts in one process, a text a call and 32 texts a call, and take turns; the first
round is not measured. The ratio is that of the median rates, with the pipeline as 1. The time of
starting Python and loading the model is left out.
"""

from __future__ import annotations

import argparse
import csv
import json
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from benchmarks.shared.texttable import table
from imbtool.model.checkpoint import checkpoint_folder, read_checkpoint
from imbtool.model.exported import processor

BATCHES = (1, 32)
ROUNDS = 5
Reader = Callable[[Sequence[str]], object]


def read_texts(path: Path, column: str, most: int) -> list[str]:
    """The first texts of a csv table."""
    with path.open(encoding="utf-8", newline="") as stream:
        return [row[column] for _, row in zip(range(most), csv.DictReader(stream), strict=False)]


def make_pipeline(folder: Path) -> Reader:
    """The pipeline of transformers, told that there are several labels."""
    from transformers import pipeline

    classify = pipeline(
        "text-classification",
        model=str(folder),
        top_k=None,
        function_to_apply="sigmoid",
        truncation=True,
        device="cpu",
    )
    return lambda texts: classify(list(texts), batch_size=len(texts))


def make_readers(run: Path, exported: Sequence[Path]) -> dict[str, Reader]:
    """What reads texts, by name."""
    readers = {
        "transformers.pipeline": make_pipeline(checkpoint_folder(run)),
        "imbtool, checkpoint": read_checkpoint(run).probabilities,
    }
    for path in exported:
        model = read_checkpoint(path)
        precision = model.meta.export.precision if model.meta.export else "?"
        readers[f"imbtool, {path.name} ({precision})"] = model.probabilities
    return readers


def rate(read: Reader, texts: Sequence[str], batch: int) -> float:
    """Texts a second, so many a call."""
    begun = time.perf_counter()
    for start in range(0, len(texts), batch):
        read(texts[start : start + batch])
    return len(texts) / (time.perf_counter() - begun)


def measure(readers: dict[str, Reader], texts: Sequence[str], batch: int) -> dict[str, float]:
    """The median rate of each, over rounds in which they take turns."""
    rates: dict[str, list[float]] = {name: [] for name in readers}
    for _ in range(ROUNDS + 1):
        for name, read in readers.items():
            rates[name].append(rate(read, texts, batch))
    return {name: statistics.median(each[1:]) for name, each in rates.items()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, help="checkpoint, or the run folder around it")
    parser.add_argument("exported", type=Path, nargs="*", help="folders of imbtool export")
    parser.add_argument("--data", type=Path, required=True, help="csv table of texts")
    parser.add_argument("--text", default="text", help="its text column")
    parser.add_argument("--texts", type=int, default=500, help="number of texts a round")
    parser.add_argument("--json", action="store_true", help="print JSON alone")
    options = parser.parse_args()
    readers = make_readers(options.run, options.exported)
    texts = read_texts(options.data, options.text, options.texts)
    found = {batch: measure(readers, texts, batch) for batch in BATCHES}
    if options.json:
        print(json.dumps({"processor": processor(), "texts_per_second": found}))
        return
    print(f"{len(texts)} texts, {processor()}, {torch.get_num_threads()} threads")
    titles = ["", *(f"batch {batch}, {what}" for batch in BATCHES for what in ("texts/s", "ratio"))]
    rows = [
        [name, *(cell for batch in BATCHES for cell in _cells(found[batch], name))]
        for name in readers
    ]
    print(table([titles, *rows]))


def _cells(rates: dict[str, float], name: str) -> tuple[str, str]:
    return f"{rates[name]:,.0f}", f"{rates[name] / rates['transformers.pipeline']:.2f}"


if __name__ == "__main__":
    main()
