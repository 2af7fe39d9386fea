"""A text longer than the encoder reads at once: its beginning, head and tail, or windows of it."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from encoders import KINDS, make_encoder
from torch import Tensor, nn
from transformers import PreTrainedConfig

from imbtool.config.schema import LongTexts, ModelSection
from imbtool.model.encoder import TextModel, load_encoder, max_over_windows
from imbtool.model.long_texts import windows_of

NAMES = ["abuse", "insults", "threats"]
LONG = "the people walk to the market and talk " * 9 + "knife"
SHORT = ["a knife", "", "stupid heroes", "camera"]
WAYS: tuple[LongTexts, ...] = ("truncate", "head-tail", "windows")
WIDTH = 24


@pytest.fixture(scope="module", params=KINDS)
def truncating(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):
    """An encoder of each family that reads the beginning of a text."""
    folder = tmp_path_factory.mktemp(request.param) / "encoder"
    make_encoder(request.param, folder, corpus=[LONG, *SHORT])
    torch.manual_seed(0)
    return load_encoder(ModelSection(encoder=str(folder), max_length=WIDTH), NAMES)


@pytest.fixture
def windowed(truncating: TextModel) -> TextModel:
    """The same, reading windows."""
    return replace(truncating, long_texts="windows")


def test_the_profile_says_what_is_read(tmp_path: Path):
    make_encoder("bert", tmp_path / "encoder", corpus=[LONG])
    for way in WAYS:
        section = ModelSection(encoder=str(tmp_path / "encoder"), long_texts=way)
        assert load_encoder(section, NAMES).long_texts == way
    assert ModelSection().long_texts == "truncate"


@pytest.mark.parametrize("way", WAYS)
def test_texts_that_fit_are_read_alike_to_the_last_bit(truncating: TextModel, way: LongTexts):
    model = replace(truncating, long_texts=way)
    assert model.encode(SHORT) == truncating.encode(SHORT)
    np.testing.assert_array_equal(model.logits(SHORT), truncating.logits(SHORT))


def test_head_and_tail_fill_what_is_read_at_once(truncating: TextModel):
    whole = truncating.tokenizer(LONG)["input_ids"]
    (ids,) = replace(truncating, long_texts="head-tail").encode([LONG])
    room = WIDTH - 2
    assert len(ids) == WIDTH
    assert ids == whole[: 1 + room // 4] + whole[-1 - (room - room // 4) :]


def test_a_text_has_the_highest_logit_of_its_windows(truncating: TextModel, windowed: TextModel):
    (ids,) = windowed.encode([LONG])
    windows = [ids[at : at + WIDTH] for at in range(0, len(ids), WIDTH)]
    assert len(windows) > 2
    expected = truncating.logits_of(windows).max(axis=0)
    np.testing.assert_allclose(windowed.logits([LONG])[0], expected, atol=1e-5)


def test_logits_of_long_texts_do_not_depend_on_what_is_read_with_them(windowed: TextModel):
    texts = [SHORT[0], LONG, *SHORT[1:], LONG[60:], LONG[:150]]
    alone = np.concatenate([windowed.logits([text]) for text in texts])
    np.testing.assert_allclose(windowed.logits(texts), alone, atol=1e-5)
    np.testing.assert_allclose(windowed.logits(texts[::-1])[::-1], alone, atol=1e-5)


def test_a_batch_has_a_row_for_each_window(windowed: TextModel):
    encoded = windowed.encode([SHORT[0], LONG])
    batch, windows = windowed.batch(encoded), windowed.windows(encoded)
    assert windows[0] == 1 and windows[1] > 2
    assert batch["input_ids"].shape == (sum(windows), WIDTH)
    assert batch["attention_mask"].sum() == sum(map(len, encoded))


def test_windows_are_padded_on_the_side_of_the_tokenizer(windowed: TextModel, monkeypatch):
    encoded = windowed.encode([LONG, "a knife"])
    windows = [window for ids in encoded for window in windows_of(ids, WIDTH)]
    assert len(windows[-1]) < WIDTH
    for side in ("right", "left"):
        monkeypatch.setattr(windowed.tokenizer, "padding_side", side)
        batch = windowed.batch(encoded)
        for window, row, mask in zip(
            windows, batch["input_ids"], batch["attention_mask"], strict=True
        ):
            read = slice(len(window)) if side == "right" else slice(WIDTH - len(window), None)
            assert row[read].tolist() == list(window)
            assert mask[read].all() and mask.sum() == len(window)


def test_a_book_is_read_by_so_many_windows_and_no_more(windowed: TextModel):
    encoded = windowed.encode([LONG * 100, LONG])
    assert [len(ids) >= windowed.most_tokens for ids in encoded] == [True, False]
    assert windowed.windows(encoded)[0] == 16


class Spotter(nn.Module):
    """Its only logit is 3 where a token stands among those it reads, else -3."""

    def __init__(self, token: int) -> None:
        super().__init__()
        self.token, self.config = token, PreTrainedConfig(num_labels=1)
        self.device, self.dtype = torch.device("cpu"), torch.float32

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> SimpleNamespace:
        found = (input_ids == self.token).any(dim=1, keepdim=True)
        return SimpleNamespace(logits=torch.where(found, 3.0, -3.0))


@pytest.mark.parametrize(("at", "found"), [(0, (1, 1, 1)), (170, (0, 0, 1)), (398, (0, 1, 1))])
def test_evidence_is_found_where_it_is_read(
    truncating: TextModel, at: int, found: tuple[int, int, int]
):
    tokenizer = truncating.tokenizer
    words = ["heroes"] * 400
    words[at] = "knife"
    text = " ".join(words)
    only = set(tokenizer(text)["input_ids"]) - set(tokenizer("heroes heroes")["input_ids"])
    model = replace(truncating, model=Spotter(only.pop()), max_length=60)
    logits = [replace(model, long_texts=way).logits([text]).item() for way in WAYS]
    assert logits == [3.0 if each else -3.0 for each in found]


def test_only_the_window_with_the_highest_logit_learns():
    output = torch.tensor([[0.0, 5.0], [1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    logits = max_over_windows(output, [1, 2])
    assert logits.tolist() == [[0.0, 5.0], [3.0, 4.0]]
    logits.sum().backward()
    assert output.grad is not None
    assert output.grad.tolist() == [[1.0, 1.0], [0.0, 0.0], [1.0, 1.0]]
