"""A stream is scored as predict scores it, and nothing of its texts is kept."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from imbtool.errors import UserError
from imbtool.monitoring import stream as stream_module
from imbtool.monitoring.stream import read_stream, validation_scores
from imbtool.trained.checkpoint import read_checkpoint

RUN = Path("runs/first")


def test_a_stream_has_the_logits_that_the_model_gives_its_texts(project: Path):
    checkpoint = read_checkpoint(RUN)
    seen: list[str] = []
    stream = read_stream(checkpoint, Path("test.csv"), visit=seen.extend)
    texts = pd.read_csv("test.csv", dtype=str)["text"].tolist()
    assert seen == texts
    np.testing.assert_allclose(stream.logits, checkpoint.logits(texts), atol=1e-5)
    assert stream.groups == [] and len(stream.group) == 0


def test_a_folder_is_one_stream(project: Path):
    shards = project / "shards"
    shards.mkdir()
    for month, table in (("january", "validation.csv"), ("february", "test.csv")):
        (shards / f"{month}.csv").write_text(Path(table).read_text())
    checkpoint = read_checkpoint(RUN)
    parts = [read_stream(checkpoint, shards / f"{month}.csv") for month in ("february", "january")]
    together = read_stream(checkpoint, shards)
    logits = np.concatenate([part.logits for part in parts])
    np.testing.assert_allclose(together.logits, logits, atol=1e-5)


def test_texts_are_found_again_by_their_rows(project: Path):
    stream = read_stream(read_checkpoint(RUN), Path("test.csv"))
    texts = pd.read_csv("test.csv", dtype=str)["text"].tolist()
    rows = np.array([7, 0, len(texts) - 1])
    assert stream.cells_of(rows) == {row: {"text": texts[row]} for row in rows.tolist()}


def test_each_text_has_the_group_that_its_column_says(project: Path):
    frame = pd.read_csv("test.csv", dtype=str)
    frame["month"] = [("02", "01", "03")[row % 3] for row in range(len(frame))]
    frame.to_csv("months.csv", index=False)
    stream = read_stream(read_checkpoint(RUN), Path("months.csv"), by="month")
    assert stream.groups == ["01", "02", "03"]
    assert [stream.groups[place] for place in stream.group] == frame["month"].tolist()


def test_a_column_with_a_value_for_each_text_is_refused(
    project: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(stream_module, "MOST_GROUPS", 3)
    with pytest.raises(UserError, match="more than 3 values in the column 'text'"):
        read_stream(read_checkpoint(RUN), Path("test.csv"), by="text")


def test_a_stream_without_rows_is_refused(project: Path):
    Path("empty.csv").write_text("text\n")
    with pytest.raises(UserError, match="no rows"):
        read_stream(read_checkpoint(RUN), Path("empty.csv"))


def test_validation_is_scored_as_the_thresholds_were_chosen(project: Path):
    checkpoint = read_checkpoint(RUN)
    scores = validation_scores(checkpoint)
    positives = [label.validation_positives for label in checkpoint.meta.labels.values()]
    assert (scores.targets == 1).sum(axis=0).tolist() == positives
    assert scores.logits.shape == scores.targets.shape


def test_a_checkpoint_without_its_run_has_no_validation(project: Path):
    (RUN / "manifest.json").unlink()
    with pytest.raises(UserError, match="no run around"):
        validation_scores(read_checkpoint(RUN))
