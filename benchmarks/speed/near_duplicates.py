"""How long nearly the same texts take to find, and how many are found: imbtool beside rensa.

pip install rensa
python -m benchmarks.speed.near_duplicates [--texts 200000] [--rounds 3] [--json]

The texts are made of the sample's sentences; a tenth of them are another one with a word changed.
Both look for pairs of texts whose sets of two neighbouring words have a Jaccard similarity of at
least 0.8, with 100 hashes in 20 bands. rensa's MinHash and its index, in Rust, propose pairs, and
sets of Python decide; before it case, space, addresses and names are made alike by imbtool. A pair
is there if either finds it.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from itertools import islice, pairwise

import numpy as np

from benchmarks.speed.analyze import SEED, table_rows
from imbtool.data.duplicates import BANDS, HASHES, NEAR, near_forms, normalised
from imbtool.files.json_text import to_json

Pairs = set[tuple[int, int]]
CHANGED = 0.1
"""Share of texts that are another one with a word changed."""


def make_texts(number: int) -> list[str]:
    """Different texts and nearly the same ones."""
    rng = random.Random(SEED)
    texts = [text for _, text, _ in islice(table_rows(number), number)]
    for row in rng.sample(range(number), round(CHANGED * number)):
        words = texts[rng.randrange(number)].split()
        words[rng.randrange(len(words))] = f"word{rng.randrange(1000)}"
        texts[row] = " ".join(words)
    return list(dict.fromkeys(map(normalised, texts)))


def with_imbtool(texts: Sequence[str]) -> Pairs:
    """Pairs of texts that are nearly the same, the earlier one first."""
    forms, links = near_forms(texts)
    assert (forms == np.arange(len(texts))).all()
    first, second = links.nonzero()
    return {
        (one, two) for one, two in zip(first.tolist(), second.tolist(), strict=True) if one < two
    }


def with_rensa(texts: Sequence[str]) -> Pairs:
    """The same by rensa's index."""
    from rensa import RMinHash, RMinHashLSH

    sets = [word_pairs(normalised(text)) for text in texts]
    hashes = RMinHash.from_token_sets([list(each) for each in sets], BANDS * HASHES, SEED)
    index = RMinHashLSH(NEAR, BANDS * HASHES, BANDS)
    index.insert_many(hashes)
    proposed = {
        (one, two)
        for one, others in enumerate(index.query_all(hashes))
        for two in others
        if one < two
    }
    return {(one, two) for one, two in proposed if jaccard(sets[one], sets[two]) >= NEAR}


def word_pairs(text: str) -> set[str]:
    """Pairs of neighbouring words; a text of one word is that word."""
    words = text.split()
    return {f"{left} {right}" for left, right in pairwise(words)} or set(words)


def jaccard(one: set[str], two: set[str]) -> float:
    """Shared elements / all elements."""
    shared = len(one & two)
    return shared / (len(one) + len(two) - shared)


CONTENDERS: dict[str, Callable[[Sequence[str]], Pairs]] = {
    "imbtool": with_imbtool,
    "rensa": with_rensa,
}


def measured(texts: Sequence[str], rounds: int) -> dict[str, dict[str, float]]:
    """Median seconds of each, their ratio to imbtool's, and the share of pairs that it finds."""
    seconds: dict[str, list[float]] = {name: [] for name in CONTENDERS}
    pairs: dict[str, Pairs] = {}
    for _ in range(rounds):
        for name, find in CONTENDERS.items():
            start = time.perf_counter()
            pairs[name] = find(texts)
            seconds[name].append(time.perf_counter() - start)
    known = set.union(*pairs.values())
    ours = statistics.median(seconds["imbtool"])
    return {
        name: {
            "seconds": statistics.median(seconds[name]),
            "times_imbtool": statistics.median(seconds[name]) / ours,
            "pairs": len(found),
            "recall": len(found) / len(known),
        }
        for name, found in pairs.items()
    }


def main() -> None:
    """Measure both and print a row for each."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--texts", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="the last line is one JSON object")
    options = parser.parse_args()
    if find_spec("rensa") is None:
        raise SystemExit("rensa is not installed: pip install rensa")
    texts = make_texts(options.texts)
    found = measured(texts, options.rounds)
    print(f"{len(texts):,} different texts")
    for name, row in found.items():
        print(
            f"{name:<8} {row['seconds']:7.1f} s  {row['times_imbtool']:.2f} of imbtool's time"
            f"  {row['pairs']:,} pairs, {row['recall']:.2%} of those found by either"
        )
    if options.json:
        print(to_json({"texts": len(texts), "contenders": found}, indent=None))


if __name__ == "__main__":
    main()
