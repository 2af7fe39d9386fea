"""The nearest training texts and their say, by hand-made features."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

from imbtool.errors import UserError
from imbtool.model.knn import (
    FILE,
    NEAREST,
    TEMPERATURE,
    KnnIndex,
    interpolated,
    make_knn_index,
    read_knn_index,
)

EAST, NORTH, WEST = [1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]
UNKNOWN = math.nan


def neighbours(features: list[list[float]], targets: list[list[float]]) -> KnnIndex:
    return make_knn_index(torch.tensor(features), np.array(targets, dtype=np.float32))


def opinion(of: KnnIndex, *features: list[float]) -> np.ndarray:
    return of(torch.tensor(features)).numpy()


def test_a_nearer_text_counts_more_by_its_cosine() -> None:
    two = neighbours([EAST, NORTH], [[1, 0], [0, 1]])
    near = 1 / (1 + math.exp(-1 / TEMPERATURE))
    assert opinion(two, EAST)[0] == pytest.approx([near, 1 - near])
    assert opinion(two, [1.0, 1.0])[0] == pytest.approx([0.5, 0.5])


def test_the_length_of_features_says_nothing() -> None:
    two = neighbours([[9.0, 0.0], [0.0, 0.1]], [[1], [0]])
    assert opinion(two, [2.0, 2.0], [700.0, 700.0]) == pytest.approx(0.5)


def test_only_the_nearest_are_heard() -> None:
    crowd = neighbours([EAST] * NEAREST + [WEST] * 1000, [[1]] * NEAREST + [[0]] * 1000)
    assert opinion(crowd, EAST) == pytest.approx(1.0)


def test_who_does_not_know_has_no_say() -> None:
    two = neighbours([EAST, NORTH], [[UNKNOWN, UNKNOWN], [1, UNKNOWN]])
    said = opinion(two, EAST)[0]
    assert said[0] == pytest.approx(1.0)
    assert math.isnan(said[1])


LOGITS = st.floats(-30, 30)
PROBABILITIES = st.floats(0, 1)


@given(LOGITS, PROBABILITIES, st.floats(0.01, 0.99))
def test_probabilities_are_mixed(logit: float, said: float, share: float) -> None:
    result = interpolated(torch.tensor([logit]), torch.tensor([said]), share)
    logit, said = float(torch.tensor(logit)), float(torch.tensor(said))  # as fp32 has them
    own = 1 / (1 + math.exp(-logit))
    expected = (1 - share) * own + share * said
    assert float(torch.sigmoid(result)) == pytest.approx(expected, rel=1e-6, abs=1e-12)
    assert result.isfinite().all()


def test_without_a_share_or_an_opinion_the_logit_stays() -> None:
    logits, nothing = torch.tensor([2.5, -1.0]), torch.tensor([math.nan, math.nan])
    assert interpolated(logits, torch.tensor([0.1, 0.9]), 0.0).tolist() == [2.5, -1.0]
    assert interpolated(logits, nothing, 0.3).tolist() == [2.5, -1.0]


def test_a_folder_gives_them_back(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(80, 6)).tolist()
    targets = rng.choice([0, 1, UNKNOWN], size=(80, 3)).tolist()
    before = neighbours(features, targets)
    before.save(tmp_path)
    after = read_knn_index(tmp_path, 80, 3, 6)
    assert torch.equal(after.targets, before.targets)
    # thresholds are chosen by what is remembered, and what was kept decides by them
    assert torch.equal(after.features, before.features)


@pytest.mark.parametrize("content", [None, b"half"], ids=["missing", "damaged"])
def test_a_file_that_cannot_be_read_is_named(content: bytes | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / FILE).write_bytes(content)
    with pytest.raises(UserError, match=FILE):
        read_knn_index(tmp_path, 1, 1, 2)


FEATURES = torch.tensor([EAST, NORTH, WEST], dtype=torch.float16)
TARGETS = torch.tensor([[1, 0], [0, -1], [1, 1]], dtype=torch.int8)
DAMAGED = {
    "no tensors": ({}, "the tensors"),
    "another tensor": ({"features": FEATURES, "labels": TARGETS}, "features, labels"),
    "a text less": ({"features": FEATURES[:2], "targets": TARGETS}, "features of shape"),
    "features of another model": ({"features": FEATURES[:, :1], "targets": TARGETS}, "features of"),
    "features in a row": ({"features": FEATURES.flatten(), "targets": TARGETS}, "features of"),
    "features as integers": ({"features": FEATURES.long(), "targets": TARGETS}, "torch.int64"),
    "targets of a text": ({"features": FEATURES, "targets": TARGETS[:1]}, "targets of shape"),
    "a label more": ({"features": FEATURES, "targets": TARGETS.repeat(1, 2)}, "targets of shape"),
    "targets as floats": ({"features": FEATURES, "targets": TARGETS.float()}, "torch.float32"),
    "NaN": ({"features": FEATURES * math.nan, "targets": TARGETS}, "length 1"),
    "infinity": ({"features": FEATURES + math.inf, "targets": TARGETS}, "length 1"),
    "no directions": ({"features": FEATURES * 2, "targets": TARGETS}, "length 1"),
    "another target": ({"features": FEATURES, "targets": TARGETS + 1}, "targets other than"),
}


@pytest.mark.parametrize(("tensors", "found"), DAMAGED.values(), ids=DAMAGED)
def test_neighbours_of_another_shape_or_kind_are_refused(
    tensors: dict[str, torch.Tensor], found: str, tmp_path: Path
) -> None:
    save_file({name: each.contiguous() for name, each in tensors.items()}, tmp_path / FILE)
    with pytest.raises(UserError, match=found):
        read_knn_index(tmp_path, 3, 2, 2)


def test_whole_ones_are_read(tmp_path: Path) -> None:
    save_file({"features": FEATURES, "targets": TARGETS}, tmp_path / FILE)
    assert torch.equal(read_knn_index(tmp_path, 3, 2, 2).targets, TARGETS)
