"""A checkpoint as a function of batches gives what predict gives, whatever the batch is made of."""

import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from imbtool import Predictor, predict, read_checkpoint
from imbtool.errors import UserError

RUN = Path("runs/first")


@pytest.fixture
def expected(project: Path) -> pd.DataFrame:
    """What predict makes of the test table."""
    return pd.concat(predict(read_checkpoint(RUN), Path("test.csv")))


@pytest.fixture
def table(expected: pd.DataFrame) -> pd.DataFrame:
    return expected[["id", "text", "labels"]]


def through_pickle(predictor: Predictor) -> Predictor:
    return pickle.loads(pickle.dumps(predictor))


def test_a_frame_gets_the_columns_of_predict(table: pd.DataFrame, expected: pd.DataFrame) -> None:
    odd = table.set_axis(range(7, 7 + len(table)))
    batch = through_pickle(Predictor(RUN))(odd)
    pd.testing.assert_frame_equal(batch, expected.set_axis(odd.index))


def test_a_dict_of_arrays_gets_arrays(table: pd.DataFrame, expected: pd.DataFrame) -> None:
    arrays = {name: table[name].to_numpy() for name in table}
    batch = through_pickle(Predictor(str(RUN)))(arrays)
    assert list(batch) == list(expected)
    for name in expected:
        np.testing.assert_array_equal(batch[name], expected[name].to_numpy())
    assert list(arrays) == ["id", "text", "labels"]


def test_an_arrow_table_keeps_its_types(table: pd.DataFrame, expected: pd.DataFrame) -> None:
    given = pa.table({"text": table["text"].tolist(), "at": pa.array(range(60), pa.int16())})
    batch = through_pickle(Predictor(RUN))(given)
    assert batch.schema.field("at").type == pa.int16()
    assert batch.column_names == ["text", "at", *expected.columns[3:]]
    assert batch["predicted"].to_pylist() == expected["predicted"].tolist()
    assert batch["p:threats"].to_pylist() == expected["p:threats"].tolist()


def test_the_model_is_loaded_once_and_is_not_pickled(table: pd.DataFrame) -> None:
    predictor = Predictor(RUN)
    predictor(table)
    assert predictor._checkpoint is predictor._checkpoint
    assert len(pickle.dumps(predictor)) < 10_000
    assert through_pickle(predictor)(table).equals(predictor(table))


def test_a_predictor_finds_its_checkpoint_from_another_folder(
    table: pd.DataFrame, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    predictor = through_pickle(Predictor(RUN))
    monkeypatch.chdir(tmp_path)
    assert len(predictor(table)) == 60


def test_no_rows_get_the_same_columns(table: pd.DataFrame, expected: pd.DataFrame) -> None:
    assert list(Predictor(RUN)(table[:0]).columns) == list(expected.columns)


def test_options_are_those_of_predict(table: pd.DataFrame) -> None:
    calibrated = pd.concat(predict(read_checkpoint(RUN), Path("test.csv"), calibrated=True))
    renamed = table.rename(columns={"text": "words"})
    batch = through_pickle(Predictor(RUN, text="words", calibrated=True))(renamed)
    pd.testing.assert_frame_equal(batch.iloc[:, 3:], calibrated.iloc[:, 3:])


@pytest.mark.parametrize(
    ("columns", "said"),
    [({"txt": ["a"]}, "a column 'text'"), ({"text": ["a"], "predicted": ["b"]}, "predicted")],
)
def test_columns_that_do_not_fit_are_refused(
    project: Path, columns: dict[str, list[str]], said: str
) -> None:
    for batch in (
        pd.DataFrame(columns),
        pa.table(columns),
        {name: np.array(cells) for name, cells in columns.items()},
    ):
        with pytest.raises(UserError, match=said):
            Predictor(RUN)(batch)


def test_a_folder_without_checkpoint_is_refused_before_anything_is_sent(project: Path) -> None:
    with pytest.raises(UserError, match="a checkpoint"):
        Predictor("runs/none")
