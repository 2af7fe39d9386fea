"""Texts a second of `imbtool predict` by precision, beside the bare model and a pipeline.

python -m benchmarks.speed.inference RUN --data data/edos/test.csv [--exported FOLDER ...]
    [--texts 4000] [--rounds 3] [--no-process] [--json]

All read the same texts in one process and take turns; the first round is not measured. Texts come
one a call, 32 a call, and all in one call, as `predict` reads a table. The bare model gets batches
that are tokenised, sorted by length and padded beforehand. Then whole processes are measured, from
the start of Python to the written table.
"""

from __future__ import annotations

import argparse
import csv
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from benchmarks.shared.texttable import table
from imbtool import with_precision
from imbtool.inference.bf16 import in_bf16
from imbtool.model.encoder import TOKENS_A_FORWARD
from imbtool.trained.checkpoint import Checkpoint, checkpoint_folder, read_checkpoint
from imbtool.trained.exported import processor

ONE, MANY, ALL = "1 a call", "32 a call", "all in one call"
SIZES = {ONE: 1, MANY: 32}
PIPELINE = "transformers.pipeline"
PRECISIONS = ("fp32", "bf16", "auto")
Read = Callable[[Sequence[str]], object]
Pass = Callable[[], object]
"""Reads all texts once."""


def read_texts(path: Path, column: str, most: int) -> list[str]:
    """The first texts of a csv table."""
    with path.open(encoding="utf-8", newline="") as stream:
        return [row[column] for _, row in zip(range(most), csv.DictReader(stream), strict=False)]


def make_pipeline(folder: Path) -> Read:
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


def calls(read: Read, texts: Sequence[str]) -> dict[str, Pass]:
    """Passes over the texts in calls of each size."""

    def in_calls(size: int) -> Pass:
        return lambda: [read(texts[at : at + size]) for at in range(0, len(texts), size)]

    return {name: in_calls(size) for name, size in {**SIZES, ALL: len(texts)}.items()}


