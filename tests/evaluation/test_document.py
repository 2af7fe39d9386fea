"""The content of evaluation.json stays what it was: files of versions before are read whole."""

from pathlib import Path

from imbtool.evaluation.document import Evaluation
from imbtool.files.documents import read_document
from imbtool.files.json_text import to_json

STORED = Path(__file__).parent / "stored" / "evaluation.json"
"""Written by version 0.1.0, with slices, a comparison, gates and mistakes; shortened."""


def test_an_evaluation_of_an_earlier_version_is_written_again_to_the_byte() -> None:
    evaluation = read_document(STORED, Evaluation, "restore it")
    assert to_json(evaluation) + "\n" == STORED.read_text(encoding="utf-8")


def test_a_level_that_the_hierarchy_lacks_is_absent_and_other_missing_parts_are_null() -> None:
    evaluation = read_document(STORED, Evaluation, "restore it")
    overall = evaluation.overall.model_copy(update={"primary": None, "secondary": None})
    assert list(overall.groups) == ["macro", "micro", "weighted"]
    assert "primary" not in to_json(overall)
    assert '"slices": null' in to_json(evaluation.model_copy(update={"slices": None}))


def test_keys_of_later_versions_are_left_out() -> None:
    document = read_document(STORED, Evaluation, "restore it").model_dump()
    assert Evaluation.model_validate({**document, "later": 1}).model_dump() == document


def test_an_evaluation_says_how_many_of_its_texts_a_search_chose() -> None:
    data = read_document(STORED, Evaluation, "restore it").data
    assert (data.chosen, data.texts_in_words) == (0, f"{data.texts} texts")
    some = data.model_copy(update={"chosen": 7})
    assert '"chosen": 7' in to_json(some)
    assert some.texts_in_words == f"{data.texts} texts, 7 of them chosen by a search"
