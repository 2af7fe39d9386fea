"""What threads share of a model gives each the same as if it were alone."""

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from imbtool.model.knn import make_knn_index
from imbtool.serving.served_model import MOST_BATCHES, ServedModel, batches_at_once, load_model

SHORT, CUT = "a knife", "knife " * 60
FAR_LONGER = "knife " * 20_000


@pytest.fixture(scope="module")
def model(trained: Path) -> ServedModel:
    return load_model(trained / "runs" / "first")


@pytest.fixture
def _two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def _turns_of_a_microsecond() -> Iterator[None]:
    """Threads interrupt each other as often as can be."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("_turns_of_a_microsecond")
def test_texts_are_tokenised_alike_whatever_another_thread_tokenises(model: ServedModel) -> None:
    text_model = model.checkpoint.text_model
    batches = [[SHORT], [CUT], [FAR_LONGER], [SHORT, CUT, FAR_LONGER]] * 40
    alone = [text_model.encode(texts) for texts in batches]
    with ThreadPoolExecutor(4) as pool:
        assert [*pool.map(text_model.encode, batches)] == alone


@pytest.mark.usefixtures("_two_threads")
def test_a_batch_has_all_threads_alone_and_its_share_beside_another(model: ServedModel) -> None:
    shared = replace(model, at_once=2, threads=2)
    alone = shared.predict([SHORT])
    assert torch.get_num_threads() == 2
    beside = shared.predict([SHORT], alone=False)
    assert torch.get_num_threads() == 1
    np.testing.assert_allclose(alone.logits, beside.logits, atol=1e-5)


def test_two_threads_predict_what_one_predicts(model: ServedModel) -> None:
    batches = [["a knife", f"text {number}"] for number in range(40)]
    alone = [model.predict(texts).logits for texts in batches]
    with ThreadPoolExecutor(2) as pool:
        together = [*pool.map(lambda texts: model.predict(texts).logits, batches)]
    np.testing.assert_allclose(together, alone, atol=1e-5)


@pytest.mark.usefixtures("_two_threads")
def test_a_model_reads_one_batch_at_a_time_where_threads_would_share_more_than_weights(
    model: ServedModel,
) -> None:
    checkpoint = model.checkpoint
    assert batches_at_once(checkpoint, trust_remote_code=False) == MOST_BATCHES
    assert batches_at_once(checkpoint, trust_remote_code=True) == 1
    labels = len(checkpoint.labels.names)
    index = make_knn_index(torch.ones(3, 8), np.zeros((3, labels), np.float32))
    assert batches_at_once(replace(checkpoint, knn=index), trust_remote_code=False) == 1
    torch.set_num_threads(1)
    assert batches_at_once(checkpoint, trust_remote_code=False) == 1


@pytest.mark.usefixtures("_two_threads")
def test_a_model_that_is_read_anew_has_the_threads_of_the_one_before(
    model: ServedModel, trained: Path
) -> None:
    replace(model, at_once=2, threads=2).predict([SHORT], alone=False)
    with ThreadPoolExecutor(1) as pool:
        again = pool.submit(load_model, trained / "runs" / "first", False, 2).result()
    assert (again.threads, again.at_once) == (2, MOST_BATCHES)
