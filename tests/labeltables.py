"""Made-up label tables in the shapes that tools and people export, each with its truth.

python tests/labeltables.py SEED COUNT FOLDER

writes the files to look at, with `truth.jsonl` beside them.
"""

import json
import math
import random
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import labelexports
import labelquestions
import labelrarities
import labelshapes
from labeldrafts import Draft, Targets, file_of

Drawer = Callable[[random.Random], Draft]
PER_MILLE: dict[Drawer, int] = {
    labelshapes.separated: 242,
    labelshapes.one_a_row: 102,
    labelshapes.literals: 124,
    labelshapes.choices: 30,
    labelshapes.maps: 20,
    labelshapes.label_objects: 22,
    labelshapes.nested: 10,
    labelshapes.native: 54,
    labelshapes.one_or_null: 14,
    labelshapes.flag_columns: 84,
    labelshapes.flags_or_unknown: 36,
    labelshapes.one_flag: 20,
    labelrarities.rare_separator: 12,
    labelrarities.odd_file: 12,
    labelrarities.rare_literal: 16,
    labelrarities.marked_gaps: 12,
    labelrarities.untidy_flags: 8,
    labelrarities.flags_without_positives: 4,
    labelrarities.rare_objects: 8,
    labelrarities.arrow_lists: 8,
    labelexports.doccano_csv: 18,
    labelexports.doccano_jsonl: 16,
    labelexports.spacy_cats: 16,
    labelexports.prodigy: 20,
    labelexports.label_studio: 20,
    labelexports.argilla: 12,
    labelquestions.soft: 6,
    labelquestions.zero_or_two: 4,
    labelquestions.votes: 4,
    labelquestions.scored: 4,
    labelquestions.one_odd_value: 4,
    labelquestions.multi_hot: 4,
    labelquestions.scores_in_text: 4,
    labelquestions.two_questions: 4,
    labelquestions.graded: 4,
    labelquestions.nameless: 4,
    labelquestions.numbered_columns: 4,
    labelquestions.several_annotators: 4,
    labelquestions.marked_unknown: 4,
    labelquestions.nested_names: 2,
    labelquestions.other_encoding: 4,
}
"""How many of a thousand tables each drawer makes; the questions are 60 of them."""


@dataclass(frozen=True)
class LabelTable:
    """A file and what is in it.

    Attributes:
        shape: the shape in words.
        file_name: the name of the file, its suffix as the format wants it.
        content: the bytes of the file.
        texts: the texts in their order.
        names: the labels.
        targets: float32 [n, L], columns in the order of the sorted names, NaN for unknown; none
            where no reading without a question is right.
        may_refuse: a careful person has to ask: the file alone does not tell, or not surely.
        needs: `--set` overrides that answer the question; with them the table is read rightly.
    """

    shape: str
    file_name: str
    content: bytes = field(repr=False)
    texts: list[str] = field(repr=False)
    names: frozenset[str]
    targets: Targets | None = field(repr=False)
    may_refuse: bool
    needs: tuple[str, ...]

    def write(self, folder: Path) -> Path:
        """Write the file into a folder, and say where it is."""
        path = folder / self.file_name
        path.write_bytes(self.content)
        return path


def tables(seed: int, count: int) -> Iterator[LabelTable]:
    """Tables in the shares of `PER_MILLE`; the same seed and count give the same bytes."""
    for number, draw in enumerate(_drawers(seed, count)):
        rng = random.Random(f"{seed}/{number}")
        yield _table(f"{number:04}", rng, draw(rng))


def _drawers(seed: int, count: int) -> list[Drawer]:
    """Each drawer as often as its share says, in an order of the seed's."""
    whole = [draw for draw, share in PER_MILLE.items() for _ in range(share * count // 1000)]
    rests = sorted(PER_MILLE, key=lambda draw: -math.fmod(PER_MILLE[draw] * count / 1000, 1))
    drawers = [*whole, *rests[: count - len(whole)]]
    random.Random(seed).shuffle(drawers)
    return drawers


def _table(name: str, rng: random.Random, draft: Draft) -> LabelTable:
    suffix, content = file_of(rng, draft)
    order = sorted(range(len(draft.names)), key=lambda place: draft.names[place])
    return LabelTable(
        draft.shape,
        f"{name}{suffix}",
        content,
        draft.texts,
        frozenset(draft.names),
        None if draft.targets is None else draft.targets[:, order],
        draft.may_refuse,
        draft.needs,
    )


def main(arguments: Sequence[str]) -> None:
    """Write the tables of a seed into a folder."""
    seed, count, folder = int(arguments[0]), int(arguments[1]), Path(arguments[2])
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "truth.jsonl").open("w", encoding="utf-8") as stream:
        for table in tables(seed, count):
            told = {
                "file": table.write(folder).name,
                "shape": table.shape,
                "labels": sorted(table.names),
                "may_refuse": table.may_refuse,
                "needs": table.needs,
            }
            stream.write(json.dumps(told, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
