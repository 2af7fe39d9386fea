"""Tokens a second that are trained on: imbtool beside transformers.Trainer, on the same rows.

python -m benchmarks.speed.throughput --data data/edos [--device cuda] [--tokens 128] [--json]
python -m benchmarks.speed.throughput --data data/edos --levers

Each contender trains in a process of its own; they take turns, a round of some steps each, and the
first round is not measured. Only tokens that are no padding and that went forward and backward
count.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from benchmarks.shared.contenders import WithImbtool, WithTrainer, best_trainers, default_trainer
from benchmarks.shared.levers import LEVERS
from benchmarks.shared.tasks import LEARNING_RATE, Task
from benchmarks.shared.texttable import table
from benchmarks.shared.turns import Measured, say, take_turns
from imbtool.training.automatic import computes_bf16

STEPS = 50
"""Trainer sorts rows by length among 50 batches: rounds of as many steps see every length."""
ROUNDS = 7
PRODUCTS = 8
"""Matrix products between two rounds."""
PRODUCT_SIZE = {"cpu": 2048, "cuda": 8192}
FLOPS_A_PARAMETER = 6
"""Of a token: two forward, four backward; those of attention itself are left out."""


class Peak:
    """The machine's own rate of matrix products, the bound of every contender."""

    def __init__(self, device: str) -> None:
        self.precision = "bf16" if computes_bf16(torch.device(device)) else "fp32"
        dtype = torch.bfloat16 if self.precision == "bf16" else torch.float32
        size = PRODUCT_SIZE[device]
        self._device, self._work = device, 2 * size**3
        self._factors = torch.randn(2, size, size, device=device).to(dtype)
        self._seconds: list[float] = []
        self._multiply()  # the first one also sets the library up

    def measure(self) -> None:
        """Time some more products."""
        self._seconds += [self._multiply() for _ in range(PRODUCTS)]

    @property
    def flops(self) -> float:
        """Operations a second of the median product."""
        return self._work / statistics.median(self._seconds)

    def _multiply(self) -> float:
        start = time.perf_counter()
        torch.mm(*self._factors)
        if self._device == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - start


