"""Requests are predicted together, in their order, and no request pays for another's text."""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from imbtool.errors import TextError
from imbtool.serving.batching import Batcher, Batching
from imbtool.serving.limits import Refused
from imbtool.serving.served_model import Predicted

PATIENT = Batching(texts=6, wait=60.0)
SOON = Batching(texts=6, wait=0.0)
BAD = "bad"


class Lengths:
    """Stands for a model: the logit of a text is its length; one text makes it fail."""

    def __init__(self, name: str = "first", at_once: int = 1) -> None:
        self.name, self.at_once = name, at_once
        self.batches: list[list[str]] = []
        self.alone: list[bool] = []
        self.may_go_on = threading.Event()
        self.may_go_on.set()
        self.has_begun = threading.Event()

    def predict(self, texts: Sequence[str], alone: bool) -> Predicted:
        self.batches.append([*texts])
        self.alone.append(alone)
        self.has_begun.set()
        assert self.may_go_on.wait(timeout=60)
        if BAD in texts:
            raise TextError(texts.index(BAD), BAD, "no end", "leave it out")
        logits = np.array([[float(len(text))] for text in texts])
        return Predicted(self, logits, logits > 3)  # type: ignore[arg-type]


MakeBatcher = Callable[..., Batcher]


@pytest.fixture
def make_batcher() -> Any:
    made: list[Batcher] = []

    def make(model: Lengths, batching: Batching = SOON, most: int = 100) -> Batcher:
        made.append(Batcher(model, batching, most, lambda texts: None))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for batcher in made:
        batcher.close()
        batcher.join()


def lengths(future: Any) -> list[float]:
    return [row[0] for row in future.result(timeout=60).logits]


def test_requests_that_come_together_are_one_batch(make_batcher: MakeBatcher) -> None:
    model = Lengths()
    batcher = make_batcher(model, PATIENT)
    futures = [batcher.submit(texts) for texts in (["a", "bb"], ["ccc"], ["dddd", "e", "f"])]
    assert [lengths(future) for future in futures] == [[1, 2], [3], [4, 1, 1]]
    assert model.batches == [["a", "bb", "ccc", "dddd", "e", "f"]]


def test_a_request_alone_is_predicted_after_the_wait(make_batcher: MakeBatcher) -> None:
    model = Lengths()
    batcher = make_batcher(model, Batching(texts=6, wait=0.01))
    assert lengths(batcher.submit(["a"])) == [1]


def test_a_request_is_never_divided(make_batcher: MakeBatcher) -> None:
    model = Lengths()
    model.may_go_on.clear()
    batcher = make_batcher(model)
    first = batcher.submit(["now"])
    assert model.has_begun.wait(timeout=60)
    later = [batcher.submit(["x"] * count) for count in (4, 3, 9, 1)]
    model.may_go_on.set()
    assert [len(lengths(future)) for future in (first, *later)] == [1, 4, 3, 9, 1]
    assert [len(batch) for batch in model.batches] == [1, 4, 3, 9, 1]


def test_a_text_that_makes_the_model_fail_fails_its_own_request_only(
    make_batcher: MakeBatcher,
) -> None:
    model = Lengths()
    batcher = make_batcher(model, PATIENT)
    before, bad, after = (batcher.submit(texts) for texts in (["a", "bb"], ["c", BAD], ["d", "e"]))
    assert lengths(before) == [1, 2]
    assert lengths(after) == [1, 1]
    with pytest.raises(TextError) as failed:
        bad.result(timeout=60)
    assert failed.value.place == 1, "among the texts of its request"
    assert batcher.open_texts == 0


class Panic(BaseException):
    """As the Rust parts of tokenizers raise."""