def bare(checkpoint: Checkpoint, texts: Sequence[str]) -> dict[str, Pass]:
    """Passes of the model alone over batches that are ready."""
    text_model, model = checkpoint.text_model, checkpoint.text_model.model
    model.train(False)
    encoded = sorted(text_model.encode(texts), key=len, reverse=True)

    def forward(batches: Sequence[dict[str, torch.Tensor]]) -> None:
        with torch.no_grad():
            for batch in batches:
                model(**batch)

    passes: dict[str, Pass] = {}
    for name, size in {**SIZES, ALL: 0}.items():
        batches, at = [], 0
        while at < len(encoded):
            count = size or max(1, TOKENS_A_FORWARD["cpu"] // len(encoded[at]))
            batches.append(text_model.batch(encoded[at : at + count]))
            at += count
        passes[name] = partial(forward, batches)
    return passes


def contenders(options: argparse.Namespace, texts: Sequence[str]) -> dict[str, dict[str, Pass]]:
    """What reads the texts, by name."""
    checkpoint = read_checkpoint(options.run)
    classify = make_pipeline(checkpoint_folder(options.run))
    found = {PIPELINE: calls(lambda part: _in_batches(classify, part), texts)}
    for precision in PRECISIONS:
        model = with_precision(checkpoint, precision, lambda _: True)
        name = f"imbtool, {precision}"
        found[name if precision == model.precision else f"{name} ({model.precision})"] = calls(
            model.probabilities, texts
        )
    for path in options.exported:
        graph = read_checkpoint(path)
        found[f"imbtool, {path.name} ({graph.precision})"] = calls(graph.probabilities, texts)
    found["bare model, fp32"] = bare(checkpoint, texts)
    found["bare model, bf16"] = bare(in_bf16(checkpoint), texts)
    return found


def _in_batches(classify: Read, texts: Sequence[str]) -> None:
    for at in range(0, len(texts), SIZES[MANY]):
        classify(texts[at : at + SIZES[MANY]])


def steady(options: argparse.Namespace, texts: Sequence[str]) -> dict[str, dict[str, float]]:
    """The median rate of each contender by the size of its calls."""
    rates: dict[str, dict[str, list[float]]] = {}
    passes = contenders(options, texts)
    for number in range(options.rounds + 1):
        for size in (*SIZES, ALL):
            for name, of in passes.items():
                begun = time.perf_counter()
                of[size]()
                rate = len(texts) / (time.perf_counter() - begun)
                if number:
                    rates.setdefault(name, {}).setdefault(size, []).append(rate)
        print(f"round {number} of {options.rounds}", file=sys.stderr)
    return {
        name: {size: statistics.median(each) for size, each in of.items()}
        for name, of in rates.items()
    }


def processes(options: argparse.Namespace, texts: Sequence[str]) -> dict[str, float]:
    """Texts a second of whole processes that read one table."""
    with TemporaryDirectory() as scratch:
        source, target = Path(scratch) / "texts.csv", Path(scratch) / "out.csv"
        with source.open("w", encoding="utf-8", newline="") as stream:
            csv.writer(stream).writerows([[options.text], *([text] for text in texts)])
        predict = [sys.executable, "-m", "imbtool", "predict"]
        into = [str(source), "--text", options.text, "-o", str(target), "--force"]
        commands = {
            f"imbtool, {precision}": [*predict, str(options.run), *into, "--precision", precision]
            for precision in PRECISIONS
        }
        commands |= {
            f"imbtool, {path.name}": [*predict, str(path), *into] for path in options.exported
        }
        own = [sys.executable, "-m", __spec__.name, str(options.run), "--data", str(source)]
        count = ["--texts", str(len(texts)), "--text", options.text]
        commands[f"{PIPELINE}(batch_size=32)"] = [*own, *count, "--pipeline-alone"]
        rates: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(options.rounds):
            for name, command in commands.items():
                begun = time.perf_counter()
                subprocess.run(command, check=True, capture_output=True)
                rates[name].append(len(texts) / (time.perf_counter() - begun))
    return {name: statistics.median(each) for name, each in rates.items()}


def show(rates: dict[str, dict[str, float]], whole: dict[str, float]) -> None:
    """Print the rates, and of each contender the ratio to the pipeline and to the bare model."""
    titles = ["texts/s", ONE, MANY, ALL, "all: of pipeline", "all: of bare model"]
    rows = [titles]
    for name, of in rates.items():
        precision = "bf16" if "bf16" in name else "fp32"
        ratios = (
            of[ALL] / rates[PIPELINE][ALL],
            of[ALL] / rates[f"bare model, {precision}"][ALL],
        )
        rows.append([name, *(f"{of[size]:,.0f}" for size in (ONE, MANY, ALL))])
        rows[-1] += [f"{ratio:.2f}" for ratio in ratios]
    print(table(rows))
    if whole:
        print(
            table(
                [
                    ["whole process", "texts/s"],
                    *([name, f"{of:,.0f}"] for name, of in whole.items()),
                ]
            )
        )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("run", type=Path, help="checkpoint, or the run folder around it")
    parser.add_argument("--exported", type=Path, nargs="*", default=[], help="of imbtool export")
    parser.add_argument("--data", type=Path, required=True, help="csv table of texts")
    parser.add_argument("--text", default="text", help="its text column")
    parser.add_argument("--texts", type=int, default=4000, help="number of texts a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--no-process", action="store_true", help="leave whole processes out")
    parser.add_argument("--pipeline-alone", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--json", action="store_true", help="print JSON alone")
    options = parser.parse_args()
    texts = read_texts(options.data, options.text, options.texts)
    if options.pipeline_alone:
        _in_batches(make_pipeline(checkpoint_folder(options.run)), texts)
        return
    rates = steady(options, texts)
    whole = {} if options.no_process else processes(options, texts)
    if options.json:
        found: dict[str, Any] = {"processor": processor(), "steady": rates, "whole": whole}
        print(json.dumps(found))
        return
    print(f"{len(texts)} texts, {processor()}, {torch.get_num_threads()} threads")
    show(rates, whole)


if __name__ == "__main__":
    main()
