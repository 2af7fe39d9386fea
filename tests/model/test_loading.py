"""Models are loaded whole or refused, with what is wrong; nothing leads elsewhere."""

import json
import math
import os
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from encoders import KINDS, make_encoder
from safetensors.torch import load_file, save_file
from transformers import AutoModel, PreTrainedConfig

from imbtool.config.schema import ModelSection
from imbtool.errors import UserError
from imbtool.model import loading
from imbtool.model.encoder import TextModel, load_encoder, load_trained

NAMES = ["abuse", "insults", "threats"]
TEXTS = ["a knife", "the people walk to the market and talk", "stupid heroes"]
SMALL: dict[str, Any] = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
FEED = {"intermediate_size": 16}
OTHERS: dict[str, dict[str, Any]] = {
    "DistilBert": {"dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 16},
    "MPNet": SMALL | FEED,
    "XLNet": {"d_model": 16, "n_layer": 2, "n_head": 2, "d_inner": 16},
    "Electra": SMALL | FEED | {"embedding_size": 8},
    "Albert": SMALL | FEED | {"embedding_size": 8, "num_hidden_groups": 1},
    "Bart": {
        "d_model": 16,
        **{f"{part}_{key}": 2 for part in ("encoder", "decoder") for key in ("layers",)},
        **{f"{part}_attention_heads": 2 for part in ("encoder", "decoder")},
        **{f"{part}_ffn_dim": 16 for part in ("encoder", "decoder")},
    },
    "GPT2": {"n_embd": 16, "n_layer": 2, "n_head": 2},
    "T5": {"d_model": 16, "d_kv": 8, "d_ff": 16, "num_layers": 2, "num_heads": 2},
    "XLMRoberta": SMALL | FEED,
    "Longformer": SMALL | FEED | {"attention_window": 8},
}
"""Families without a tokenizer of their own here: they read by another one's."""
MARKS = ("pad", "bos", "eos")
Change = Callable[[Path], None]


def load(folder: Path) -> TextModel:
    torch.manual_seed(0)
    return load_encoder(ModelSection(encoder=str(folder), max_length=32), NAMES)


def reload(folder: Path) -> TextModel:
    return load_trained(folder, NAMES, 32, "truncate")


def save(model: TextModel, folder: Path) -> Path:
    model.model.save_pretrained(folder)
    model.tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An encoder folder and a trained one, not to be changed."""
    folder = tmp_path_factory.mktemp("kept")
    make_encoder("bert", folder / "encoder", corpus=TEXTS)
    save(load(folder / "encoder"), folder / "trained")
    return folder


@pytest.fixture
def encoder(kept: Path, tmp_path: Path) -> Path:
    return copied(kept / "encoder", tmp_path)


@pytest.fixture
def trained(kept: Path, tmp_path: Path) -> Path:
    return copied(kept / "trained", tmp_path)


def copied(folder: Path, place: Path) -> Path:
    for path in folder.iterdir():
        (place / path.name).write_bytes(path.read_bytes())
    return place


def edit(name: str, **values: Any) -> Change:
    """Set keys of a JSON file."""

    def change(folder: Path) -> None:
        document = json.loads((folder / name).read_text()) | values
        (folder / name).write_text(json.dumps(document))

    return change


def config(**values: Any) -> Change:
    return edit("config.json", **values)


def tensors(change: Callable[[dict[str, torch.Tensor]], object]) -> Change:
    """Change the tensors in place."""

    def rewrite(folder: Path) -> None:
        held = load_file(folder / "model.safetensors")
        change(held)
        save_file(held, folder / "model.safetensors", metadata={"format": "pt"})

    return rewrite


def without(part: str) -> Change:
    """Drop the tensors with a name that begins so."""

    def drop(held: dict[str, torch.Tensor]) -> None:
        for name in [name for name in held if name.startswith(part)]:
            del held[name]

    return tensors(drop)


def tokenizer(change: Callable[[dict[str, Any]], object]) -> Change:
    """Change tokenizer.json in place."""

    def rewrite(folder: Path) -> None:
        document = json.loads((folder / "tokenizer.json").read_text())
        change(document)
        (folder / "tokenizer.json").write_text(json.dumps(document))

    return rewrite


@pytest.mark.parametrize("kind", [*KINDS, *OTHERS])
def test_an_encoder_and_its_checkpoint_are_read_whole(kind: str, tmp_path: Path) -> None:
    folder = make_encoder(kind if kind in KINDS else "roberta", tmp_path / "encoder", corpus=TEXTS)
    if kind in OTHERS:
        own = load(folder).tokenizer
        ids = {
            name: getattr(own, name) for name in ("pad_token_id", "bos_token_id", "eos_token_id")
        }
        made = getattr(transformers, f"{kind}Config")(
            vocab_size=len(own), decoder_start_token_id=own.eos_token_id, **ids, **OTHERS[kind]
        )
        AutoModel.from_config(made).save_pretrained(folder)
    model = load(folder)
    again = reload(save(model, tmp_path / "trained"))
    np.testing.assert_array_equal(again.logits(TEXTS), model.logits(TEXTS))
    assert np.isfinite(again.logits(TEXTS)).all()


def test_the_bundled_encoder_and_its_checkpoint_are_read_whole(tmp_path: Path) -> None:
    model = load_encoder(ModelSection(max_length=32), NAMES)
    again = reload(save(model, tmp_path))
    np.testing.assert_array_equal(again.logits(TEXTS), model.logits(TEXTS))


def test_weights_in_parts_are_read(kept: Path, tmp_path: Path) -> None:
    whole = load(kept / "encoder")
    whole.model.save_pretrained(tmp_path, max_shard_size="20KB")
    whole.tokenizer.save_pretrained(tmp_path)
    assert len(list(tmp_path.glob("model-*.safetensors"))) > 1
    np.testing.assert_array_equal(reload(tmp_path).logits(TEXTS), whole.logits(TEXTS))


def test_pooler_and_head_of_an_encoder_may_be_missing(encoder: Path) -> None:
    without("pooler")(encoder)
    assert np.isfinite(load(encoder).logits(TEXTS)).all()


QUERY = "encoder.layer.1.attention.self.query.weight"
LACKING: dict[str, tuple[Change, str]] = {
    "one of a layer": (without(QUERY), r"query\.weight"),
    "many": (without("encoder"), "and 29 more"),
    "all": (tensors(lambda held: (held.clear(), held.update(x=torch.zeros(2)))), "missing"),
    "another kind": (config(model_type="gpt2"), "missing"),
    "more layers": (config(num_hidden_layers=3), "missing"),
    "a pooler of another shape": (
        tensors(lambda held: held.update({"pooler.dense.bias": torch.zeros(1)})),
        "another shape",
    ),
    "a dropout that is none": (config(hidden_dropout_prob=math.nan), "config.json"),
}


@pytest.mark.parametrize(("change", "found"), LACKING.values(), ids=LACKING)
def test_an_encoder_that_lacks_tensors_is_refused(
    change: Change, found: str, encoder: Path
) -> None:
    change(encoder)
    with pytest.raises(UserError, match=found):
        load(encoder)


PARTIAL: dict[str, tuple[Change, str]] = {
    "no head": (without("classifier"), r"missing: classifier\.bias, classifier\.weight"),
    "no pooler": (without("bert.pooler"), "missing"),
    "no layer": (without("bert.encoder.layer.1"), "missing"),
    "another kind": (config(model_type="electra"), "missing"),
    "a layer that is not used": (config(num_hidden_layers=1), "no place for"),
    "a tensor more": (tensors(lambda held: held.update(x=torch.zeros(2))), "no place for: x"),
    "a longer head": (
        tensors(lambda held: held.update({"classifier.bias": torch.zeros(4)})),
        "another shape",
    ),
    "a single number": (
        tensors(lambda held: held.update({"classifier.bias": torch.zeros(1)})),
        "another shape",
    ),
    "NaN": (
        tensors(lambda held: held["classifier.bias"].fill_(math.nan)),
        r"not finite in classifier\.bias",
    ),
    "infinity": (tensors(lambda held: held["bert.pooler.dense.bias"].fill_(math.inf)), "finite"),
    "whole numbers": (
        tensors(lambda held: held.update({"classifier.bias": torch.zeros(3).long()})),
        "none of weights",
    ),
    "labels in another order": (
        config(id2label={"0": "insults", "1": "abuse", "2": "threats"}),
        "insults, abuse, threats, the labels are abuse, insults, threats",
    ),
    "other labels": (config(id2label={"0": "a", "1": "b", "2": "c"}), "a, b, c"),
    "a label less": (config(id2label={"0": "abuse", "1": "insults"}), "id2label"),
    "fewer tokens at once": (edit("tokenizer_config.json", model_max_length=16), "16 tokens"),
}


@pytest.mark.parametrize(("change", "found"), PARTIAL.values(), ids=PARTIAL)
def test_a_checkpoint_that_is_not_whole_is_refused(
    change: Change, found: str, trained: Path
) -> None:
    change(trained)
    with pytest.raises(UserError, match=found):
        reload(trained)


def beyond(document: dict[str, Any]) -> None:
    """A word with a number that the embeddings do not have."""
    document["model"]["vocab"]["unheard"] = 900


def added(document: dict[str, Any]) -> None:
    token = document["added_tokens"][0] | {"id": 700, "content": "<more>"}
    document["added_tokens"].append(token)


DAMAGED: dict[str, tuple[Change, str]] = {
    "no heads": (config(num_attention_heads=0), "config.json"),
    "a width that heads do not divide": (config(hidden_size=33), "config.json"),
    "a padding token beyond the vocabulary": (config(pad_token_id=10**6), "config.json"),
    "an unknown dtype": (config(dtype="evil"), "config.json"),
    "a quantisation": (config(quantization_config={"quant_method": "fp8"}), "quantization_config"),
    "labels in a list": (config(id2label=["a", "b"]), "config.json"),
    "labels under no numbers": (config(id2label={"x": "a"}), "config.json"),
    "an unknown kind": (config(model_type="unheard"), "config.json"),
    "no kind": (config(model_type=None), "config.json"),
    "a kind for images": (config(model_type="vit"), "config.json"),
    "an unknown activation": (config(hidden_act="evil"), "config.json"),
    "a vocabulary too large for memory": (config(vocab_size=10**9), "config.json"),
    "positions too many for memory": (config(max_position_embeddings=10**10), "config.json"),
    "too many layers": (config(num_hidden_layers=10**7), "num_hidden_layers"),
    "no vocabulary": (config(vocab_size=0), "config.json"),
    "text for a number": (config(layer_norm_eps="small"), "config.json"),
    "code of its own": (
        config(model_type="own", auto_map={"AutoConfig": "own.Own"}),
        "trust",
    ),
    "weights of another name": (config(transformers_weights="x.safetensors"), "transformers_weigh"),
    "no words": (tokenizer(lambda document: document["model"].update(vocab={})), "tokenizer"),
    "words of text": (
        tokenizer(lambda document: document["model"].update(vocab={"a": "b"})),
        "tokenizer",
    ),
    "no model of words": (tokenizer(lambda document: document.update(model=None)), "tokenizer"),
    "an unknown model of words": (
        tokenizer(lambda document: document["model"].update(type="evil")),
        "tokenizer",
    ),
    "a word beyond the embeddings": (tokenizer(beyond), "token of number 900, and the encoder emb"),
    "an added token beyond the embeddings": (tokenizer(added), "embeddings"),
    "no padding": (edit("tokenizer_config.json", pad_token=None), "padding"),
    "no room for a text": (
        edit("tokenizer_config.json", model_max_length=2),
        "no room|reads 2 tokens",
    ),
    "no length": (edit("tokenizer_config.json", model_max_length=0), "model_max_length"),
    "text for a length": (edit("tokenizer_config.json", model_max_length="x"), "tokenizer"),
    "an unknown side": (edit("tokenizer_config.json", padding_side="up"), "tokenizer"),
    "added tokens in a list": (edit("tokenizer_config.json", added_tokens_decoder=[1]), "tokeniz"),
    "half a file of weights": (
        lambda folder: (folder / "model.safetensors").write_bytes(b"\x08"),
        "model.safetensors",
    ),
}


@pytest.mark.parametrize(("change", "found"), DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_folder_is_one_message(
    change: Change, found: str, kept: Path, tmp_path: Path
) -> None:
    for name, read in (("encoder", load), ("trained", reload)):
        folder = tmp_path / name
        folder.mkdir()
        change(copied(kept / name, folder))
        if (
            name == "encoder"
            and "id2label" in (folder / "config.json").read_text()
            and read is load
        ):
            continue  # its labels are not read
        with pytest.raises(UserError, match=found):
            read(folder)


@pytest.mark.parametrize(
    "change",
    [
        config(return_dict=False),
        config(problem_type="regression"),
        config(output_hidden_states=True),
        config(_attn_implementation="sdpa"),
    ],
)
def test_what_does_not_matter_is_no_matter(change: Change, kept: Path, trained: Path) -> None:
    change(trained)
    expected = reload(kept / "trained").logits(TEXTS)
    np.testing.assert_allclose(reload(trained).logits(TEXTS), expected, atol=1e-6)


KERNEL = "owner/kernel"


@pytest.mark.parametrize(
    "key",
    ["_attn_implementation", "attn_implementation", "_experts_implementation", "use_kernels"],
)
@pytest.mark.parametrize("value", [KERNEL, f"paged|{KERNEL}", "flash_attention_2"])
@pytest.mark.parametrize("gpu", [False, True])
def test_a_folder_names_no_kernel_that_is_run(
    key: str, value: Any, gpu: bool, kept: Path, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    fake = types.ModuleType("kernels")
    fake.get_kernel = lambda *arguments, **_: asked.append(arguments)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "kernels", fake)
    from transformers import modeling_flash_attention_utils, modeling_utils
    from transformers.integrations import hub_kernels

    for module in (hub_kernels, modeling_utils):
        monkeypatch.setattr(module, "is_kernels_available", lambda: True)
    monkeypatch.setattr(hub_kernels, "get_kernel", fake.get_kernel)
    monkeypatch.setattr(hub_kernels, "load_and_register_attn_kernel", fake.get_kernel)
    monkeypatch.setattr(modeling_flash_attention_utils, "lazy_import_flash_attention", asked.append)
    monkeypatch.setattr(modeling_utils, "lazy_import_flash_attention", asked.append)
    # what is set for a CPU is not what is set for a GPU
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    config(**{key: value})(trained)
    expected = reload(kept / "trained").logits(TEXTS)
    np.testing.assert_allclose(reload(trained).logits(TEXTS), expected, atol=1e-6)
    assert asked == []


@pytest.mark.parametrize(("width", "kept"), [(768, "32"), (384, None)])
def test_few_kernels_are_kept_for_wide_models(
    width: int, kept: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.environ", {})
    loading._keep_few_kernels(PreTrainedConfig(hidden_size=width))
    assert os.environ.get("ONEDNN_PRIMITIVE_CACHE_CAPACITY") == kept


def test_the_users_own_number_of_kernels_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.environ", {"ONEDNN_PRIMITIVE_CACHE_CAPACITY": "7"})
    loading._keep_few_kernels(PreTrainedConfig(hidden_size=768))
    assert os.environ["ONEDNN_PRIMITIVE_CACHE_CAPACITY"] == "7"
