"""Tokens are those of the encoder's own tokenizer, counted without its weights."""

import json
from pathlib import Path

import pytest
from analyses import healthy_corpus
from encoders import make_encoder

from imbtool.config.schema import ModelSection
from imbtool.errors import UserError
from imbtool.formats.cells import COLUMN_MARK
from imbtool.model import tokenize, very_long_texts
from imbtool.model.encoder import count_tokens, load_encoder


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("encoder") / "bert"
    make_encoder("bert", folder, corpus=healthy_corpus().train.texts)
    return folder


def test_tokens_are_those_that_the_model_reads(encoder: Path):
    corpus, section = healthy_corpus(), ModelSection(encoder=str(encoder), max_length=64)
    corpus.train.texts[0] = f"alpha{COLUMN_MARK}bravo delta"
    counted = count_tokens(corpus, section)
    encoded = load_encoder(section, corpus.labels.names).encode(corpus.train.texts)
    assert counted.counts["train"].tolist() == [len(ids) for ids in encoded]


def test_no_text_is_cut_and_the_limit_is_what_the_encoder_reads(encoder: Path):
    corpus = healthy_corpus()
    corpus.test.texts[0] = "alpha " * 5000
    counted = count_tokens(corpus, ModelSection(encoder=str(encoder), max_length=10))
    assert counted.limit == 10
    assert counted.counts["test"][0] >= 5000


def test_with_windows_the_limit_is_what_all_of_them_hold(encoder: Path):
    corpus, width = healthy_corpus(), 10
    section = ModelSection(encoder=str(encoder), max_length=width, long_texts="windows")
    # 16 windows of 8 tokens and two special ones; all but the first add 6
    limit = count_tokens(corpus, section).limit
    assert limit == 8 + 15 * 6 + 2
    model = load_encoder(section, corpus.labels.names)
    whole, cut = model.encode(["alpha " * (limit - 2), "alpha " * (limit - 1)])
    assert len(whole) == len(cut) == 16 * width == model.most_tokens
    head_tail = section.model_copy(update={"long_texts": "head-tail"})
    assert count_tokens(corpus, head_tail).limit == width


def test_many_texts_are_sampled(encoder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("imbtool.model.encoder.SAMPLED_TEXTS", 30)
    counted = count_tokens(healthy_corpus(), ModelSection(encoder=str(encoder)))
    assert {name: len(rows) for name, rows in counted.rows.items()} == dict.fromkeys(
        ("train", "validation", "test"), 10
    )
    assert all(len(counted.counts[name]) == len(rows) for name, rows in counted.rows.items())


def test_an_encoder_that_is_not_there_is_said(tmp_path: Path):
    with pytest.raises(UserError, match=r"model\.encoder"):
        count_tokens(healthy_corpus(), ModelSection(encoder=str(tmp_path / "absent")))


@pytest.mark.parametrize("kind", ["bert", "roberta"])
def test_the_limit_is_no_more_than_the_positions_of_the_encoder(tmp_path: Path, kind: str):
    corpus = healthy_corpus()
    folder = make_encoder(kind, tmp_path / kind, corpus=corpus.train.texts)
    settings = folder / "tokenizer_config.json"
    document = json.loads(settings.read_text())
    document.pop("model_max_length", None)
    settings.write_text(json.dumps(document))
    section = ModelSection(encoder=str(folder), max_length=1000)
    read = load_encoder(section, corpus.labels.names).max_length
    assert count_tokens(corpus, section).limit == read < 1000


def test_a_very_long_text_is_counted_in_pieces(encoder: Path, monkeypatch: pytest.MonkeyPatch):
    corpus, section = healthy_corpus(), ModelSection(encoder=str(encoder))
    corpus.train.texts[1] = "alpha bravo delta " * 300
    whole = count_tokens(corpus, section).counts["train"].tolist()
    for module in (tokenize, very_long_texts):
        monkeypatch.setattr(module, "AT_ONCE", 500)
    assert count_tokens(corpus, section).counts["train"].tolist() == whole


@pytest.mark.parametrize("step", ["column_joiner", "special_tokens_of"])
def test_a_tokenizer_that_fails_at_any_step_is_said(
    encoder: Path, step: str, monkeypatch: pytest.MonkeyPatch
):
    def fails(tokenizer: object) -> None:
        raise IndexError("list index out of range")

    monkeypatch.setattr(tokenize, step, fails)
    with pytest.raises(UserError, match=r"^the tokenizer in .*\n.*IndexError"):
        count_tokens(healthy_corpus(), ModelSection(encoder=str(encoder)))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("config.json", "null"),
        ("config.json", '{"model_type": "bert", "num_attention_heads": 0}'),
        ("tokenizer.json", '{"model": null}'),
        ("tokenizer_config.json", "[]"),
    ],
)
def test_an_encoder_that_is_damaged_is_said(tmp_path: Path, name: str, content: str):
    make_encoder("bert", tmp_path, corpus=healthy_corpus().train.texts)
    (tmp_path / name).write_text(content)
    with pytest.raises(UserError, match=r"model\.encoder"):
        count_tokens(healthy_corpus(), ModelSection(encoder=str(tmp_path)))
