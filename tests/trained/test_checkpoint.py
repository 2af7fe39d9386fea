"""A checkpoint is a plain transformers folder, and reads back as it was written."""

import dataclasses
import json
import string
from pathlib import Path
from typing import Any

import pytest
from conftest import PARENTS, Imbtool
from transformers import BertweetTokenizer, pipeline

from imbtool.errors import UserError
from imbtool.trained.card import model_card
from imbtool.trained.checkpoint import read_checkpoint, write_checkpoint
from imbtool.trained.metadata import CheckpointMeta

FOLDER = Path("runs/first/checkpoint")
TEXTS = [
    "the people walk with a knife",
    "camera " * 200,
    "stupid",
    " ",
    "naïve café 漢字 😀 مرحبا",
    "two\nlines\tand\u00a0spaces",
    "[SEP] <b> [bold]",
]


def read_json(path: Path) -> Any:
    """A JSON document."""
    return json.loads(path.read_text(encoding="utf-8"))


def test_a_plain_pipeline_gives_the_probabilities_of_predict(
    project: Path, imbtool: Imbtool
) -> None:
    rows = [json.dumps({"text": text}) + "\n" for text in TEXTS]
    Path("in.jsonl").write_text("".join(rows))
    shown = imbtool("predict", FOLDER, "in.jsonl", "--json").stdout
    predicted = [json.loads(line) for line in shown.splitlines()]

    classify = pipeline("text-classification", model=str(FOLDER), top_k=None, truncation=True)

    for row, scores in zip(predicted, classify(TEXTS), strict=True):
        plain = {f"p:{score['label']}": score["score"] for score in scores}
        ours = {name: value for name, value in row.items() if name.startswith("p:")}
        assert ours == pytest.approx(plain, abs=1e-5)


