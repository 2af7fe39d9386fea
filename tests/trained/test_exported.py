"""An exported folder reads texts as a checkpoint does, and is refused in words if it is damaged."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from conftest import Imbtool
from onnx import TensorProto, numpy_helper
from onnxgraphs import Change, token_table, write_exported, write_meta

from imbtool.errors import ModelError, UserError
from imbtool.trained import exported
from imbtool.trained.checkpoint import read_checkpoint
from imbtool.trained.exported import ONNX
from imbtool.types import Floats

CHECKPOINT = Path("runs/first/checkpoint")
FOLDER = Path("exported")
TEXTS = ["a knife", "the people often walk to market and talk", "stupid camera", "camera " * 40]


def change_meta(changes: dict[str, object]) -> None:
    """Write other values into imbtool.json, with the digests as they should be."""
    write_meta(FOLDER / "imbtool.json", FOLDER, changes)


def mean_logits(texts: list[str]) -> Floats:
    """What the tiny graph must give, computed without it."""
    text_model = read_checkpoint(CHECKPOINT).text_model
    table = token_table(len(text_model.tokenizer), 6)
    rows = []
    for ids in text_model.encode(texts):
        parts = [ids[at : at + 24] for at in range(0, len(ids), 24)]
        rows.append(np.max([table[part].mean(axis=0) for part in parts], axis=0))
    return np.array(rows)


def test_the_graph_has_the_place_of_the_model(project: Path) -> None:
    write_exported(CHECKPOINT, FOLDER)
    found = read_checkpoint(FOLDER).logits(TEXTS)
    assert found == pytest.approx(mean_logits(TEXTS), abs=1e-6)


def test_a_text_in_windows_has_the_highest_logit_of_its_windows(project: Path) -> None:
    changed = json.loads((CHECKPOINT / "imbtool.json").read_text()) | {"long_texts": "windows"}
    (CHECKPOINT / "imbtool.json").write_text(json.dumps(changed))
    write_exported(CHECKPOINT, FOLDER)
    model = read_checkpoint(FOLDER)
    assert model.text_model.windows(model.text_model.encode(TEXTS)) == [1, 1, 1, 3]
    assert model.logits(TEXTS) == pytest.approx(mean_logits(TEXTS), abs=1e-6)


def test_commands_take_an_exported_folder_as_they_take_a_checkpoint(
    project: Path, imbtool: Imbtool
) -> None:
    write_exported(CHECKPOINT, FOLDER)
    assert imbtool("predict", FOLDER, "test.csv", "-o", "out.csv").exit_code == 0
    Path("shards").mkdir()
    shutil.copy("test.csv", "shards")
    assert imbtool("predict", FOLDER, "shards", "-o", "many").exit_code == 0
    assert Path("many/test.csv").read_bytes() == Path("out.csv").read_bytes()
    result = imbtool("evaluate", FOLDER, "--data", "test.csv", "-o", "results", "--json")
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["data"]["texts"] == 60


def external(model: onnx.ModelProto) -> None:
    table = model.graph.initializer[0]
    table.ClearField("raw_data")
    table.data_location = TensorProto.EXTERNAL
    for key, value in (("location", "../profile.yaml"), ("offset", "0"), ("length", "64")):
        entry = table.external_data.add()
        entry.key, entry.value = key, value


def external_in_a_branch(model: onnx.ModelProto) -> None:
    node = model.graph.node.add(op_type="Constant", output=["unused"])
    node.attribute.add(name="value", type=onnx.AttributeProto.TENSOR).t.CopyFrom(
        TensorProto(name="hidden", data_type=1, data_location=TensorProto.EXTERNAL)
    )


def not_finite(model: onnx.ModelProto) -> None:
    table = numpy_helper.to_array(model.graph.initializer[0]).copy()
    table[:] = np.nan
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(table, "table"))


def few_tokens(model: onnx.ModelProto) -> None:
    table = numpy_helper.to_array(model.graph.initializer[0])[:3].copy()
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(table, "table"))


def few_labels(model: onnx.ModelProto) -> None:
    table = numpy_helper.to_array(model.graph.initializer[0])[:, :3].copy()
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(table, "table"))
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 3


def other_input(model: onnx.ModelProto) -> None:
    model.graph.input[1].name = "mask_of_attention"
    model.graph.node[1].input[0] = "mask_of_attention"


def unknown_operation(model: onnx.ModelProto) -> None:
    model.graph.node[0].op_type = "NoSuchOperation"


def other_output(model: onnx.ModelProto) -> None:
    model.graph.output[0].name = "scores"
    model.graph.node[-1].output[0] = "scores"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (external, "the tensor 'table', which is held in another file"),
        (external_in_a_branch, "the tensor 'hidden', which is held in another file"),
        (not_finite, "an output that is no finite number"),
        (few_tokens, "model.onnx: "),
        (few_labels, "outputs of the shape (1, 3) for 6 labels"),
        (other_input, "inputs input_ids, mask_of_attention"),
        (other_output, "outputs scores"),
        (unknown_operation, "NoSuchOperation"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_graph_that_imbtool_did_not_write_is_refused(
    change: Change, told: str, project: Path, imbtool: Imbtool
) -> None:
    write_exported(CHECKPOINT, FOLDER, change)
    result = imbtool("predict", FOLDER, "test.csv", "-o", "out.csv")
    assert result.exit_code == 2
    assert told in result.stderr
    assert result.stdout == ""
    assert not Path("out.csv").exists()


@pytest.mark.parametrize("name", [ONNX, "tokenizer.json", "config.json"])
@pytest.mark.parametrize("how", ["missing", "flipped", "empty"])
def test_a_damaged_file_is_refused(name: str, how: str, project: Path) -> None:
    write_exported(CHECKPOINT, FOLDER)
    path = FOLDER / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    if how == "missing":
        path.unlink()
    else:
        path.write_bytes(content if how == "flipped" else b"")
    told = "no file" if how == "missing" else "other bytes than imbtool.json has the sha256 of"
    with pytest.raises(UserError, match=told):
        read_checkpoint(FOLDER)


@pytest.mark.parametrize("content", [b"", b"no graph", b"\x08\x07\xff\xff\xff"])
def test_bytes_that_are_no_graph_are_refused(content: bytes, project: Path) -> None:
    write_exported(CHECKPOINT, FOLDER)
    (FOLDER / ONNX).write_bytes(content)
    change_meta({})
    with pytest.raises(UserError, match="as `imbtool export` wrote it"):
        read_checkpoint(FOLDER)


def test_a_graph_that_cannot_be_computed_is_told_from_a_text_that_cannot_be_read(
    project: Path,
) -> None:
    write_exported(CHECKPOINT, FOLDER)
    model = read_checkpoint(FOLDER).text_model.model
    with pytest.raises(ModelError, match=ONNX):
        model(torch.tensor([[10**6]]))


def test_a_graph_without_a_digest_is_refused(project: Path) -> None:
    write_exported(CHECKPOINT, FOLDER)
    document = json.loads((FOLDER / "imbtool.json").read_text())
    del document["digests"][ONNX]
    (FOLDER / "imbtool.json").write_text(json.dumps(document))
    with pytest.raises(UserError, match=r"no sha256 of model\.onnx"):
        read_checkpoint(FOLDER)


def test_a_digest_names_no_file_outside_the_folder(project: Path) -> None:
    write_exported(CHECKPOINT, FOLDER)
    document = json.loads((FOLDER / "imbtool.json").read_text())
    document["digests"]["../profile.yaml"] = "0" * 64
    (FOLDER / "imbtool.json").write_text(json.dumps(document))
    with pytest.raises(UserError, match="digests"):
        read_checkpoint(FOLDER)


def test_an_int8_model_says_where_it_was_measured_if_that_was_elsewhere(
    project: Path, imbtool: Imbtool, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_exported(CHECKPOINT, FOLDER)
    export = {"precision": "int8-static", "processor": "another one", "accepted": False}
    change_meta({"export": export})
    monkeypatch.setattr(exported, "processor", lambda: "this one")
    result = imbtool("predict", FOLDER, "test.csv", "-o", "out.csv")
    assert result.exit_code == 0
    assert "was measured on another one; this is this one" in result.stderr
    change_meta({"export": export | {"processor": "this one"}})
    result = imbtool("predict", FOLDER, "test.csv", "-o", "out2.csv")
    assert "was measured on" not in result.stderr


def test_a_missing_package_is_named_with_its_extra(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_exported(CHECKPOINT, FOLDER)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(UserError, match=r"pip install 'imbtool\[onnx\]'"):
        read_checkpoint(FOLDER)


def test_onnxruntime_sends_nothing_and_leaves_nothing_at_home(project: Path) -> None:
    write_exported(CHECKPOINT, FOLDER)
    Path("home").mkdir()
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("XDG", "ORT"))
    }
    script = (
        "from pathlib import Path\n"
        "from imbtool import read_checkpoint\n"
        f"read_checkpoint(Path({str(FOLDER)!r})).logits(['a knife'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**kept, "HOME": str(project / "home")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not list((project / "home").rglob("*onnxruntime*"))
