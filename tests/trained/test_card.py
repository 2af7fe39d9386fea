"""The model card, and the lines in it that decide without imbtool."""

import math
import re
from pathlib import Path
from typing import Any

import pytest
from conftest import Imbtool, read_csv
from evaluations import NAMES, evaluation, full_evaluation, typed
from huggingface_hub import ModelCard

from imbtool.files.json_text import read_json, write_json
from imbtool.trained.card import DECIDE, model_card, write_card
from imbtool.trained.metadata import CheckpointMeta
from imbtool.wording import markdown_text

SHARE = Path(__file__).parents[2] / "docs" / "share.md"
FOLDER = Path("runs/first/checkpoint")


def meta(text: str | list[str] = "text", **parts: Any) -> CheckpointMeta:
    """The content of an imbtool.json."""
    label = {
        "parent": None,
        "threshold": 0.25,
        "validation_positives": 7,
        "training_positives": 40,
        "training_negatives": 200,
        "tier": "moderate",
        "weight": 5.0,
        "reason": "5:1",
    }
    document = {
        "version": "0.1.0",
        "encoder": "somebody/encoder",
        "max_length": 256,
        "labels": {name: {**label, "parent": NAMES[2]} for name in NAMES[:2]} | {NAMES[2]: label},
        "threshold_rule": "mean",
        "threshold_scores": {},
        "coherence": "add-parents",
        "separator": "|",
        "data": {"text": text, "labels": {"column": "labels"}, "id": None, "encoding": "utf-8"},
        "fingerprints": dict.fromkeys(("train", "validation", "test"), "0" * 64),
        "validation": {"epoch": 2, "f1_macro": 0.345, "average_precision_macro": 0.31},
        **parts,
    }
    return CheckpointMeta.model_validate(document)


def results(card: str) -> list[tuple[str | None, str, float]]:
    found = ModelCard(card).data.eval_results or []
    return [(each.dataset_split, each.metric_type, each.metric_value) for each in found]


def test_the_hub_reads_the_metrics_of_test_before_those_of_validation() -> None:
    assert results(model_card(meta(), typed(evaluation()))) == [
        ("test", "f1_macro", 0.3721),
        ("test", "f1_micro", 0.6),
        ("test", "average_precision_macro", 0.3721),
        ("validation", "f1_macro", 0.345),
        ("validation", "average_precision_macro", 0.31),
    ]


@pytest.mark.parametrize(
    ("way", "says"), [("truncate", False), ("head-tail", True), ("windows", True)]
)
def test_a_card_says_where_a_plain_pipeline_reads_less(way: str, says: bool) -> None:
    card = model_card(meta(long_texts=way))
    assert "It reads 256 tokens of a text" in card
    assert ("reads the beginning alone" in card) == says


def test_without_an_evaluation_the_card_speaks_of_validation_alone() -> None:
    card = model_card(meta())
    assert [split for split, *_ in results(card)] == ["validation", "validation"]
    assert "## On" not in card


def test_a_metric_that_is_undefined_is_a_dash_and_no_result() -> None:
    nothing = {"epoch": 1, "f1_macro": math.nan, "average_precision_macro": None}
    card = model_card(meta(validation=nothing))
    assert results(card) == []
    assert "Macro-F1 on validation –," in card


def test_each_label_has_its_test_metrics_and_what_is_too_few_is_said() -> None:
    card = model_card(meta(), typed(full_evaluation()))
    assert f"| {markdown_text(NAMES[1])} | 10 | 0.40 [.12–.74] | 0.40 [.12–.74] |" in card
    assert (
        "Labels with fewer than 10 positives here are too few to say: "
        f"{markdown_text(NAMES[0])}, {markdown_text(NAMES[3])}." in card
    )
    assert "Expected calibration error of the scores 0.031, 0.004 once calibrated." in card


def test_names_make_no_markup_in_the_card() -> None:
    card = model_card(meta(), typed(full_evaluation()))
    assert "<script" not in card
    assert "\u202e" not in card


def test_a_card_says_how_columns_are_joined_if_there_are_several() -> None:
    card = model_card(meta(["title", "<b>"], joiner=" [SEP] "))
    assert "the columns title, &lt;b&gt;, those" in card
    assert 'decide(" [SEP] ".join(filter(None, columns)))' in card
    assert "columns" not in model_card(meta())


def test_a_card_is_written_whole_into_the_folder(tmp_path: Path) -> None:
    write_card(tmp_path, meta(), typed(evaluation()))
    assert (tmp_path / "README.md").read_text(encoding="utf-8") == model_card(
        meta(), typed(evaluation())
    )


def code_of(page: str) -> str:
    (code,) = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    return code


def test_the_card_and_the_docs_decide_with_the_same_lines() -> None:
    assert code_of(SHARE.read_text(encoding="utf-8")) == DECIDE
    assert code_of(model_card(meta())) == DECIDE


@pytest.mark.parametrize("coherence", ["add-parents", "drop-children", None])
def test_the_lines_in_the_docs_decide_as_predict_does(
    coherence: str | None, project: Path, imbtool: Imbtool
) -> None:
    known = read_json(FOLDER / "imbtool.json")
    known["coherence"] = coherence
    assert imbtool("predict", FOLDER, "test.csv", "-o", "first.csv").exit_code == 0
    # half of the texts have a label, children on their own too, so that coherence has work to do
    for name, label in known["labels"].items():
        scores = sorted(float(row[f"p:{name}"]) for row in read_csv(Path("first.csv")))
        place = len(scores) // 2
        label["threshold"] = (scores[place - 1] + scores[place]) / 2
    write_json(FOLDER / "imbtool.json", known)
    assert imbtool("predict", FOLDER, "test.csv", "-o", "out.csv").exit_code == 0
    code = code_of(SHARE.read_text(encoding="utf-8")).replace("FOLDER", str(FOLDER))
    lines: dict[str, Any] = {}
    exec(compile(code, "share.md", "exec"), lines)
    rows = read_csv(Path("out.csv"))
    decided = [set(filter(None, row["predicted"].split("|"))) for row in rows]
    assert [lines["decide"](row["text"]) for row in rows] == decided
    assert len(set(map(frozenset, decided))) > 3


def test_names_in_a_card_stay_what_they_are() -> None:
    card = model_card(meta(encoder="a`\n# b", threshold_rule="`x`", version="1 <b>"))
    assert "Fine-tuned from `a' # b` with imbtool 1 &lt;b&gt;," in card
    assert "by the rule `'x'`." in card


def test_one_column_with_a_joiner_is_one_column() -> None:
    card = model_card(meta("body", joiner=" "))
    assert "the columns body, those" in card
