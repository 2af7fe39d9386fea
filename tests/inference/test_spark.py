"""A checkpoint as a function of Spark's columns labels texts as predict does."""

import json
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
import torch

from imbtool import predict, read_checkpoint, spark_udf
from imbtool.errors import UserError
from imbtool.inference import predictor, spark
from imbtool.trained.checkpoint import Checkpoint

PAGE = Path(__file__).parents[2] / "docs" / "at-scale.md"
RUN = Path("runs/first")
cloudpickle = pytest.importorskip("pyspark.cloudpickle", reason="pyspark is not installed")


@pytest.fixture(autouse=True)
def as_in_a_new_process() -> Iterator[None]:
    """No model is loaded yet."""
    threads = torch.get_num_threads()
    spark._predictor.cache_clear()
    yield
    spark._predictor.cache_clear()
    torch.set_num_threads(threads)


@pytest.fixture
def expected(project: Path) -> pd.DataFrame:
    """What predict makes of the test table."""
    return predicted()


def predicted(calibrated: bool = False) -> pd.DataFrame:
    frames = predict(read_checkpoint(RUN), Path("test.csv"), calibrated=calibrated)
    return pd.concat(frames, ignore_index=True)


def names_in(cells: pd.Series) -> list[list[str]]:  # type: ignore[type-arg]
    return [cell.split("|") if cell else [] for cell in cells]


@pytest.mark.parametrize("calibrated", [False, True])
def test_labels_and_probabilities_are_those_of_predict(project: Path, calibrated: bool) -> None:
    expected = predicted(calibrated)
    label = spark_udf(RUN, probabilities=True, calibrated=calibrated)
    structs = label.func(pa.array(expected["text"])).to_pylist()
    assert list(structs[0]) == label.returnType.names == ["labels", "probabilities"]
    assert [each["labels"] for each in structs] == names_in(expected["predicted"])
    for name in ("threats", "violence"):
        shown = [dict(each["probabilities"])[name] for each in structs]
        assert shown == expected[f"p:{name}"].tolist()


def test_probabilities_are_left_out_unless_asked_for(expected: pd.DataFrame) -> None:
    label = spark_udf(str(RUN))
    (struct,) = label.func(pa.array(expected["text"][:1])).to_pylist()
    assert list(struct) == label.returnType.names == ["labels"]


def test_no_rows_get_the_same_fields(project: Path) -> None:
    label = spark_udf(RUN, probabilities=True)
    nothing, something = (label.func(pa.array(texts, pa.string())) for texts in ([], ["a text"]))
    assert (len(nothing), nothing.type) == (0, something.type)


def test_a_process_loads_the_model_once_and_computes_in_one_thread(
    expected: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads = []

    def counted(folder: Path, trusted: bool) -> Checkpoint:
        loads.append(folder)
        return read_checkpoint(folder, trusted)

    monkeypatch.setattr(predictor, "read_checkpoint", counted)
    sent = cloudpickle.dumps(spark_udf(RUN).func)
    torch.set_num_threads(2)
    for _ in range(2):  # tasks
        structs = cloudpickle.loads(sent)(pa.array(expected["text"])).to_pylist()
        assert [each["labels"] for each in structs] == names_in(expected["predicted"])
    assert len(loads) == 1
    assert torch.get_num_threads() == 1
    assert len(sent) < 10_000


def test_a_later_checkpoint_at_the_same_path_is_another_model(expected: pd.DataFrame) -> None:
    texts = pa.array(expected["text"])
    before = spark_udf(RUN).func(texts).to_pylist()
    file = RUN / "checkpoint" / "imbtool.json"
    meta = json.loads(file.read_text())
    for label in meta["labels"].values():
        label["threshold"] = 1.0
    file.write_text(json.dumps(meta))
    after = spark_udf(RUN).func(texts).to_pylist()
    assert before != after == [{"labels": []}] * 60


def test_another_number_of_columns_is_refused(expected: pd.DataFrame) -> None:
    with pytest.raises(UserError, match="2 columns"):
        spark_udf(RUN).func(*[pa.array(expected["text"])] * 2)


def test_a_folder_without_checkpoint_is_refused_before_anything_is_sent(project: Path) -> None:
    with pytest.raises(UserError, match="a checkpoint"):
        spark_udf("runs/none")


def test_without_pyspark_the_extra_is_named(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyspark.sql", None)
    with pytest.raises(UserError, match=re.escape("pip install 'imbtool[spark]'")):
        spark_udf(RUN)


@pytest.fixture
def two_processes(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A Spark of this machine with two Python processes, which programs get."""
    from pyspark.sql import SparkSession

    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)
    builder = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
    session = builder.config("spark.driver.bindAddress", "127.0.0.1").getOrCreate()
    yield
    session.stop()


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(not shutil.which("java"), reason="Spark needs a JRE: no `java` in the path")
def test_the_program_of_the_docs_gives_what_predict_gives(
    expected: pd.DataFrame, two_processes: None
) -> None:
    Path("shards").mkdir()
    for part in range(2):
        rows = expected[["id", "text"]][30 * part : 30 * part + 30]
        rows.to_parquet(f"shards/{part}.parquet")
    programs = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), flags=re.DOTALL)
    (program,) = (each for each in programs if "pyspark" in each)
    exec(compile(program.replace("runs/NAME", "runs/first"), str(PAGE), "exec"), {})
    labelled = pd.read_parquet("labelled").set_index("id").loc[expected["id"]]
    structs = labelled["predicted"]
    assert [list(each["labels"]) for each in structs] == names_in(expected["predicted"])
    for name in ("threats", "violence"):
        shown = [dict(each["probabilities"])[name] for each in structs]
        assert shown == pytest.approx(expected[f"p:{name}"].tolist())
