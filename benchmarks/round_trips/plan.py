"""A batch of generated texts, what two people answer, and how much of it comes back."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from benchmarks.shared.texttable import table
from imbtool.annotation.batch import AnswerColumns, Batch, BatchText, PoolReport

LABELS = (
    "plain",
    "with, comma",
    'say "quoted"',
    "a/b",
    "back\\slash",
    "line\nbreak",
    "emoji \U0001f389",
    "it's",
    "<tag> & more",
    "semi;colon|pipe#hash",
    "$price",
    "true",
    "123",
    "Ä-ß-日本",
)
WORDS = ("the", "parcel", "came", "late", "nobody", "answers", "when", "will", "my", "money")
BEGINNINGS = ("", "=1+1 ", '"quoted" ', "two\nlines ", "tab\there ", "\U0001f600 ", "  ", "-5 ")
ENDS = ("", "\n", " \\", ", and; more|", "\u2028after", " 'x'")
IDS = ("{}", "t/{}", "00{}", "1e{}", "id, {}", 'q"{}', "2020-01-{}", "-{}.0", "ü {}")
PEOPLE = (0, 1)

Kind = Literal["labels", "none", "skipped", "draft", "untouched"]


@dataclass(frozen=True)
class Act:
    """What one person does with one text."""

    kind: Kind
    labels: tuple[str, ...] = ()

    @property
    def answer(self) -> frozenset[str] | None:
        """The answer that is meant; None where nothing was answered."""
        return frozenset(self.labels) if self.kind in ("labels", "none") else None


Plan = dict[tuple[str, int], Act]
"""For a text's id and a person what that person does."""
Answers = dict[tuple[str, str | None], frozenset[str] | None]
"""For a text's id and an annotator what came back."""


def make_batch(texts: int, seed: int, prefilled: bool) -> Batch:
    """A batch of texts that no data set has, with ids, texts and labels that are hard to write."""
    rng = random.Random(seed)
    pool = PoolReport(
        source="generated",
        fingerprint="0",
        texts=texts,
        population=texts,
        labelled=0,
        chosen_before=0,
        repeated=0,
        reserved=0.5,
    )
    return Batch(
        imbtool="0",
        command=[],
        source="generated",
        seed=seed,
        labels=list(LABELS),
        answer=AnswerColumns(column="labels", separator="|", columns=None),
        pool=pool,
        needs=[],
        progress=[],
        remaining=[],
        texts=[_text(rng, number, prefilled) for number in range(texts)],
    )


def _text(rng: random.Random, number: int, prefilled: bool) -> BatchText:
    at_random = number % 5 == 0
    body = " ".join(rng.choices(WORDS, k=rng.randint(3, 12)))
    text = BEGINNINGS[number % len(BEGINNINGS)] + body + f" {number}" + ENDS[number % len(ENDS)]
    guess = sorted(rng.sample(LABELS, rng.randint(1, 3)))
    return BatchText(
        id=IDS[number % len(IDS)].format(number),
        cells={"text": text},
        ask=[] if at_random else [rng.choice(LABELS)],
        why="drawn at random" if at_random else "scores high",
        score=None if at_random else round(rng.random(), 4),
        chosen_by="random" if at_random else "score",
        inclusion_probability=0.1 if at_random else None,
        prefill=None if at_random or not prefilled else guess,
    )


def make_plan(batch: Batch, seed: int) -> Plan:
    """What two people do with each text; each label is answered."""
    rng = random.Random(seed)
    kinds: tuple[Kind, ...] = ("labels", "labels", "labels", "none", "skipped", "draft")
    plan: Plan = {}
    for number, text in enumerate(batch.texts):
        for person in PEOPLE:
            kind = "untouched" if number % 7 == 6 or number % 3 == 2 * person else rng.choice(kinds)
            some = rng.sample(LABELS, rng.randint(1, 4)) if kind != "none" else []
            if kind == "labels":
                some = list(dict.fromkeys([LABELS[number % len(LABELS)], *some]))
            plan[text.id, person] = Act(kind, tuple(some))
    return plan


@dataclass
class Comparison:
    """How much came back from one export."""

    export: str
    given: int = 0
    same: int = 0
    changed: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    invented: list[str] = field(default_factory=list)
    foreign: int = 0
    refused: bool = False

    @property
    def row(self) -> list[str]:
        """As a row of the table."""
        if self.refused:
            return [self.export, str(self.given), "refused", "", "", "", ""]
        counts = (self.given, self.same, self.changed, self.missing, self.invented, self.foreign)
        return [self.export, *(str(n if isinstance(n, int) else len(n)) for n in counts)]


HEAD = ["export", "answers", "the same", "changed", "missing", "invented", "unknown ids"]


def compare(
    export: str, batch: Batch, plan: Plan, people: Sequence[str | None], found: Answers | None
) -> Comparison:
    """What was answered beside what was read.

    Args:
        export: its name in the table.
        batch: that was written as tasks.
        plan: what people did.
        people: for each person the annotator that the export should name; None if it names none.
        found: what was read from the export; None if it was refused.
    """
    ids = {text.id for text in batch.texts}
    result = Comparison(export, refused=found is None)
    expected = {
        (text, people[person]): act.answer
        for (text, person), act in plan.items()
        if act.answer is not None
    }
    result.given = len(expected)
    if found is None:
        return result
    result.foreign = sum(key[0] not in ids for key in found)
    for key, answer in expected.items():
        read = found.get(key)
        if read == answer:
            result.same += 1
        else:
            group = result.missing if read is None else result.changed
            group.append(f"{key}: {_shown(answer)} became {_shown(read)}")
    result.invented = [
        f"{key}: {_shown(answer)}"
        for key, answer in found.items()
        if answer is not None and key[0] in ids and key not in expected
    ]
    return result


def _shown(answer: Iterable[str] | None) -> str:
    return "nothing" if answer is None else repr(sorted(answer))


def show(title: str, results: Sequence[Comparison], examples: int = 3) -> None:
    """Print the table, and some of what differs."""
    print(title)
    print(table([HEAD, *(result.row for result in results)]))
    for result in results:
        groups: Mapping[str, list[str]] = {
            "changed": result.changed,
            "missing": result.missing,
            "invented": result.invented,
        }
        for name, told in groups.items():
            for each in told[:examples]:
                print(f"  {result.export}, {name}: {each}")
