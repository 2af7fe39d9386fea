"""How long a stratified split takes, and how near to the shares asked it comes.

python -m benchmarks.statistics.splits [--rows 100000] [--labels 50] [--rounds 3] [--json]

Targets are drawn at random: labels that each stand alone from 1 in 2 to 1 in 10,000 texts, and as
many that hang together (a hidden topic a text). With groups, a tenth of the rows repeat another.
The parts asked for are 0.8, 0.1 and 0.1.
"""

from __future__ import annotations

import argparse
import json
import time
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imbtool.data.splitting import LEAST_POSITIVES, part_sizes, stratified_split

SHARES = (0.8, 0.1, 0.1)
SEED = 0
COMMONEST, RAREST = 0.5, 1e-4


def random_targets(rows: int, labels: int, together: bool) -> NDArray[np.float32]:
    """Float32 [rows, labels], prevalences falling evenly on a log scale."""
    rng = np.random.default_rng(SEED)
    prevalence = np.geomspace(COMMONEST, RAREST, labels)
    if together:
        topic = rng.integers(8, size=(rows, 1)) == rng.integers(8, size=labels)
        prevalence = np.where(topic, np.minimum(4 * prevalence, 0.9), prevalence / 4)
    return (rng.random((rows, labels)) < prevalence).astype(np.float32)


def random_groups(rows: int) -> NDArray[np.int64]:
    """One number a row; a tenth of the rows have another's."""
    rng = np.random.default_rng(SEED)
    numbers = np.arange(rows)
    repeated = rng.choice(rows, rows // 10, replace=False)
    numbers[repeated] = rng.integers(rows, size=len(repeated))
    return numbers


def measured(rows: int, labels: int, together: bool, grouped: bool, rounds: int) -> dict[str, Any]:
    """Seconds, sizes and the largest misfits of one kind of table."""
    targets = random_targets(rows, labels, together)
    groups = random_groups(rows).tolist() if grouped else None
    seconds = []
    for _ in range(rounds):
        start = time.perf_counter()
        parts = stratified_split(targets, SHARES, SEED, groups)
        seconds.append(time.perf_counter() - start)
    total, sizes = targets.sum(axis=0), part_sizes(rows, SHARES).tolist()
    got = np.stack([targets[part].sum(axis=0) for part in parts])
    least = LEAST_POSITIVES * len(SHARES)
    enough = total >= least / min(SHARES)
    off = np.abs(got - np.outer(SHARES, total))[:, enough]
    return {
        "labels": "together" if together else "alone",
        "groups": grouped,
        "seconds": median(seconds),
        "rows_off": int(
            max(abs(len(part) - size) for part, size in zip(parts, sizes, strict=True))
        ),
        "positives_off": float(off.max(initial=0)),
        "share_off": float((off / np.outer(SHARES, total)[:, enough]).max(initial=0)),
        "too_rare": int((total < least).sum()),
        "below_least": int((got.min(axis=0) < LEAST_POSITIVES)[total >= least].sum()),
    }


def main() -> None:
    """Measure each kind of table and print a row for it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--labels", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    kinds = [(together, grouped) for together in (False, True) for grouped in (False, True)]
    rows = [measured(asked.rows, asked.labels, *kind, asked.rounds) for kind in kinds]
    if asked.json:
        print(json.dumps(rows, indent=2))
        return
    print(f"{asked.rows:,} rows x {asked.labels} labels")
    print(f"{'labels':<10}{'groups':<8}{'seconds':>8}{'rows off':>10}{'positives off':>15}", end="")
    print(f"{'share off':>11}{'too rare':>10}{'others below 3':>16}")
    for row in rows:
        print(f"{row['labels']:<10}{row['groups']!s:<8}{row['seconds']:>8.2f}", end="")
        print(
            f"{row['rows_off']:>10}{row['positives_off']:>15.1f}{row['share_off']:>11.2%}", end=""
        )
        print(f"{row['too_rare']:>10}{row['below_least']:>16}")


if __name__ == "__main__":
    main()
