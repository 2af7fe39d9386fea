"""Tasks say what a tool needs, and carry the id of the text."""

import json
import xml.etree.ElementTree as ET

import pytest
from batches import HARD, batch_of, batch_text

from imbtool.annotation.tasks import TOOLS, write_tasks
from imbtool.errors import UserError

TEXTS = [
    batch_text("a", "first", prefill=["a/b", "two\nlines"]),
    batch_text("b", "", "random", cells={"title": "a title", "body": "", "more": "the rest"}),
]
BATCH = batch_of(TEXTS, HARD)


def written(tmp_path, tool: str) -> dict[str, str]:
    paths = write_tasks(BATCH, tmp_path, tool)
    return {path.name: path.read_text(encoding="utf-8") for path in paths}


@pytest.mark.parametrize("tool", TOOLS)
def test_each_task_has_its_id_and_what_it_was_asked_for(tmp_path, tool):
    content = next(iter(written(tmp_path, tool).values()))
    rows = (
        json.loads(content)
        if content.startswith("[")
        else [json.loads(line) for line in content.splitlines()]
    )
    about = [row.get("data") or row.get("metadata") or row for row in rows]
    assert [(each["imbtool_id"], each["ask"]) for each in about] == [("a", ["threat"]), ("b", [])]


def test_the_configuration_of_label_studio_keeps_every_name(tmp_path):
    files = written(tmp_path, "label-studio")
    view = ET.fromstring(files["label-studio-config.xml"])
    choices = [each.get("alias") or each.get("value") for each in view.iter("Choice")]
    assert choices == HARD
    assert "$" not in str([each.get("value") for each in view.iter("Choice")])
    assert view.find("Choices").attrib == {"name": "labels", "toName": "text", "choice": "multiple"}
    assert [each.get("value") for each in view if each.tag != "Choices"] == ["$text", "$why"]


def test_label_studio_shows_a_prefilled_answer_as_a_prediction(tmp_path):
    first, second = json.loads(written(tmp_path, "label-studio")["label-studio-tasks.json"])
    (prediction,) = first["predictions"]
    assert prediction["result"][0]["value"] == {"choices": ["a/b", "two\nlines"]}
    assert "predictions" not in second
    assert second["data"]["text"] == "a title\nthe rest"


def test_prodigy_gets_options_and_a_selection(tmp_path):
    first, second = map(
        json.loads, written(tmp_path, "prodigy")["prodigy-tasks.jsonl"].splitlines()
    )
    assert first["options"] == [{"id": name, "text": name} for name in HARD]
    assert first["accept"] == ["a/b", "two\nlines"]
    assert "accept" not in second
    assert second["meta"]["id"] == "b"


def test_doccano_gets_a_label_for_none_of_the_labels(tmp_path):
    files = written(tmp_path, "doccano")
    labels = [each["text"] for each in json.loads(files["doccano-labels.json"])]
    assert labels == [*HARD, "none (none)"]
    first, second = map(json.loads, files["doccano-tasks.jsonl"].splitlines())
    assert (first["label"], second["label"]) == (["a/b", "two\nlines"], [])


@pytest.mark.parametrize(("tool", "longest"), [("doccano", 100), ("argilla", 200)])
def test_some_tools_cannot_take_a_long_name(tmp_path, tool, longest):
    write_tasks(batch_of(TEXTS, ["x" * longest]), tmp_path, tool)
    with pytest.raises(UserError, match=f"a label of {longest + 1} characters"):
        write_tasks(batch_of(TEXTS, ["x" * (longest + 1)]), tmp_path, tool)


def test_argilla_gets_records_with_suggestions(tmp_path):
    first, second = json.loads(written(tmp_path, "argilla")["argilla-records.json"])
    assert (first["id"], first["fields"]) == ("a", {"text": "first"})
    assert first["suggestions"]["labels"]["value"] == ["a/b", "two\nlines"]
    assert second["suggestions"] == second["responses"] == {}


def test_argilla_gets_settings_with_a_label_for_none_of_the_labels(tmp_path):
    settings = json.loads(written(tmp_path, "argilla")["argilla-settings.json"])
    (question,) = settings["questions"]
    assert question["settings"]["type"] == "multi_label_selection"
    options = [each["value"] for each in question["settings"]["options"]]
    assert options == [*HARD, "none (none)"]
    assert [field["name"] for field in settings["fields"]] == ["text"]
    assert settings["allow_extra_metadata"]
