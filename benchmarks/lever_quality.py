"""What each lever of imbtool's speed does to quality: whole runs with one of them off, same seed.

python benchmarks/lever_quality.py --data data/sample [--epochs 3] [--seeds 0 1] [--levers bf16]

Prints, for every lever and seed, the best epoch's macro-F1 and mean average precision on
validation, and the seconds that the run took.
"""

from __future__ import annotations

import argparse
import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from levers import LEVERS
from tasks import find_profile, with_training
from texttable import table
from turns import say, silence

from imbtool.profilefile import read_profile
from imbtool.training.run import train

NOTHING = "nothing"


class Outcome(NamedTuple):
    """The best epoch of a run on validation, and the seconds that the run took."""

    f1: float
    average_precision: float
    seconds: float


def main() -> None:
    """Train, one run after the other, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--levers", nargs="+", choices=sorted(LEVERS), default=sorted(LEVERS))
    options = parser.parse_args()
    rows = [["switched off", "seed", "macro-F1", "average precision", "seconds"]]
    for lever in [NOTHING, *options.levers]:
        for seed in options.seeds:
            outcome = in_its_own_process(options.data, lever, options.epochs, seed)
            rows.append([lever, str(seed), *(f"{value:.3f}" for value in outcome[:2])])
            rows[-1].append(f"{outcome.seconds:.0f}")
            say("  ".join(rows[-1]))
    print(table(rows))


def in_its_own_process(data: Path, lever: str, epochs: int, seed: int) -> Outcome:
    """A lever may patch modules: each run gets a process of its own."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context, initializer=silence) as pool:
        return pool.submit(train_without, data, lever, epochs, seed).result()


def train_without(data: Path, lever: str, epochs: int, seed: int) -> Outcome:
    """A whole run, thresholds and all, with a lever off."""
    profile = with_training(read_profile(find_profile(data)), epochs=epochs, seed=seed)
    if lever != NOTHING:
        profile = LEVERS[lever](profile)
    with TemporaryDirectory() as folder:
        start = time.perf_counter()
        best = train(profile, Path(folder) / "run", lambda _: None, []).best
        seconds = time.perf_counter() - start
    return Outcome(best["f1_macro"], best["average_precision_macro"], seconds)


if __name__ == "__main__":
    main()
