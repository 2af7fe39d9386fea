"""External predictions are read in whatever shape another tool wrote them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from imbtool.config.data_sections import DataSection
from imbtool.config.hierarchy import label_set
from imbtool.data.corpus import Split, read_split, split_column
from imbtool.errors import UserError
from imbtool.evaluation.predictions import Predictions
from imbtool.files.text_format import AS_FOUND
from imbtool.inference.external import read_external_predictions

NAMES = ("a", "b", "c")
TABLE = {
    "id": ["001", "002", "003", "004"],
    "text": ["One", "two  words", "three", "four"],
    "labels": ["a|b", "", "c", "a"],
    "lang": ["en", "de", "", "en"],
}
FLAGS = {"a": ["1", "0", "0", "1"], "b": ["1", "0", "", "0"], "c": ["0", "0", "1", "0"]}
SCORES = {"a": [0.9, 0.2, 0.5, 0.1], "b": [0.4, 0.6, 0.0, 1.0]}


def write(folder: Path, columns: dict[str, Any], name: str = "theirs.csv") -> Path:
    path, frame = folder / name, pd.DataFrame(columns)
    match path.suffix:
        case ".jsonl":
            lines = [json.dumps(row) for row in frame.to_dict(orient="records")]
            path.write_text("\n".join(lines))
        case ".parquet":
            frame.to_parquet(path)
        case _:
            frame.to_csv(path, index=False, sep="\t" if path.suffix == ".tsv" else ",")
    return path


def section(path: Path, **columns: Any) -> DataSection:
    return DataSection.model_validate({"train": path, **columns})


def split_of(folder: Path, table: dict[str, Any] | None = None, **columns: Any) -> Split:
    path = write(folder, table or TABLE, "test.csv")
    return read_split("test", path, section(path, **columns), label_set(NAMES, []))


def read(
    folder: Path, columns: dict[str, Any], name: str = "theirs.csv", **data: Any
) -> Predictions:
    """Read predictions for the split of `TABLE`."""
    split = split_of(folder, **data)
    return read_external_predictions(
        write(folder, columns, name), section(split.source, **data), NAMES, split
    )


def prefixed(scores: dict[str, Any] = SCORES) -> dict[str, Any]:
    return {f"p:{name}": column for name, column in scores.items()}


def refused(folder: Path, columns: dict[str, Any], **data: Any) -> str:
    with pytest.raises(UserError) as caught:
        read(folder, columns, **data)
    return str(caught.value)


@pytest.mark.parametrize("name", ["theirs.csv", "theirs.tsv", "theirs.jsonl", "theirs.parquet"])
def test_probabilities_alone_are_decided_at_a_half(tmp_path, name):
    theirs = read(tmp_path, prefixed(), name)
    assert theirs.labels.names == ("a", "b")
    assert theirs.probabilities is not None
    np.testing.assert_array_equal(theirs.probabilities, np.transpose([*SCORES.values()]))
    assert theirs.decisions.tolist() == [[True, False], [False, True], [True, False], [False, True]]
    assert theirs.decided_by == "probabilities at 0.5"


def test_columns_named_as_the_labels_hold_probabilities(tmp_path):
    theirs = read(tmp_path, {"c": [0.0, 1.0, 1.0, 0.0], "b": SCORES["b"], "other": ["x"] * 4})
    assert theirs.labels.names == ("b", "c")
    assert theirs.probabilities[:, 1].tolist() == [0, 1, 1, 0]
    assert theirs.decided_by == "probabilities at 0.5"


@pytest.mark.parametrize(
    ("name", "flags"),
    [
        ("theirs.csv", [1, 0, 0, 1]),
        ("theirs.jsonl", [True, False, False, True]),
        ("theirs.parquet", [1.0, 0.0, 0.0, 1.0]),
    ],
)
def test_columns_named_as_the_labels_hold_decisions(tmp_path, name, flags):
    theirs = read(tmp_path, {"a": flags, "b": [0] * 4}, name)
    assert theirs.decisions[:, 0].tolist() == [True, False, False, True]
    assert not theirs.decisions[:, 1].any()
    assert (theirs.probabilities, theirs.decided_by) == (None, "0/1 columns")


def test_probabilities_of_0_and_1_under_their_own_name_are_probabilities(tmp_path):
    theirs = read(tmp_path, {"p:a": [1, 0, 0, 1]})
    assert theirs.probabilities is not None
    assert theirs.decided_by == "probabilities at 0.5"


def test_a_column_of_decided_names_needs_no_probabilities(tmp_path):
    theirs = read(tmp_path, {"predicted": ["a | c", "", "b", "x"]})
    assert theirs.labels.names == ("a", "b", "c", "x")
    assert np.argwhere(theirs.decisions).tolist() == [[0, 0], [0, 2], [2, 1], [3, 3]]
    assert (theirs.probabilities, theirs.decided_by) == (None, "their column predicted")


def test_decided_names_may_be_a_list_or_have_the_separator_of_the_data(tmp_path):
    lists = read(tmp_path, {"predicted": [["a", "b|"], [], ["c"], ["b"]]}, "theirs.jsonl")
    assert lists.labels.names == ("a", "b", "c", "b|")
    labels = {"column": "labels", "separator": ";"}
    table = {**TABLE, "labels": ["a;b", "", "c", "a"]}
    split = split_of(tmp_path, table, labels=labels)
    path = write(tmp_path, {"predicted": ["a; b", "", "", ""]})
    theirs = read_external_predictions(path, section(split.source, labels=labels), NAMES, split)
    assert theirs.decisions[0].tolist() == [True, True, False]


def test_decided_names_win_over_probabilities_at_a_half(tmp_path):
    theirs = read(tmp_path, {**prefixed(), "predicted": ["", "a", "a|b", ""]})
    assert theirs.labels.names == ("a", "b")
    assert theirs.decisions.tolist() == [[0, 0], [1, 0], [1, 1], [0, 0]]
    assert theirs.probabilities[:, 0].tolist() == SCORES["a"]
    assert theirs.decided_by == "their column predicted"


def test_flags_beside_decided_names_are_left_alone(tmp_path):
    # they are the truth of a table that was predicted
    columns = {**FLAGS, "predicted": ["b", "", "", ""]}
    theirs = read(tmp_path, columns)
    assert np.argwhere(theirs.decisions).tolist() == [[0, 1]]
    assert theirs.probabilities is None
    theirs = read(tmp_path, {**columns, **prefixed()})
    assert theirs.probabilities[:, 0].tolist() == SCORES["a"]


def test_rows_are_matched_by_their_id_and_others_are_passed_over(tmp_path):
    columns = {"id": ["004", "x", "003", "001", "002"], "p:a": [0.4, 0.9, 0.3, 0.1, 0.2]}
    theirs = read(tmp_path, columns, id="id")
    assert theirs.probabilities[:, 0].tolist() == [0.1, 0.2, 0.3, 0.4]


def test_rows_of_the_same_ids_and_other_texts_are_those_of_another_split(tmp_path):
    other = {"id": TABLE["id"][::-1], "text": ["four", "3", "two words", "one"], **SCORES}
    with pytest.raises(UserError, match="another text in row 2: '3'"):
        read(tmp_path, other, id="id")
    read(tmp_path, {**other, "text": ["four", "three", "two words", "one"]}, id="id")


def test_ids_that_are_missing_or_repeated_are_named(tmp_path):
    columns = {"id": ["001", "002", "002", "003"], "p:a": [0.1] * 4}
    assert "theirs.csv: id\n  found     1 id more than once: 002" in refused(
        tmp_path, columns, id="id"
    )
    columns["id"] = ["001", "x", "y", "004"]
    assert "no row for 2 ids: 002, 003" in refused(tmp_path, columns, id="id")


def test_without_ids_there_are_as_many_rows_as_texts(tmp_path):
    message = refused(tmp_path, {"p:a": [0.1] * 3})
    assert "found     3 rows\n  expected  4 rows, one for each text of test" in message
    assert "3 rows" in refused(tmp_path, {"p:a": [0.1] * 3}, id="id")


def test_without_ids_the_texts_must_agree(tmp_path):
    texts = ["ONE", "two words", "three", "four"]
    assert read(tmp_path, {"text": texts, **prefixed()}).labels.names == ("a", "b")
    message = refused(tmp_path, {"text": ["One", "two words", "four", "three"], **prefixed()})
    assert "theirs.csv: text\n  found     another text in row 3: 'four'" in message
    assert "expected  'three', as in row 3 of" in message


def test_cells_that_are_no_probabilities_are_named_with_their_rows(tmp_path):
    message = refused(tmp_path, prefixed({"a": [1.5, 0.1, -0.1, 0.2], "b": ["x", "", "nan", 1]}))
    assert (
        "theirs.csv: p:a\n  found     2 cells that hold no probability: '1.5' in row 1" in message
    )
    assert "theirs.csv: p:b\n  found     3 cells" in message
    assert "'x' in row 1, '' in row 2, 'nan' in row 3" in message


def test_a_row_that_was_matched_by_id_is_named_by_its_place_in_the_file(tmp_path):
    columns = {"id": ["004", "003", "002", "001"], "p:a": ["0.1", "0.2", "0.3", "two"]}
    assert "'two' in row 4" in refused(tmp_path, columns, id="id")


def test_an_empty_decision_is_no_decision(tmp_path):
    assert "'' in row 3" in refused(tmp_path, {"b": ["1", "0", "", "0"]})
    assert "in row 3" in refused(tmp_path, {"a": ["1", "0", "yes", "0"]})


def test_a_file_without_predictions_says_what_it_looked_for(tmp_path):
    message = refused(tmp_path, {"text": TABLE["text"], "prob_a": [0.1] * 4})
    assert "no predictions; the columns are text, prob_a" in message
    assert "p:LABEL" in message
    assert "the labels are a, b, c" in message


def test_the_labels_of_the_texts_are_no_predictions(tmp_path):
    table = {"text": TABLE["text"], **FLAGS, "b": ["1", "0", "0", "0"]}
    labels = {"columns": list(NAMES)}
    split = split_of(tmp_path, table, labels=labels)
    data = section(split.source, labels=labels)
    with pytest.raises(UserError, match="labels of the texts, every one"):
        read_external_predictions(split.source, data, NAMES, split)
    better = write(tmp_path, {**table, "b": ["1", "1", "0", "0"]})
    assert read_external_predictions(better, data, NAMES, split).decided_by == "0/1 columns"


def test_another_separator_is_seen_before_every_name_is_lost(tmp_path):
    message = refused(tmp_path, {"predicted": ["a", "", "b; c", ""]})
    assert "theirs.csv: predicted\n  found     'b; c' in row 3" in message
    assert "write '|' between two labels" in message


def test_a_cell_that_is_no_list_of_names_is_not_taken_for_none(tmp_path):
    message = refused(tmp_path, {"predicted": ["a", "", "[b, c]", ""]})
    assert "theirs.csv: predicted\n  found     '[b, c]' in row 3" in message


def test_a_decided_name_without_probabilities_is_refused(tmp_path):
    message = refused(tmp_path, {**prefixed(), "predicted": ["a", "c", "", ""]})
    assert "'c' in row 2, which has no probabilities" in message


def test_another_column_of_the_split_follows_its_rows(tmp_path):
    split = split_of(tmp_path)
    assert split_column(split, "lang", AS_FOUND) == ["en", "de", "", "en"]
    part = Split.of("test", split.source, split.texts[:2], split.targets[:2], [4, 3])
    assert split_column(part, "lang", AS_FOUND) == ["en", ""]
    assert split_column(part, "id", AS_FOUND) == ["004", "003"]
    with pytest.raises(UserError, match="did you mean 'lang'"):
        split_column(split, "langs", AS_FOUND)
