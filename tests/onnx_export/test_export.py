"""`imbtool export` writes a graph that decides as the checkpoint does, or nothing."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from conftest import Imbtool, read_csv
from encoders import KINDS, MORE_KINDS, make_encoder
from onnx import numpy_helper

from imbtool.onnx_export import export as exporting
from imbtool.onnx_export.onnx_graph import write_graph
from imbtool.trained.card import DECIDE_BY_ONNX, model_card
from imbtool.trained.checkpoint import Checkpoint, read_checkpoint

CHECKPOINT = Path("runs/first/checkpoint")
FOLDER = Path("exported")
PAGE = Path(__file__).parents[2] / "docs" / "export.md"
TEXTS = [
    "the people walk with a knife",
    "camera " * 200,
    "stupid",
    " ",
    "naïve café 漢字 😀 مرحبا",
    "two\nlines\tand\u00a0spaces",
    "[SEP] <b> [bold]",
]
Change = Callable[[onnx.ModelProto], None]


def read_json(path: Path) -> Any:
    """A JSON document."""
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def graph(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The graph of the trained model, which torch takes seconds to export."""
    path = tmp_path_factory.mktemp("graph") / "model.onnx"
    write_graph(read_checkpoint(trained / "runs" / "first"), path)
    return path


@pytest.fixture
def exported_once(graph: Path, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the place of torch's exporter: the graph that it has written."""
    monkeypatch.setattr(exporting, "write_graph", lambda _, path: shutil.copy(graph, path))


@pytest.fixture
def spoilt(graph: Path, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the place of torch's exporter: a graph whose logits are higher by 1."""

    def write(_: Checkpoint, path: Path) -> None:
        model = onnx.load(graph)
        last = next(node for node in model.graph.node if "logits" in node.output)
        (bias,) = (each for each in model.graph.initializer if each.name == last.input[2])
        bias.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(bias) + 1, bias.name))
        onnx.save(model, path)

    monkeypatch.setattr(exporting, "write_graph", write)


def make_severe(*names: str) -> None:
    """Put labels of the checkpoint into the severe tier."""
    document = read_json(CHECKPOINT / "imbtool.json")
    for name in names:
        document["labels"][name]["tier"] = "severe"
    (CHECKPOINT / "imbtool.json").write_text(json.dumps(document))


def write_texts() -> None:
    rows = [json.dumps({"text": text}) + "\n" for text in TEXTS]
    Path("in.jsonl").write_text("".join(rows))


def predicted(imbtool: Imbtool, folder: Path) -> list[dict[str, Any]]:
    result = imbtool("predict", folder, "in.jsonl", "--json")
    assert result.exit_code == 0, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_an_exported_folder_predicts_as_its_checkpoint(
    exported_once: None, imbtool: Imbtool
) -> None:
    result = imbtool("export", "runs/first", "-o", FOLDER)
    assert result.exit_code == 0, result.stderr
    assert f"next: imbtool predict {FOLDER}" in result.stderr
    write_texts()
    for ours, theirs in zip(
        predicted(imbtool, FOLDER), predicted(imbtool, CHECKPOINT), strict=True
    ):
        assert ours["predicted"] == theirs["predicted"]
        for name in (name for name in theirs if name.startswith("p:")):
            assert ours[name] == pytest.approx(theirs[name], abs=1e-5)


def test_the_folder_holds_what_was_measured(exported_once: None, imbtool: Imbtool) -> None:
    result = imbtool("export", "runs/first", "-o", FOLDER, "--json")
    report = read_json(FOLDER / "export.json")
    assert json.loads(result.stdout) == report
    (fp32,) = report["candidates"]
    assert (report["written"], report["accepted"], report["texts"]) == ("fp32", False, 60)
    assert fp32["agreement"]["differing"] == 0
    assert fp32["agreement"]["largest_difference"] <= 1e-4
    meta = read_json(FOLDER / "imbtool.json")
    assert meta["export"]["precision"] == "fp32"
    others = {"imbtool.json", "export.json", "README.md"}
    assert meta["digests"].keys() == {path.name for path in FOLDER.iterdir()} - others
    assert (FOLDER / "README.md").read_text() == model_card(read_checkpoint(FOLDER).meta)


