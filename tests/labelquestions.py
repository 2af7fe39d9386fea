"""Label tables of which a careful person has to ask: the file alone does not tell."""

import json
import random
from dataclasses import replace

from labeldrafts import ANY, DELIMITED, TYPED, Draft, target_matrix
from labelshapes import columns_draft, drawn_flags, one_column, separated, sorted_like
from labelwords import label_rows, some_names


def one_odd_value(rng: random.Random) -> Draft:
    """Columns of 0 and 1 of which one holds a 2 in few rows: a slip, or another kind of column?"""
    names, targets = drawn_flags(rng)
    columns: dict[str, list[object]] = {
        name: [int(value) for value in targets[:, place]] for place, name in enumerate(names)
    }
    for row in rng.sample(range(len(targets)), 2):
        columns[names[0]][row] = 2
    return replace(columns_draft(rng, "columns of 0/1 and a 2", columns, None), may_refuse=True)


def multi_hot(rng: random.Random) -> Draft:
    """Rows of 0 and 1 without brackets: nothing names the labels."""
    size, sep = rng.randint(3, 6), rng.choice((",", " ", ";"))
    rows = [[rng.choice("001") for _ in range(size)] for _ in range(rng.randint(30, 90))]
    cells = [sep.join(row) for row in rows]
    draft = one_column(
        rng, f"0 and 1 joined by {sep!r}", rng.choice(ANY), [[] for _ in rows], cells
    )
    return replace(draft, targets=None, may_refuse=True)


def scores_in_text(rng: random.Random) -> Draft:
    """Names with their scores in one cell."""
    names = some_names(rng, "plain")
    before, after = rng.choice(((":", ""), ("=", ""), (" (", ")"), (": ", "")))
    sep = rng.choice(("|", ", ", ";"))
    cells = [
        sep.join(f"{name}{before}{rng.random():.2f}{after}" for name in names)
        for _ in range(rng.randint(30, 80))
    ]
    shape = f"scores in text, a{before}0.90{after}{sep}b{before}0.10{after}"
    draft = one_column(rng, shape, rng.choice(ANY), [[]] * len(cells), cells)
    return replace(draft, targets=None, may_refuse=True)


def votes(rng: random.Random) -> Draft:
    """How many annotators gave each label: from how many on it applies is nobody's guess."""
    names, targets = drawn_flags(rng)
    columns: dict[str, list[object]] = {
        name: [rng.randint(1, 4) if value else 0 for value in targets[:, place]]
        for place, name in enumerate(names)
    }
    return replace(columns_draft(rng, "columns of votes", columns, None), may_refuse=True)


def scored(rng: random.Random) -> Draft:
    """A score for every label, as classifiers give them: objects, pairs or maps."""
    names = some_names(rng, rng.choice(("plain", "several words")))
    count = rng.randint(30, 80)
    scores = [{name: round(rng.uniform(0.001, 0.999), 3) for name in names} for _ in range(count)]
    how = rng.choice(("objects", "pairs", "maps"))
    cells: list[object] = [
        row
        if how == "maps"
        else [{"label": name, "score": score} for name, score in row.items()]
        if how == "objects"
        else [[name, score] for name, score in row.items()]
        for row in scores
    ]
    form = rng.choice(("jsonl", "json", "csv"))
    cells = [json.dumps(cell) for cell in cells] if form == "csv" else cells
    draft = one_column(rng, f"{how} with a score for every label", form, [[]] * count, cells)
    return replace(draft, targets=None, may_refuse=True)


def two_questions(rng: random.Random) -> Draft:
    """Two columns of names, each the answer to a question of its own: which is meant?"""
    names = some_names(rng, "plain")
    rows = label_rows(rng, names, rng.randint(30, 90), many=False)
    tones = [rng.choice(("angry", "calm", "happy")) for _ in rows]
    columns: dict[str, list[object]] = {
        "label_topic": [row[0] for row in rows],
        "label_tone": tones,
    }
    draft = columns_draft(rng, "two questions", columns, target_matrix(rows, names))
    needs = ("data.labels.column=label_topic",)
    return replace(draft, names=names, may_refuse=True, needs=needs)


def zero_or_two(rng: random.Random) -> Draft:
    """Columns of 0 and 2: two-valued, of an odd kind."""
    names, targets = drawn_flags(rng)
    columns = {
        name: [2 if value else 0 for value in targets[:, place]] for place, name in enumerate(names)
    }
    return replace(columns_draft(rng, "columns of 0/2", columns, targets), may_refuse=True)


def soft(rng: random.Random) -> Draft:
    """Shares of annotators: from which share on a label applies is nobody's guess."""
    names, targets = drawn_flags(rng)
    columns: dict[str, list[object]] = {
        name: [_share(rng, bool(value)) for value in targets[:, place]]
        for place, name in enumerate(names)
    }
    draft = columns_draft(rng, "columns of shares", columns, targets)
    return replace(draft, may_refuse=True, needs=("data.labels.threshold=0.5",))


