"""The features of a pool are computed once: a killed search goes on, a second one reads them."""

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from imbtool.errors import TextError, UserError
from imbtool.search.features import FeatureFile, blocks, feature_key

TEXTS = [f"text {number}" for number in range(10)]


class Encoder:
    """Its features are the last character of each text; it breaks off before a text."""

    def __init__(self, breaks_at: str = "") -> None:
        self.read: list[str] = []
        self._breaks_at = breaks_at

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        if self._breaks_at in texts:
            raise KeyboardInterrupt
        self.read += texts
        return np.array([[float(text[-1]), 1.0] for text in texts], dtype=np.float32)


def quiet(line: str) -> None:
    """Nobody listens."""


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch):
    monkeypatch.setattr("imbtool.search.features.TEXTS_AT_ONCE", 4)
    monkeypatch.setattr("imbtool.search.features.LINE_EVERY", 0.0)


def test_features_are_written_once_and_read_from_the_file_afterwards(tmp_path):
    file, encoder = FeatureFile(tmp_path / "cache", "key"), Encoder()
    first = file.read(TEXTS, 2, encoder, quiet)
    assert encoder.read == TEXTS
    second = file.read(TEXTS, 2, encoder, quiet)
    assert encoder.read == TEXTS
    assert first.tolist() == second.tolist() == [[number, 1] for number in range(10)]
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["key.npy"]


def test_a_killed_search_goes_on_where_it_was(tmp_path):
    file, stopped, again = FeatureFile(tmp_path, "key"), Encoder("text 9"), Encoder()
    with pytest.raises(KeyboardInterrupt):
        file.read(TEXTS, 2, stopped, quiet)
    assert not file.path.exists()
    assert stopped.read == TEXTS[:8]
    features = file.read(TEXTS, 2, again, quiet)
    assert again.read == TEXTS[8:]
    assert features[:, 0].tolist() == list(range(10))


def test_a_half_written_file_that_nothing_is_known_of_is_begun_anew(tmp_path):
    file, again = FeatureFile(tmp_path, "key"), Encoder()
    with pytest.raises(KeyboardInterrupt):
        file.read(TEXTS, 2, Encoder("text 9"), quiet)
    (tmp_path / "key.part.json").unlink()
    assert file.read(TEXTS, 2, again, quiet)[:, 0].tolist() == list(range(10))
    assert again.read == TEXTS


@pytest.mark.parametrize("content", [b"", b"no array", "cut"])
def test_a_damaged_file_is_written_anew(tmp_path, content):
    file, encoder = FeatureFile(tmp_path, "key"), Encoder()
    file.read(TEXTS, 2, Encoder(), quiet)
    whole = file.path.read_bytes()
    file.path.write_bytes(whole[:-4] if content == "cut" else content)
    assert file.read(TEXTS, 2, encoder, quiet)[:, 0].tolist() == list(range(10))
    assert encoder.read == TEXTS
    assert file.path.read_bytes() == whole


def test_a_draft_of_another_shape_is_begun_anew(tmp_path):
    file, again = FeatureFile(tmp_path, "key"), Encoder()
    with pytest.raises(KeyboardInterrupt):
        file.read(TEXTS, 2, Encoder("text 9"), quiet)
    np.save(tmp_path / "key.part.npy", np.zeros((3, 2), dtype=np.float16))
    assert file.read(TEXTS, 2, again, quiet)[:, 0].tolist() == list(range(10))
    assert again.read == TEXTS


def test_other_texts_or_another_encoder_have_another_key():
    assert feature_key("pool", {"model": "a"}, 24) == feature_key("pool", {"model": "a"}, 24)
    others = {
        feature_key("pool", {"model": "b"}, 24),
        feature_key("pool", {"model": "a"}, 25),
        feature_key("other", {"model": "a"}, 24),
    }
    assert len(others | {feature_key("pool", {"model": "a"}, 24)}) == 4


def test_values_beyond_half_precision_are_cut_to_it(tmp_path):
    def compute(texts: Sequence[str]) -> NDArray[np.float32]:
        return np.full((len(texts), 1), 1e6, dtype=np.float32)

    features = FeatureFile(tmp_path, "key").read(TEXTS, 1, compute, quiet)
    assert features.dtype == np.float16
    assert np.isfinite(features).all()


def test_progress_is_told_and_the_row_of_a_text_that_cannot_be_read(tmp_path):
    told: list[str] = []
    FeatureFile(tmp_path, "key").read(TEXTS, 2, Encoder(), told.append)
    assert told[-1] == "the encoder has read 10 of 10 texts"

    def fails(texts: Sequence[str]) -> NDArray[np.float32]:
        if "text 6" in texts:
            raise TextError(texts.index("text 6"), "text 6", "no token", "delete it")
        return np.zeros((len(texts), 2), dtype=np.float32)

    with pytest.raises(UserError, match="row 7 of the pool"):
        FeatureFile(tmp_path, "other").read(TEXTS, 2, fails, quiet)


def test_blocks_cover_all_features_in_order():
    features = np.arange(10, dtype=np.float16)[:, None]
    found = list(blocks(features, rows=4))
    assert [place.start for place, _ in found] == [0, 4, 8]
    assert np.concatenate([block for _, block in found]).ravel().tolist() == list(range(10))