def test_ten_lines_decide_as_predict_does_without_torch(
    exported_once: None, imbtool: Imbtool
) -> None:
    assert imbtool("export", "runs/first", "-o", FOLDER).exit_code == 0
    write_texts()
    code = DECIDE_BY_ONNX.replace("FOLDER", str(FOLDER))
    script = (
        "import sys\n"
        "for name in ('torch', 'transformers', 'imbtool'):\n"
        "    sys.modules[name] = None\n"
        f"{code}\nprint(json.dumps([sorted(decide(text)) for text in {TEXTS!r}]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    ours = [sorted(filter(None, row["predicted"].split("|"))) for row in predicted(imbtool, FOLDER)]
    assert json.loads(done.stdout) == ours


def test_the_card_and_the_docs_decide_with_the_same_lines(
    exported_once: None, imbtool: Imbtool
) -> None:
    assert imbtool("export", "runs/first", "-o", FOLDER).exit_code == 0
    for page in (PAGE, FOLDER / "README.md"):
        (code,) = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
        assert code == DECIDE_BY_ONNX


def test_a_graph_that_decides_otherwise_is_not_written(spoilt: None, imbtool: Imbtool) -> None:
    result = imbtool("export", "runs/first", "-o", FOLDER)
    assert result.exit_code == 1
    assert "it never should" in result.stdout
    assert "nothing was written" in result.stderr
    assert not FOLDER.exists()
    assert imbtool("export", "runs/first", "-o", FOLDER, "--int8").exit_code == 1
    assert not FOLDER.exists()


def test_what_was_accepted_says_so(spoilt: None, imbtool: Imbtool) -> None:
    result = imbtool("export", "runs/first", "-o", FOLDER, "--accept", "--data", "test.csv")
    assert result.exit_code == 0, result.stderr
    assert read_json(FOLDER / "imbtool.json")["export"]["accepted"] is True
    assert "though it does not keep all that it should" in (FOLDER / "README.md").read_text()


def test_int8_has_thresholds_and_intervals_for_each_label(
    exported_once: None, imbtool: Imbtool
) -> None:
    make_severe("threats")
    result = imbtool("export", "runs/first", "-o", FOLDER, "--int8", "--accept")
    assert result.exit_code == 0, result.stderr
    report, meta = read_json(FOLDER / "export.json"), read_json(FOLDER / "imbtool.json")
    precisions = [each["precision"] for each in report["candidates"]]
    assert precisions == ["fp32", "int8-dynamic", "int8-static", "int8-blocks"]
    assert report["written"] == meta["export"]["precision"]
    before = read_json(CHECKPOINT / "imbtool.json")["labels"]
    thresholds = [
        {name: label["threshold"] for name, label in labels.items()}
        for labels in (meta["labels"], before)
    ]
    written = next(each for each in report["candidates"] if each["precision"] == report["written"])
    assert (thresholds[0] == thresholds[1]) is (written["thresholds"] == "kept")
    assert meta["threshold_rule"] == read_json(CHECKPOINT / "imbtool.json")["threshold_rule"]
    for each in report["candidates"][1:]:
        threats = each["comparison"]["labels"]["threats"]["average_precision"]
        assert threats["low"] <= threats["value"] <= threats["high"]
        assert each["alone"]["decisions"] == 60 * 6
    graph = onnx.load(FOLDER / "model.onnx")
    kinds = {node.op_type for node in graph.graph.node}
    assert kinds & {"MatMulInteger", "QuantizeLinear", "MatMulNBits"}
    assert imbtool("predict", FOLDER, "test.csv", "-o", "out.csv").exit_code == 0


def test_a_static_graph_reads_a_text_alone_as_in_a_batch(
    exported_once: None, imbtool: Imbtool
) -> None:
    result = imbtool("export", "runs/first", "-o", FOLDER, "--int8", "--json")
    dynamic, static, _ = json.loads(result.stdout)["candidates"][1:]
    assert static["alone"]["largest_difference"] < 1e-6 < dynamic["alone"]["largest_difference"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["runs/first", "-o", "runs"], "choose another -o"),
        (["nowhere", "-o", "out"], "no such folder"),
        (["alone", "-o", "out"], "name a table with --data"),
        (["alone", "-o", "out", "--data", "test.csv", "--int8"], "leave out --int8"),
        (["code", "-o", "out"], "auto_map"),
        (["runs/first", "-o", "out", "--data", "nowhere.csv"], "nowhere.csv"),
    ],
)
def test_what_cannot_be_exported_is_refused_in_words(
    arguments: list[str], told: str, project: Path, imbtool: Imbtool
) -> None:
    shutil.copytree(CHECKPOINT.resolve(), "alone")
    shutil.copytree(CHECKPOINT.resolve(), "code")
    config = read_json(Path("code/config.json"))
    config["auto_map"] = {"AutoConfig": "configuration.Config"}
    Path("code/config.json").write_text(json.dumps(config))
    result = imbtool("export", *arguments)
    assert result.exit_code == 2
    assert told in result.stderr
    assert not Path("out").exists()


