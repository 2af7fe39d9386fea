"""Encoders of four families turn texts into logits, whatever stands beside them in a batch."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from encoders import KINDS, make_encoder
from tokenizers import processors
from transformers import (
    BartConfig,
    BartForSequenceClassification,
    GPT2Config,
    GPT2ForSequenceClassification,
)

from imbtool.config.schema import ModelSection
from imbtool.errors import UserError
from imbtool.formats.cells import COLUMN_MARK
from imbtool.model.encoder import COST_A_FORWARD, TextModel, load_encoder, load_trained
from imbtool.model.encoder_files import public_name
from imbtool.model.head import head_layer
from imbtool.model.tokenize import column_joiner

NAMES = ["abuse", "insults", "threats"]
TEXTS = ["a knife", "the people walk to the market and talk " * 6, "", "camera", "stupid heroes"]


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Each family in turn."""
    return str(request.param)


@pytest.fixture(scope="module")
def folder(kind: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An encoder folder of the family whose tokenizer sets no limit of its own."""
    folder = make_encoder(kind, tmp_path_factory.mktemp(kind) / "encoder", corpus=TEXTS)
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"model_max_length": 10**9}))
    return folder


def load(folder: Path, max_length: int = 32, names: list[str] = NAMES) -> TextModel:
    """The encoder with a fresh head."""
    torch.manual_seed(0)
    return load_encoder(ModelSection(encoder=str(folder), max_length=max_length), names)


def test_logits_of_a_text_do_not_depend_on_its_batch(folder: Path) -> None:
    model = load(folder)
    alone = np.concatenate([model.logits([text]) for text in TEXTS])
    assert np.abs(alone).max() > 1e-2
    np.testing.assert_allclose(model.logits(TEXTS), alone, atol=1e-5)
    np.testing.assert_allclose(model.logits(TEXTS[::-1])[::-1], alone, atol=1e-5)


def test_short_texts_are_not_padded_to_a_long_one(folder: Path) -> None:
    model = load(folder)
    encoded = model.encode(["camera"] * 30 + [TEXTS[1]])
    padding = 30 * (len(encoded[-1]) - len(encoded[0]))
    assert padding > COST_A_FORWARD["cpu", torch.float32], "costs more than another pass"

    def groups() -> list[list[int]]:
        return [rows.tolist() for rows, _ in model.forward_all(encoded)]

    assert groups() == [[30], [*range(30)]]
    model.model.to(torch.bfloat16)  # type: ignore[arg-type]
    assert groups() == [[30, *range(30)]]


def test_tokens_of_a_text_do_not_depend_on_its_batch(folder: Path) -> None:
    model = load(folder)
    assert model.encode(TEXTS) == [model.encode([text])[0] for text in TEXTS]
    assert max(map(len, model.encode(TEXTS))) == model.max_length == 32
    assert model.encode([]) == []


def test_a_text_without_any_token_has_logits_too(folder: Path) -> None:
    model = load(folder)
    model.tokenizer.backend_tokenizer.post_processor = processors.Sequence([])
    assert model.encode([""]) == [[]]
    alone = model.logits([""])
    np.testing.assert_allclose(model.logits(["", "a knife"])[:1], alone, atol=1e-5)
    assert np.isfinite(alone).all()


def test_an_encoder_with_a_decoder_reads_a_text_that_writes_its_end_mark(tmp_path: Path) -> None:
    tokenizer = load(make_encoder("roberta", tmp_path / "roberta", corpus=TEXTS)).tokenizer
    size = {"d_model": 8, "encoder_layers": 1, "decoder_layers": 1, "encoder_ffn_dim": 8}
    heads = {"encoder_attention_heads": 1, "decoder_attention_heads": 1, "decoder_ffn_dim": 8}
    ids = {name: getattr(tokenizer, name) for name in ("bos_token_id", "eos_token_id")}
    config = BartConfig(vocab_size=len(tokenizer), **size, **heads, **ids)
    model = TextModel(BartForSequenceClassification(config).eval(), tokenizer, 32)
    assert np.isfinite(model.logits(["a </s> b", "knife"])).all()


def test_columns_of_a_text_are_read_as_the_tokenizers_own_pair(folder: Path) -> None:
    model = load(folder)
    pairs = [("a knife", "the people walk"), ("Camera!", "2 heroes")]
    texts = [COLUMN_MARK.join(pair) for pair in pairs]
    own = [model.tokenizer(*pair)["input_ids"] for pair in pairs]
    assert model.encode(texts) == own
    assert model.encode([model.joiner.join(pair) for pair in pairs]) == own


def test_without_a_separator_columns_are_two_lines(folder: Path) -> None:
    tokenizer = load(folder).tokenizer
    tokenizer.sep_token = None
    assert column_joiner(tokenizer) == "\n"


def test_a_model_in_training_is_left_in_training(folder: Path) -> None:
    model = load(folder)
    model.model.train()
    first, second = model.logits(TEXTS), model.logits(TEXTS)
    assert model.model.training
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("labels", [3, 32], ids=["3-labels", "as-many-labels-as-features"])
def test_the_output_of_the_head_layer_are_the_logits(folder: Path, labels: int) -> None:
    model = load(folder, names=[f"label {number}" for number in range(labels)])
    layer = head_layer(model.model)
    assert layer is not None
    seen: list[torch.Tensor] = []
    layer.register_forward_hook(lambda _, inputs, output: seen.append(output))
    logits = model.logits(["a knife"])
    np.testing.assert_array_equal(seen[-1].reshape(1, -1).numpy(), logits)


@pytest.mark.parametrize("names", [NAMES[::-1], [*NAMES, "praise"]], ids=["same", "other"])
def test_a_classifier_of_any_number_of_labels_gets_a_fresh_head(
    names: list[str], folder: Path, tmp_path: Path
) -> None:
    trained = load(folder)
    for parameter in trained.model.parameters():
        torch.nn.init.ones_(parameter)
    trained.model.save_pretrained(tmp_path)
    trained.tokenizer.save_pretrained(tmp_path)
    kept = load_trained(tmp_path, NAMES, 32, "truncate").model
    first, again = (load(tmp_path, names=names).model for _ in range(2))
    old, new, same = (head_layer(model).weight for model in (kept, first, again))
    assert (old == 1).all()
    assert new.shape[0] == len(names)
    assert not (new == 1).any()
    assert torch.equal(new, same)
    assert all((each == 1).all() for each in first.base_model.parameters())
    assert first.config.id2label == dict(enumerate(names))


def test_other_weights_that_do_not_fit_are_an_error(folder: Path, tmp_path: Path) -> None:
    model = load(folder)
    model.model.save_pretrained(tmp_path)
    model.tokenizer.save_pretrained(tmp_path)
    path = tmp_path / "config.json"
    changed = json.loads(path.read_text()) | {"intermediate_size": 48}
    path.write_text(json.dumps(changed))
    with pytest.raises(UserError, match="another shape than config"):
        load(tmp_path)


def test_a_decoder_has_no_head_that_sees_one_row_a_text() -> None:
    config = GPT2Config(n_embd=8, n_layer=1, n_head=1, vocab_size=9, num_labels=3)
    assert head_layer(GPT2ForSequenceClassification(config)) is None


def test_the_positions_of_the_encoder_limit_the_length(folder: Path, kind: str) -> None:
    model = load(folder, max_length=1000)
    # 130 positions, of which RoBERTa's first two are not for tokens
    assert model.max_length == (128 if kind == "roberta" else 130)
    assert model.tokenizer.model_max_length == model.max_length
    assert len(model.encode(["market " * 1000])[0]) == model.max_length
    assert np.isfinite(model.logits(["market " * 1000])).all()


def test_names_of_the_labels_are_in_the_config(folder: Path) -> None:
    config = load(folder).model.config
    assert config.id2label == dict(enumerate(NAMES))
    assert config.problem_type == "multi_label_classification"


@pytest.mark.parametrize(
    ("encoder", "name"),
    [
        ("bundled", "sentence-transformers/all-MiniLM-L6-v2"),
        ("FacebookAI/roberta-base", "FacebookAI/roberta-base"),
        ("/home/someone/secret/encoder", "encoder"),
    ],
)
def test_an_encoder_is_named_without_its_path(encoder: str, name: str) -> None:
    assert public_name(encoder) == name
