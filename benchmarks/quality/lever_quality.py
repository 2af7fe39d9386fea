"""What each lever of imbtool's speed does to quality: whole runs with one of them off, same seed.

python -m benchmarks.quality.lever_quality --data data/edos [--texts 3000] [--epochs 3]
    [--seeds 0 1] [--levers bf16]

Prints, for every lever and seed, the best epoch, its macro-F1 and mean average precision on
validation, and the seconds that the run took. With --texts on a stratified part of the data, the
same one for all seeds.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from benchmarks.shared.finetunes import part_of
from benchmarks.shared.levers import LEVERS
from benchmarks.shared.tasks import find_profile, with_training
from benchmarks.shared.texttable import table
from benchmarks.shared.turns import in_its_own_process, say
from imbtool.config.reader import read_profile
from imbtool.config.schema import Profile
from imbtool.training.run import train

NOTHING = "nothing"


class Outcome(NamedTuple):
    """The best epoch of a run on validation, and the seconds that the run took."""

    epoch: int
    f1: float
    average_precision: float
    seconds: float

    def cells(self) -> list[str]:
        """The outcome in its row of the table."""
        figures = (f"{self.f1:.3f}", f"{self.average_precision:.3f}")
        return [str(self.epoch), *figures, f"{self.seconds:.0f}"]


def main() -> None:
    """Train, one run after the other, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--texts", type=int, help="a part of so many training texts")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--levers", nargs="+", choices=sorted(LEVERS), default=sorted(LEVERS))
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        profile = read_profile(find_profile(options.data))
        if options.texts:
            size, folders = (options.texts, options.epochs), (Path(folder), Path(folder))
            profile = part_of(options.data, *size, 0, *folders).profile
        print(table(outcomes(profile, options.levers, options.epochs, options.seeds)))


def outcomes(
    profile: Profile, levers: Sequence[str], epochs: int, seeds: Sequence[int]
) -> list[list[str]]:
    """The rows of the table, each said as soon as it is known."""
    rows = [["switched off", "seed", "epoch", "macro-F1", "average precision", "seconds"]]
    for lever in [NOTHING, *levers]:
        for seed in seeds:
            settled = with_training(profile, epochs=epochs, seed=seed)
            outcome = in_its_own_process(train_without, settled, lever)
            rows.append([lever, str(seed), *outcome.cells()])
            say("  ".join(rows[-1]))
    return rows


def train_without(profile: Profile, lever: str) -> Outcome:
    """A whole run, thresholds and all, with a lever off."""
    if lever != NOTHING:
        profile = LEVERS[lever](profile)
    with TemporaryDirectory() as folder:
        start = time.perf_counter()
        best = train(profile, Path(folder) / "run", lambda _: None, []).best
        seconds = time.perf_counter() - start
    return Outcome(best.epoch, best.f1_macro, best.average_precision_macro, seconds)


if __name__ == "__main__":
    main()
