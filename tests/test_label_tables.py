"""Label tables as others export them are read rightly, or refused with the place and a fix.

Every table of the generator is read as `init` and `train` read it, without a word from the user.
A table counts as refused too where only a careful person could have told (`may_refuse`): at most a
tenth of *all* tables may be refused. Where the user's answer settles it (`needs`), the table must
be read rightly with that answer. A guess that the profile's comments tell, with the key that
overrules it, counts as a refusal of such a table.
"""

import re
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from labeltables import LabelTable, tables

from imbtool.config.reader import parse_override
from imbtool.data.corpus import read_train
from imbtool.data.proposal import propose_profile
from imbtool.errors import UserError

FEW = (20, 250)
MANY = (21, 500)
"""Seed and number of the tables."""
MOST_REFUSED = 0.1
MOST_QUESTIONS = 0.065
A_PLACE = re.compile(r"\b(?:rows?|lines?|columns?) |\.\w+:\d+|\.\w+: \w")
"""`row 3`, `table.csv:3`, or `table.csv: labels`."""


@dataclass(frozen=True)
class Outcome:
    """What came of a table: right, refused, wrong or crashed, and what was said."""

    table: LabelTable
    kind: str
    told: str = ""
    problems: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.table.file_name} ({self.table.shape}): {self.kind}: {self.told}"


def outcome(table: LabelTable, folder: Path, needs: Sequence[str] = ()) -> Outcome:
    """Read a table and hold what comes out against its truth."""
    path = table.write(folder)
    try:
        proposal = propose_profile(path, [parse_override(text) for text in needs])
        labels, split = read_train(proposal.profile)
    except UserError as error:
        lacking = tuple(str(problem) for problem in error.problems if not is_helpful(problem))
        return Outcome(table, "refused", str(error), lacking)
    except Exception:
        return Outcome(table, "crashed", traceback.format_exc(limit=-3))
    fault = difference(table, split.texts, labels.names, split.targets)
    if fault and table.may_refuse and is_told(table, proposal.comments, proposal.notes):
        return Outcome(table, "refused", fault)
    return Outcome(table, "wrong" if fault else "right", fault)


def is_helpful(problem) -> bool:
    """A problem names the place, and says how to fix it."""
    return bool(A_PLACE.search(f"{problem.where} {problem.found}")) and bool(problem.fix.strip())


def is_told(table: LabelTable, comments, notes=()) -> bool:
    said = " ".join([*comments.values(), *notes])
    return bool(table.needs) and all(need.partition("=")[0] in said for need in table.needs)


def difference(table: LabelTable, texts, names, targets) -> str:
    """The first way in which a table was read wrongly, or nothing."""
    if table.targets is None:
        return f"read as {sorted(names)[:6]}, where nobody can tell"
    if list(texts) != table.texts:
        return f"{len(texts)} texts, not the {len(table.texts)} of the table"
    if set(names) != table.names or len(names) != len(table.names):
        return f"labels {sorted(set(names) ^ table.names)[:6]} too many or too few"
    order = sorted(range(len(names)), key=lambda place: names[place])
    rows, columns = np.nonzero(differs(targets[:, order], table.targets))
    if not len(rows):
        return ""
    row, label = int(rows[0]), sorted(names)[columns[0]]
    wanted, found = table.targets[row, columns[0]], targets[:, order][row, columns[0]]
    return f"row {row + 1}: {label!r} is {found}, not {wanted} ({len(rows)} such)"


def differs(one, other):
    return ~((one == other) | (np.isnan(one) & np.isnan(other)))


@pytest.fixture(scope="module", params=[FEW, pytest.param(MANY, marks=pytest.mark.slow)], ids=str)
def outcomes(request, tmp_path_factory) -> list[Outcome]:
    folder = tmp_path_factory.mktemp("tables")
    return [outcome(table, folder) for table in tables(*request.param)]


def of_kind(outcomes, kind: str) -> list[Outcome]:
    return [one for one in outcomes if one.kind == kind]


def lines(outcomes) -> str:
    return "\n".join(map(str, outcomes))


def test_no_table_is_read_wrongly(outcomes):
    wrong = of_kind(outcomes, "wrong")
    assert not wrong, lines(wrong)


def test_no_table_ends_in_a_traceback(outcomes):
    crashed = of_kind(outcomes, "crashed")
    assert not crashed, lines(crashed)


def test_at_most_a_tenth_of_the_tables_is_refused(outcomes):
    refused = of_kind(outcomes, "refused")
    assert len(refused) <= MOST_REFUSED * len(outcomes), lines(refused)


def test_each_refusal_names_the_place_and_a_fix(outcomes):
    unhelpful = [one for one in outcomes if one.problems]
    assert not unhelpful, lines(unhelpful)


def test_what_the_user_answers_settles_the_question(outcomes, tmp_path):
    asked = [one.table for one in outcomes if one.table.needs]
    answered = [outcome(table, tmp_path, table.needs) for table in asked]
    unsettled = [one for one in answered if one.kind != "right"]
    assert not unsettled, lines(unsettled)


def test_the_same_seed_makes_the_same_tables():
    first, second = ([table.content for table in tables(5, 40)] for _ in range(2))
    assert first == second
    assert first != [table.content for table in tables(6, 40)]


@pytest.mark.parametrize(("seed", "count"), [FEW, MANY])
def test_few_tables_are_questions_and_each_truth_is_whole(seed: int, count: int):
    made = list(tables(seed, count))
    assert len(made) == count
    assert sum(table.may_refuse for table in made) <= MOST_QUESTIONS * count
    for table in made:
        assert len(set(table.texts)) == len(table.texts) >= 30
        if table.targets is not None:
            assert table.targets.shape == (len(table.texts), len(table.names))
            assert (table.targets == 1).any()