def test_the_folder_holds_no_pickle(project: Path) -> None:
    assert {path.name for path in FOLDER.iterdir()} == {
        "README.md",
        "config.json",
        "imbtool.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    }
    starts = {path.name: path.read_bytes()[:2] for path in FOLDER.iterdir()}
    assert [name for name, start in starts.items() if start in (b"PK", b"\x80\x02")] == []


def test_the_folder_says_what_transformers_must_know(project: Path) -> None:
    tokenizer, config = read_json(FOLDER / "tokenizer.json"), read_json(FOLDER / "config.json")
    assert (tokenizer["truncation"], tokenizer["padding"]) == (None, None)
    assert read_json(FOLDER / "tokenizer_config.json")["model_max_length"] == 24
    assert config["problem_type"] == "multi_label_classification"
    names = list(read_json(FOLDER / "imbtool.json")["labels"])
    assert config["id2label"] == {str(index): name for index, name in enumerate(names)}
    assert config["label2id"] == {name: index for index, name in enumerate(names)}


def test_the_folder_names_no_place_of_the_machine_it_was_made_on(project: Path) -> None:
    texts = [path.read_text() for path in FOLDER.iterdir() if path.suffix in (".json", ".md")]
    assert not any("pristine" in text or str(project.parent) in text for text in texts)


def test_reading_gives_back_order_thresholds_and_forest(project: Path) -> None:
    checkpoint = read_checkpoint(FOLDER)
    turned = dict(reversed(checkpoint.meta.labels.items()))
    meta = checkpoint.meta.model_copy(update={"labels": turned})
    write_checkpoint(project / "copy", checkpoint.text_model, meta)

    again = read_checkpoint(project / "copy")

    assert again.meta == meta
    assert again.labels.names == checkpoint.labels.names[::-1]
    assert again.meta.thresholds.tolist() == checkpoint.meta.thresholds.tolist()[::-1]
    names = again.labels.names
    edges = {(names[child], names[parent]) for child, parent in again.labels.edges}
    assert edges == set(PARENTS.items())


def test_a_tokenizer_in_python_is_kept_too(project: Path) -> None:
    letters = "".join(f"{letter} 1\n" for letter in string.ascii_lowercase)
    Path("vocab.txt").write_text(letters)
    Path("bpe.codes").write_text("#version: 0.2\n")
    tokenizer = BertweetTokenizer("vocab.txt", "bpe.codes", model_max_length=24)
    checkpoint = read_checkpoint(FOLDER)
    text_model = dataclasses.replace(checkpoint.text_model, tokenizer=tokenizer)

    write_checkpoint(project / "copy", text_model, checkpoint.meta)

    again = read_checkpoint(project / "copy").text_model
    assert again.encode(["a b"]) == text_model.encode(["a b"])


def test_a_checkpoint_is_calibrated_if_all_its_labels_are(project: Path) -> None:
    meta = read_checkpoint(FOLDER).meta
    calibration = meta.calibration
    assert calibration is not None
    assert calibration.slope.tolist() == [label.slope for label in meta.labels.values()]
    assert calibration.bias.tolist() == [label.bias for label in meta.labels.values()]
    older = meta.labels | {"abuse": meta.labels["abuse"].model_copy(update={"slope": None})}
    assert meta.model_copy(update={"labels": older}).calibration is None


def test_a_checkpoint_from_before_there_were_requirements_has_none(project: Path) -> None:
    meta = read_json(FOLDER / "imbtool.json")
    for label in meta["labels"].values():
        del label["rule"], label["requirement"]
    (FOLDER / "imbtool.json").write_text(json.dumps(meta))
    labels = read_checkpoint(FOLDER).meta.labels.values()
    assert {(label.rule, label.requirement) for label in labels} == {(None, None)}


def test_a_second_checkpoint_takes_the_place_of_the_first(project: Path) -> None:
    checkpoint = read_checkpoint(FOLDER)
    link = project / "kept" / "checkpoint"
    for version in ("1", "2"):
        meta = checkpoint.meta.model_copy(update={"version": version})
        link.parent.mkdir(exist_ok=True)
        write_checkpoint(link, checkpoint.text_model, meta)
    assert read_checkpoint(link).meta.version == "2"
    assert {path.name for path in link.parent.iterdir()} == {"checkpoint", link.readlink().name}


def test_the_model_card_takes_a_label_for_text(project: Path) -> None:
    document = read_json(FOLDER / "imbtool.json")
    document["labels"]["a|b <i>x"] = document["labels"].pop("insults")
    meta = CheckpointMeta.model_validate(document)
    row = next(line for line in model_card(meta).splitlines() if "&lt;i&gt;x" in line)
    assert r"a\|b &lt;i&gt;x" in row
    assert row.replace(r"\|", "").count("|") == 7


def test_a_flipped_bit_of_a_weight_is_found(project: Path) -> None:
    path = FOLDER / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"model\.safetensors\n  found +other bytes"):
        read_checkpoint(FOLDER)


def test_tensors_begin_where_allocated_ones_do(project: Path) -> None:
    # else the last digit of a product depends on where a tensor lies in its file
    model = read_checkpoint(Path("runs/first")).text_model.model
    assert all(each.data_ptr() % 64 == 0 for each in (*model.parameters(), *model.buffers()))


def test_a_model_in_memory_outlives_its_files(project: Path) -> None:
    checkpoint = read_checkpoint(Path("runs/first"))
    before = checkpoint.probabilities(["a knife"])
    checkpoint.keep_in_memory()
    path = checkpoint.folder / "model.safetensors"
    content = path.read_bytes()
    with path.open("r+b") as stream:  # in place: a new file would leave the old one as it is
        stream.seek(len(content) // 2)
        stream.write(bytes(len(content) - len(content) // 2))
    assert (checkpoint.probabilities(["a knife"]) == before).all()
    with pytest.raises(UserError, match="other bytes"):
        checkpoint.keep_in_memory()


def test_a_checkpoint_of_version_0_1_has_no_digests(project: Path) -> None:
    meta = read_json(FOLDER / "imbtool.json")
    del meta["digests"]
    (FOLDER / "imbtool.json").write_text(json.dumps(meta))
    assert read_checkpoint(FOLDER).meta.digests == {}


@pytest.mark.parametrize("path", ["absent", "x" * 5000, "a\x00b"])
def test_a_path_without_a_checkpoint_is_refused(path: str) -> None:
    with pytest.raises(UserError, match="no such folder"):
        read_checkpoint(Path(path))