def test_a_panic_reaches_who_waits_and_the_thread_goes_on(
    make_batcher: MakeBatcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Lengths()
    batcher = make_batcher(model)
    with monkeypatch.context() as patch:
        patch.setattr(model, "predict", lambda texts, alone: (_ for _ in ()).throw(Panic(texts[0])))
        with pytest.raises(RuntimeError, match=r"^Panic$"):
            batcher.submit(["secret"]).result(timeout=60)
    assert lengths(batcher.submit(["a"])) == [1]


def test_a_full_queue_says_its_limit_and_has_room_again(make_batcher: MakeBatcher) -> None:
    model = Lengths()
    model.may_go_on.clear()
    batcher = make_batcher(model, most=3)
    taken = [batcher.submit(["a"]), batcher.submit(["b", "c"])]
    with pytest.raises(Refused) as refused:
        batcher.submit(["d"])
    assert refused.value.status == 429
    assert "3 texts" in refused.value.sentence
    model.may_go_on.set()
    assert [len(lengths(future)) for future in taken] == [1, 2]
    assert lengths(batcher.submit(["d", "e", "f"])) == [1, 1, 1]


def test_a_closed_queue_finishes_what_it_has_and_takes_nothing_more(
    make_batcher: MakeBatcher,
) -> None:
    model = Lengths()
    model.may_go_on.clear()
    batcher = make_batcher(model, PATIENT)
    taken = [batcher.submit(["a"]), batcher.submit(["b"])]
    batcher.close()
    with pytest.raises(Refused) as refused:
        batcher.submit(["c"])
    assert refused.value.status == 503
    model.may_go_on.set()
    batcher.join()
    assert [lengths(future) for future in taken] == [[1], [1]]
    assert not batcher.alive


def test_another_model_answers_from_the_next_batch_on(make_batcher: MakeBatcher) -> None:
    old, new = Lengths("old"), Lengths("new")
    old.may_go_on.clear()
    batcher = make_batcher(old)
    begun = batcher.submit(["a"])
    assert old.has_begun.wait(timeout=60)
    waiting = batcher.submit(["b"])
    batcher.replace(new)  # type: ignore[arg-type]
    old.may_go_on.set()
    names = [future.result(timeout=60).model.name for future in (begun, waiting)]
    assert names == ["old", "new"]


def test_a_request_that_nobody_waits_for_any_more_costs_nothing_and_stops_nobody(make_batcher):
    model = Lengths()
    batcher = make_batcher(model)
    model.may_go_on.clear()
    first = batcher.submit(["one"])
    assert model.has_begun.wait(timeout=60)
    gone, second = batcher.submit(["gone"]), batcher.submit(["four"])
    assert gone.cancel()
    assert not first.cancel()
    model.may_go_on.set()
    assert (lengths(first), lengths(second)) == ([3.0], [4.0])
    assert model.batches == [["one"], ["four"]]
    assert batcher.alive
    batcher.close()
    batcher.join()
    assert batcher.open_texts == 0


def wait_for_batches(model: Lengths, count: int) -> None:
    until = time.monotonic() + 60
    while len(model.batches) < count:
        assert time.monotonic() < until
        time.sleep(0.001)


def test_two_batches_are_predicted_at_a_time_where_the_model_can(make_batcher: MakeBatcher) -> None:
    model = Lengths(at_once=2)
    model.may_go_on.clear()
    batcher = make_batcher(model)
    futures = [batcher.submit(["a"])]
    wait_for_batches(model, 1)
    futures.append(batcher.submit(["bb"]))
    wait_for_batches(model, 2)
    futures.append(batcher.submit(["ccc"]))
    assert batcher.open_texts == 3
    model.may_go_on.set()
    assert [lengths(future) for future in futures] == [[1], [2], [3]]
    assert model.batches == [["a"], ["bb"], ["ccc"]]
    assert model.alone[:2] == [True, False]


def test_one_batch_is_predicted_at_a_time_where_the_model_cannot(make_batcher: MakeBatcher) -> None:
    model = Lengths()
    model.may_go_on.clear()
    batcher = make_batcher(model)
    futures = [batcher.submit(["a"])]
    wait_for_batches(model, 1)
    futures += [batcher.submit(["bb"]), batcher.submit(["ccc"])]
    time.sleep(0.05)
    assert model.batches == [["a"]]
    model.may_go_on.set()
    assert [lengths(future) for future in futures] == [[1], [2], [3]]
    assert model.batches == [["a"], ["bb", "ccc"]]
    assert model.alone == [True, True]


def test_requests_are_shared_out_between_two_batches(make_batcher: MakeBatcher) -> None:
    model = Lengths(at_once=2)
    model.may_go_on.clear()
    batcher = make_batcher(model, PATIENT)
    for text in "abcdef":
        batcher.submit([text])
    wait_for_batches(model, 2)
    assert model.batches == [["a", "b", "c"], ["d", "e", "f"]], "six are all that a batch waits for"
    assert model.alone == [False, False]
    model.may_go_on.set()


def test_a_batch_waits_until_it_is_as_large_as_the_other(make_batcher: MakeBatcher) -> None:
    model = Lengths(at_once=2)
    model.may_go_on.clear()
    batcher = make_batcher(model, PATIENT)
    batcher.submit(["a"] * 6)
    wait_for_batches(model, 1)
    for text in "bcdef":
        batcher.submit([text])
    time.sleep(0.05)
    assert len(model.batches) == 1
    batcher.submit(["g"])
    wait_for_batches(model, 2)
    assert model.batches[1] == ["b", "c", "d", "e", "f", "g"]
    model.may_go_on.set()
