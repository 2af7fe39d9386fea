"""Writes a made-up content-moderation sample whose important labels are rare."""

import argparse
import csv
import random
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from templates import CLOSERS, FILLER, HARD_NEGATIVES, LABELLED, OPENERS, SLOTS

PARENTS: dict[str, str | None] = {
    "extremism": None,
    "anti-democratic rhetoric": "extremism",
    "praising extremist acts": "extremism",
    "violence": None,
    "praising violence": "violence",
    "ideologically motivated threats": "violence",
    "harassment": None,
    "sexual harassment": "harassment",
    "insults": "harassment",
}
LABELS = tuple(PARENTS)
SIZES = {"train": 6000, "validation": 1500, "test": 2500}

# Negatives for each positive. A primary label's own ratio counts only the texts without a child.
NEGATIVES_PER_POSITIVE = {
    "anti-democratic rhetoric": 130,
    "praising extremist acts": 115,
    "praising violence": 45,
    "ideologically motivated threats": 35,
    "sexual harassment": 30,
    "insults": 13,
    "extremism": 130,
    "violence": 80,
    "harassment": 50,
}
# Texts of two labels, as a share of the split.
PAIR_SHARES = {
    ("anti-democratic rhetoric", "ideologically motivated threats"): 0.0008,
    ("anti-democratic rhetoric", "insults"): 0.0008,
    ("praising extremist acts", "ideologically motivated threats"): 0.0008,
    ("praising violence", "insults"): 0.003,
    ("ideologically motivated threats", "insults"): 0.003,
    ("sexual harassment", "violence"): 0.001,
}
HARD_NEGATIVE_SHARE = 0.5
# How many everyday sentences may join none, one or two others.
EVERYDAY_SENTENCES = ((2, 2, 3), (1,), (0,))
WORDS = range(12, 31)
ATTEMPTS = 1000
SLOT = re.compile(r"\{(\w+)\}")
WORDS_OF_SLOT = {slot: words.split(", ") for slot, words in SLOTS.items()}

Kinds = tuple[str, ...]


class Row(NamedTuple):
    """One line of a split's file."""

    id: str
    text: str
    labels: str


def templates(split: str, kind: str | None = None) -> set[str]:
    """Returns the label-bearing and hard-negative templates of a split, or those of one kind."""
    blocks = LABELLED | HARD_NEGATIVES
    kinds = blocks if kind is None else (kind,)
    return {line for name in kinds for line in _lines(blocks[name][split])}


def generate(seed: int = 0) -> dict[str, list[Row]]:
    """Returns the rows of every split; no text stands twice in any of them."""
    rng = random.Random(seed)
    seen: set[str] = set()
    return {split: _rows(rng, split, size, seen) for split, size in SIZES.items()}


def write(rows: Sequence[Row], path: Path) -> None:
    """Writes rows as CSV, so that a reader sees either the old file or the whole new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.part")
    try:
        with draft.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(Row._fields)
            writer.writerows(rows)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _lines(block: str) -> list[str]:
    return block.strip().splitlines()


def _rows(rng: random.Random, split: str, size: int, seen: set[str]) -> list[Row]:
    plan = _plan(size)
    rng.shuffle(plan)
    # Sorted, because the order of a set of strings changes from run to run.
    pools = {kind: sorted(templates(split, kind)) for kind in LABELLED | HARD_NEGATIVES}
    return [
        Row(f"{split}-{number:04}", _fresh_text(rng, kinds, pools, seen), _labels(kinds))
        for number, kinds in enumerate(plan, start=1)
    ]


def _plan(size: int) -> list[Kinds]:
    """Returns the kinds of sentence that each text of a split holds; none for an everyday text."""
    left = {kind: round(size / (1 + ratio)) for kind, ratio in NEGATIVES_PER_POSITIVE.items()}
    plan: list[Kinds] = []
    for pair, share in PAIR_SHARES.items():
        count = max(1, round(size * share))
        plan += [pair] * count
        for kind in pair:
            left[kind] -= count
    plan += [(kind,) for kind, count in left.items() for _ in range(count)]
    return plan + list(_unlabelled(size - len(plan)))


def _unlabelled(count: int) -> Iterator[Kinds]:
    themes = list(HARD_NEGATIVES)
    hard = round(count * HARD_NEGATIVE_SHARE)
    for index in range(count):
        yield (themes[index % len(themes)],) if index < hard else ()


def _labels(kinds: Kinds) -> str:
    found = {kind for kind in kinds if kind in PARENTS}
    found |= {parent for kind in found if (parent := PARENTS[kind])}
    return "|".join(label for label in LABELS if label in found)


def _fresh_text(
    rng: random.Random, kinds: Kinds, pools: dict[str, list[str]], seen: set[str]
) -> str:
    for _ in range(ATTEMPTS):
        text = _text(rng, [rng.choice(pools[kind]) for kind in kinds])
        if text not in seen and len(text.split()) in WORDS:
            seen.add(text)
            return text
    raise RuntimeError(f"no new text of {kinds} in {ATTEMPTS} attempts")


def _text(rng: random.Random, core: list[str]) -> str:
    """Puts the core sentences, in any order, among everyday ones."""
    everyday = rng.choice(EVERYDAY_SENTENCES[len(core)])
    sentences = core + rng.sample(_lines(FILLER), k=everyday)
    rng.shuffle(sentences)
    if rng.random() < 0.2:
        sentences.insert(0, rng.choice(_lines(OPENERS)))
    if rng.random() < 0.2:
        sentences.append(rng.choice(_lines(CLOSERS)))
    return " ".join(_fill(rng, sentence) for sentence in sentences)


def _fill(rng: random.Random, template: str) -> str:
    sentence = SLOT.sub(lambda slot: rng.choice(WORDS_OF_SLOT[slot[1]]), template)
    return sentence[0].upper() + sentence[1:]


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("data/sample"))
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    for split, rows in generate(options.seed).items():
        path = options.out / f"{split}.csv"
        write(rows, path)
        print(path)


if __name__ == "__main__":
    main()