def test_an_exported_folder_is_not_exported_again(exported_once: None, imbtool: Imbtool) -> None:
    assert imbtool("export", "runs/first", "-o", FOLDER).exit_code == 0
    result = imbtool("export", FOLDER, "-o", "out", "--data", "test.csv")
    assert result.exit_code == 2
    assert "an exported folder" in result.stderr


def test_a_model_that_torch_cannot_export_is_refused_in_words(
    project: Path, imbtool: Imbtool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("data-dependent\nand so on")

    monkeypatch.setattr("torch.onnx.export", fail)
    result = imbtool("export", "runs/first", "-o", FOLDER)
    assert result.exit_code == 2
    assert "data-dependent" in result.stderr
    assert not FOLDER.exists()


def test_a_model_above_two_gib_is_refused(
    project: Path, imbtool: Imbtool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imbtool.onnx_export.onnx_graph.MOST_BYTES", 1000)
    result = imbtool("export", "runs/first", "-o", FOLDER)
    assert result.exit_code == 2
    assert "which one ONNX file can hold" in result.stderr


def test_a_graph_contains_weights_of_words(project: Path, imbtool: Imbtool) -> None:
    train = imbtool("train", "-p", "profile.yaml", "--run", "words", "--set", "training.words=true")
    assert train.exit_code == 0, train.stderr
    assert read_checkpoint(Path("runs/words")).text_model.words is not None
    result = imbtool("export", "runs/words", "-o", FOLDER)
    assert result.exit_code == 0, result.stderr
    assert "words" not in read_json(FOLDER / "imbtool.json")
    assert not (FOLDER / "words.safetensors").exists()
    write_texts()
    ours, theirs = predicted(imbtool, FOLDER), predicted(imbtool, Path("runs/words"))
    for row, expected in zip(ours, theirs, strict=True):
        assert row["predicted"] == expected["predicted"]
        assert row["p:threats"] == pytest.approx(expected["p:threats"], abs=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [*KINDS, *MORE_KINDS])
def test_every_family_is_exported(kind: str, project: Path, imbtool: Imbtool) -> None:
    shutil.rmtree("encoder")
    corpus = [row["text"] for row in read_csv(Path("train.csv"))]
    make_encoder(kind, Path("encoder"), corpus=corpus)
    train = imbtool("train", "-p", "profile.yaml", "--run", kind, "--set", "training.epochs=1")
    assert train.exit_code == 0, train.stderr
    result = imbtool("export", f"runs/{kind}", "-o", FOLDER, "--json")
    assert result.exit_code == 0, result.stderr
    write_texts()
    for ours, theirs in zip(
        predicted(imbtool, FOLDER), predicted(imbtool, Path("runs") / kind), strict=True
    ):
        assert ours["predicted"] == theirs["predicted"]


@pytest.mark.slow
@pytest.mark.parametrize("long_texts", ["windows", "head-tail"])
@pytest.mark.parametrize("addition", ["neighbours", "words"])
def test_additions_and_long_texts_count_as_in_the_checkpoint(
    addition: str, long_texts: str, project: Path, imbtool: Imbtool
) -> None:
    sets = (f"training.{addition}=true", f"model.long_texts={long_texts}", "model.max_length=8")
    options = [word for each in sets for word in ("--set", each)]
    train = imbtool("train", "-p", "profile.yaml", "--run", "near", *options)
    assert train.exit_code == 0, train.stderr
    near = read_checkpoint(Path("runs/near"))
    assert (near.knn is not None) == (addition == "neighbours")
    assert (near.text_model.words is not None) == (addition == "words")
    result = imbtool("export", "runs/near", "-o", FOLDER)
    assert result.exit_code == 0, result.stderr
    exported = read_checkpoint(FOLDER)
    assert (exported.knn is None) == (near.knn is None)
    texts = [row["text"] for row in read_csv(Path("test.csv"))]
    ours, theirs = exported.probabilities(texts), near.probabilities(texts)
    assert ours == pytest.approx(theirs, abs=1e-4)
    assert np.array_equal(exported.decide(ours), near.decide(theirs))
