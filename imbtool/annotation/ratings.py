"""The answers of all annotators side by side, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import numpy as np

from imbtool.analysis.answers_table import NOBODY, Ratings
from imbtool.annotation.answers import Answer
from imbtool.errors import Problem
from imbtool.types import Targets
from imbtool.wording import counted, cut, did_you_mean, some

SHOWN = 5


def unknown_labels(
    answers: Sequence[Answer], known: Collection[str]
) -> tuple[list[str], list[Problem]]:
    """Labels in answers that are not known, in order of appearance, each with its problem."""
    places: dict[str, list[str]] = {}
    for answer in answers:
        for name in answer.labels or ():
            if name not in known:
                places.setdefault(name, []).append(answer.place)
    problems = [
        Problem(
            where[0],
            f"the label {cut(name, 60)!r}, which is neither declared nor in the data"
            + f" ({counted(len(where), 'answer')})" * (len(where) > 1),
            "labels of the data, or of labels.names in the profile",
            f"{did_you_mean(name, known)} If it is a new label, repeat with --new-labels",
        )
        for name, where in places.items()
    ]
    return list(places), problems


def rate(answers: Sequence[Answer], labels: Sequence[str]) -> tuple[Ratings, list[Problem]]:
    """Put the answers of all annotators side by side.

    Args:
        answers: those without labels are left out.
        labels: all that there are.

    Returns:
        The ratings, and a problem where an annotator has answered a text in two ways.
    """
    given = [answer for answer in answers if answer.labels is not None]
    ids = list(dict.fromkeys(answer.id for answer in given))
    annotators = sorted({answer.annotator or NOBODY for answer in given})
    column = {name: place for place, name in enumerate(labels)}
    row = {id: place for place, id in enumerate(ids)}
    who = {name: place for place, name in enumerate(annotators)}
    values = np.full((len(annotators), len(ids), len(labels)), np.nan, dtype=np.float32)
    first: dict[tuple[str, str], str] = {}
    doubts: list[tuple[Answer, str, list[str]]] = []
    for answer in given:
        person = answer.annotator or NOBODY
        before, said = values[who[person], row[answer.id]], _vector(answer, column)
        earlier = first.setdefault((answer.id, person), answer.place)
        differ = ~np.isnan(before) & ~np.isnan(said) & (before != said)
        if differ.any():
            doubts.append(
                (answer, earlier, [labels[place] for place in np.flatnonzero(differ).tolist()])
            )
        values[who[person], row[answer.id]] = np.where(np.isnan(said), before, said)
    return Ratings(ids, annotators, list(labels), values), list(_contradictions(doubts))


def _vector(answer: Answer, column: dict[str, int]) -> Targets:
    """What an answer says of each label [L]."""
    said = np.full(len(column), np.nan, dtype=np.float32)
    for name in answer.asked:
        if name in column:  # an option that nobody has ever chosen may be no label
            said[column[name]] = 0
    for name in answer.labels or ():
        said[column[name]] = 1
    return said


def _contradictions(doubts: Sequence[tuple[Answer, str, list[str]]]) -> Iterator[Problem]:
    for answer, earlier, names in doubts[:SHOWN]:
        person = f"by {answer.annotator!r} " if answer.annotator else ""
        found = (
            f"another answer {person}to the text {cut(answer.id, 40)!r} than in {earlier}, about "
            f"{some(map(repr, names), 3)}"
        )
        if len(doubts) > SHOWN and answer is doubts[SHOWN - 1][0]:
            found += f"; {len(doubts) - SHOWN} more texts are answered in two ways"
        fix = "delete one of the two"
        if not answer.annotator:
            fix += ", or name who has answered in a column `annotator`"
        yield Problem(answer.place, found, "one answer of each annotator to a text", fix)