def choose_best(task: Task, steps: int) -> WithTrainer:
    """The fastest of Trainer's best settings on this machine, in a short trial."""
    half = -(-steps // 2)
    short = replace(task, steps=3 * half)
    trial = take_turns(best_trainers(task.device), short, half, 2, skip_failed=True)
    best = max(trial.rounds, key=trial.rate)
    say(f"taken: {best}")
    return next(each for each in best_trainers(task.device) if each.name == best)


def compare(task: Task, steps: int, rounds: int, without: Sequence[str]) -> dict[str, Any]:
    """Measure imbtool beside Trainer at its defaults and at its best."""
    default, best = default_trainer(), choose_best(task, steps)
    missing = f" without {', '.join(without)}" if without else ""
    ours = WithImbtool(f"imbtool{missing}", tuple(without))
    peak = Peak(task.device)
    measured = take_turns([default, best, ours], task, steps, rounds, peak.measure)
    work = FLOPS_A_PARAMETER * measured.parameters / peak.flops
    figures = [
        {
            **figures_of(measured, contender.name),
            "ratio_default": statistics.median(measured.ratios(contender.name, default.name)),
            "ratio_best": statistics.median(measured.ratios(contender.name, best.name)),
            "peak_share": work * measured.rate(contender.name),
        }
        for contender in (default, best, ours)
    ]
    chosen = ("tokens_per_s", "ratio_default", "ratio_best", "peak_share")
    return {
        **{key: figures[-1][key] for key in chosen},
        "device": torch.cuda.get_device_name() if task.device == "cuda" else "cpu",
        "peak_flops": peak.flops,
        "peak_precision": peak.precision,
        "parameters": measured.parameters,
        "best_flags": {**best.flags, "attention": best.attention},
        "contenders": figures,
    }


def figures_of(measured: Measured, name: str) -> dict[str, Any]:
    """Speed, padding and memory of a contender."""
    rounds = measured.rounds[name]
    rates = [each.rate for each in rounds]
    positions = sum(each.positions for each in rounds)
    padding = 1 - sum(each.tokens for each in rounds) / positions if positions else None
    return {
        "name": name,
        "tokens_per_s": statistics.median(rates),
        "tokens_per_s_min": min(rates),
        "tokens_per_s_max": max(rates),
        "padding_share": padding,
        "peak_memory": max(each.memory for each in rounds),
    }


def compare_levers(task: Task, steps: int, rounds: int) -> dict[str, Any]:
    """How much faster imbtool is with each lever than with all but it."""
    whole = WithImbtool("imbtool")
    others = {lever: WithImbtool(f"imbtool without {lever}", (lever,)) for lever in LEVERS}
    measured = take_turns([whole, *others.values()], task, steps, rounds)
    ratios = {lever: measured.ratios(whole.name, other.name) for lever, other in others.items()}
    levers = {
        lever: {"ratio": statistics.median(each), "min": min(each), "max": max(each)}
        for lever, each in ratios.items()
    }
    return {"tokens_per_s": measured.rate(whole.name), "device": task.device, "levers": levers}


def show_comparison(document: dict[str, Any]) -> str:
    """The document as a table."""
    head = ("", "tokens/s", "min-max", "/ defaults", "/ best", "padding", "memory", "of peak")
    rows = [
        (
            each["name"],
            f"{each['tokens_per_s']:.0f}",
            f"{each['tokens_per_s_min']:.0f}-{each['tokens_per_s_max']:.0f}",
            f"{each['ratio_default']:.2f}",
            f"{each['ratio_best']:.2f}",
            "?" if each["padding_share"] is None else f"{each['padding_share']:.1%}",
            f"{each['peak_memory'] / 2**20:.0f} MiB",
            f"{each['peak_share']:.1%}",
        )
        for each in document["contenders"]
    ]
    return (
        f"{table([head, *rows])}\n\n"
        f"{document['device']}: {document['peak_flops'] / 1e9:.0f} GFLOP/s in a product of "
        f"{document['peak_precision']} matrices; {document['parameters'] / 1e6:.1f}M parameters "
        "outside embeddings"
    )


def show_levers(document: dict[str, Any]) -> str:
    """The document as a table."""
    rows = [
        (lever, f"{each['ratio']:.2f}", f"{each['min']:.2f}-{each['max']:.2f}")
        for lever, each in document["levers"].items()
    ]
    return table([("lever", "faster with it", "min-max"), *rows])


def add_task_options(parser: argparse.ArgumentParser) -> None:
    """The options that make a task."""
    cuda = "cuda" if torch.cuda.is_available() else "cpu"
    parser.add_argument("--data", type=Path, required=True, help="folder with train.csv, ...")
    parser.add_argument("--profile", type=Path, help="default: the profile of this folder")
    parser.add_argument("--encoder", help="instead of the profile's")
    parser.add_argument("--learning-rate", type=float, default=LEARNING_RATE, help="of all")
    parser.add_argument("--device", choices=("cpu", "cuda"), default=cuda)


def make_task(options: argparse.Namespace, steps: int, tokens: int | None = None) -> Task:
    """The task that the options describe."""
    if options.device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""  # for the processes of the contenders
    return Task(
        options.data,
        options.profile,
        options.encoder,
        options.learning_rate,
        options.device,
        steps,
        tokens,
    )


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add_task_options(parser)
    parser.add_argument("--tokens", type=int, help="texts of exactly so many tokens instead")
    parser.add_argument("--steps", type=int, default=STEPS, help="of a round")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="that are measured")
    parser.add_argument(
        "--without", action="append", default=[], choices=LEVERS, help="switch a lever off"
    )
    parser.add_argument("--levers", action="store_true", help="each lever off in turn instead")
    parser.add_argument("--json", action="store_true", help="the last line is one JSON object")
    return parser.parse_args()


def main() -> None:
    """Measure, and print a table."""
    options = parse()
    task = make_task(options, options.steps * (options.rounds + 1), options.tokens)
    if options.levers:
        document = compare_levers(task, options.steps, options.rounds)
        print(show_levers(document))
    else:
        document = compare(task, options.steps, options.rounds, options.without)
        print(show_comparison(document))
    if options.json:
        print(json.dumps(document))


if __name__ == "__main__":
    main()
