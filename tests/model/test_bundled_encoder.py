"""The tiny encoder folders behave like checkpoints of the families they imitate."""

from pathlib import Path

import pytest
import torch
from encoders import KINDS, MAX_TOKENS, make_encoder
from safetensors.torch import load_file
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

LABELS = 5
CORPUS = (
    "The parcel never arrived and nobody answers the phone.",
    "Great battery, poor screen, fair price!",
    "How do I reset the password of my second account?",
    "The refund was issued to the wrong account, twice.",
    "Naïve café owners enjoy the new menu 😀",
)
SHORT = "Great battery!"
BATCH = [SHORT, CORPUS[2], CORPUS[4], "An unseen, much longer text " * 3]


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Each family in turn."""
    return str(request.param)


@pytest.fixture(scope="module")
def folder(kind: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An encoder folder of the family."""
    return make_encoder(kind, tmp_path_factory.mktemp(kind) / "encoder", corpus=CORPUS)


@pytest.fixture(scope="module")
def tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    """The tokenizer as a user loads it."""
    return AutoTokenizer.from_pretrained(folder)


@pytest.fixture(scope="module", params=["default", "eager"])
def model(folder: Path, request: pytest.FixtureRequest) -> PreTrainedModel:
    """A classifier over the encoder, in evaluation mode, per attention implementation."""
    choice = {} if request.param == "default" else {"attn_implementation": request.param}
    return AutoModelForSequenceClassification.from_pretrained(
        folder,
        num_labels=LABELS,
        problem_type="multi_label_classification",
        dtype=torch.float32,
        **choice,
    ).eval()


def _logits(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, texts: list[str]
) -> torch.Tensor:
    """Return the logits of `texts` run as one padded batch."""
    batch = tokenizer(texts, padding=True, truncation=True, return_tensors="pt")
    with torch.inference_mode():
        return model(**batch).logits


def test_forward_gives_finite_distinct_logits(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast
) -> None:
    logits = _logits(model, tokenizer, BATCH)
    assert logits.shape == (len(BATCH), LABELS)
    assert logits.dtype == torch.float32
    assert torch.isfinite(logits).all()
    assert (logits.std(dim=0) > 1e-3).all()


def test_padding_does_not_change_logits(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast
) -> None:
    alone = torch.cat([_logits(model, tokenizer, [text]) for text in BATCH])
    torch.testing.assert_close(_logits(model, tokenizer, BATCH), alone, atol=1e-5, rtol=0)


def test_longest_accepted_text_runs(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast
) -> None:
    batch = tokenizer("word " * 10 * MAX_TOKENS, truncation=True)
    assert len(batch["input_ids"]) == tokenizer.model_max_length == MAX_TOKENS
    assert torch.isfinite(_logits(model, tokenizer, ["word " * 10 * MAX_TOKENS])).all()


def test_tokenizer_frames_and_pads(tokenizer: PreTrainedTokenizerFast) -> None:
    batch = tokenizer(BATCH, padding=True)
    for ids, mask in zip(batch["input_ids"], batch["attention_mask"], strict=True):
        length = sum(mask)
        assert ids[0] == tokenizer.cls_token_id
        assert ids[length - 1] == tokenizer.sep_token_id
        assert mask == [1] * length + [0] * (len(ids) - length)
        assert set(ids[length:]) <= {tokenizer.pad_token_id}


def test_tokenizer_knows_its_corpus(tokenizer: PreTrainedTokenizerFast) -> None:
    ids = tokenizer(list(CORPUS))["input_ids"]
    assert all(tokenizer.unk_token_id not in row for row in ids)
    plain = tokenizer.decode(ids[2], skip_special_tokens=True)
    assert plain.strip().lower() == CORPUS[2].lower()


def test_saved_tokenizer_gives_same_ids(tokenizer: PreTrainedTokenizerFast, tmp_path: Path) -> None:
    tokenizer.save_pretrained(tmp_path)
    again = AutoTokenizer.from_pretrained(tmp_path)
    assert type(again) is type(tokenizer)
    assert dict(again(BATCH)) == dict(tokenizer(BATCH))


def test_same_seed_gives_same_folder(kind: str, folder: Path, tmp_path: Path) -> None:
    torch.manual_seed(99)
    before = torch.get_rng_state()
    again = make_encoder(kind, tmp_path / "again", corpus=CORPUS)
    assert torch.equal(torch.get_rng_state(), before)
    names = {path.name for path in folder.iterdir()}
    assert names == {path.name for path in again.iterdir()}
    assert all((folder / name).read_bytes() == (again / name).read_bytes() for name in names)


def test_other_seed_gives_other_weights(kind: str, folder: Path, tmp_path: Path) -> None:
    other = make_encoder(kind, tmp_path / "other", corpus=CORPUS, seed=1)
    ours, theirs = (load_file(path / "model.safetensors") for path in (folder, other))
    assert ours.keys() == theirs.keys()
    assert any(not torch.equal(ours[name], theirs[name]) for name in ours)