def _share(rng: random.Random, is_high: bool) -> float:
    return rng.choice((0.6, 0.7, 0.8)) if is_high else rng.choice((0.0, 0.0, 0.2, 0.3, 0.4))


def graded(rng: random.Random) -> Draft:
    """Columns with the same few words, more than two: no yes and no."""
    words = rng.choice((("low", "medium", "high"), ("negative", "neutral", "positive")))
    names = some_names(rng, rng.choice(("plain", "several words")))
    count = rng.randint(30, 90)
    columns: dict[str, list[object]] = {
        name: [*words, *rng.choices(words, k=count - len(words))] for name in names
    }
    return replace(columns_draft(rng, "columns of three words", columns, None), may_refuse=True)


def nameless(rng: random.Random) -> Draft:
    """Lists of 0 and 1 in one column: nothing names the labels."""
    size = rng.randint(2, 6)
    rows = [[rng.choice((0, 0, 1)) for _ in range(size)] for _ in range(rng.randint(30, 90))]
    form = rng.choice((*DELIMITED, *TYPED))
    cells = [str(row) for row in rows] if form in DELIMITED else rows
    draft = one_column(rng, f"lists of 0 and 1, {form}", form, [[] for _ in rows], cells)
    return replace(draft, targets=None, may_refuse=True)


def numbered_columns(rng: random.Random) -> Draft:
    """A label a cell, spread over `label_1` to `label_3`: together they are the labels."""
    names = some_names(rng, rng.choice(("plain", "several words")))
    rows = label_rows(rng, names, rng.randint(30, 90), empty=0.1)
    columns: dict[str, list[object]] = {
        f"label_{place + 1}": [row[place] if place < len(row) else None for row in rows]
        for place in range(max(map(len, rows)))
    }
    draft = columns_draft(rng, "label_1 to label_3", columns, target_matrix(rows, names))
    return replace(draft, names=names, may_refuse=True)


def several_annotators(rng: random.Random) -> Draft:
    """A column an annotator, who do not always agree: whose word counts is nobody's guess."""
    names = some_names(rng, rng.choice(("plain", "several words")))
    rows = label_rows(rng, names, rng.randint(30, 90), many=False)
    people = rng.choice((("annotator_1", "annotator_2", "annotator_3"), ("alice", "bob")))
    columns: dict[str, list[object]] = {
        person: [row[0] if rng.random() < 0.8 else rng.choice(names) for row in rows]
        for person in people
    }
    return replace(columns_draft(rng, "a column an annotator", columns, None), may_refuse=True)


def marked_unknown(rng: random.Random) -> Draft:
    """A mark where the labels are unknown, which could be a label too."""
    mark = rng.choice(("?", "?", "nan", "NaN", "#N/A", "N/A", "-"))
    names = some_names(rng, rng.choice(("plain", "snake", "several words")))
    drawn = sorted_like(rng, label_rows(rng, names, rng.randint(60, 120)))
    keep = {next(at for at, row in enumerate(drawn) if name in row) for name in names}
    rows = [None if at not in keep and rng.random() < 0.12 else row for at, row in enumerate(drawn)]
    if None not in rows:
        rows[next(at for at in range(len(rows)) if at not in keep)] = None
    cells = [mark if row is None else "|".join(row) for row in rows]
    draft = one_column(rng, f"{mark!r} for unknown", rng.choice(DELIMITED), rows, cells)
    return replace(draft, may_refuse=True, needs=(f"data.labels.unknown={mark!r}",))


def nested_names(rng: random.Random) -> Draft:
    """`hate` beside `hate/threatening`, one a row: names, or a label and its parent?"""
    names = ["hate", "violence", "hate/threatening", "self-harm", "violence/graphic", "sexual"]
    rows = label_rows(rng, names, rng.randint(50, 100), many=False)
    cells = [row[0] for row in rows]
    draft = one_column(rng, "names within names, one a row", rng.choice(ANY), rows, cells)
    return replace(draft, may_refuse=True, needs=("data.labels.separator='|'",))


def other_encoding(rng: random.Random) -> Draft:
    """A csv in the code page of a Western European Windows, or in UTF-16 as spreadsheets write."""
    encoding = rng.choice(("cp1252", "utf-16"))
    draft = replace(separated(rng), format="csv", encoding=encoding)
    names = [name.encode("cp1252", "replace").decode("cp1252") for name in draft.names]
    if names != list(draft.names):
        return other_encoding(rng)
    texts = [text.replace("№", "nº") for text in draft.texts]
    texts[0] = f"Große Überraschung: {texts[0]}"
    return replace(
        draft,
        shape=f"{encoding}, {draft.shape}",
        texts=texts,
        may_refuse=True,
        needs=(f"data.encoding={encoding}",),
    )
