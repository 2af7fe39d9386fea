"""The one boundary behind which folders of models are loaded, with all that is checked of them.

What transformers warns of, imbtool refuses: a tensor that the file lacks would be drawn at random,
and two runs would give two answers. Nothing in a folder makes transformers look for weights or code
elsewhere.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from math import prod
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors import safe_open
from torch import nn
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

from imbtool.files.model_folder import CONFIG, TOKENIZER, WEIGHTS, Folder
from imbtool.model.head import head_names, renew_head
from imbtool.model.metadata import FIX
from imbtool.wording import some

ELSEWHERE = ("quantization_config", "transformers_weights", "fusion_config", "gguf_file")
"""Keys of config.json that name other code, other files or other numbers than fp32 weights."""
LAYERS = (
    *("num_hidden_layers", "num_layers", "n_layer", "n_layers", "num_decoder_layers"),
    *("encoder_layers", "decoder_layers", "num_hidden_groups", "inner_group_num"),
)
MOST_LAYERS = 1000
FRESH_ELEMENTS = 2**26
"""Of a head, a pooler and buffers, which the files do not hold; more is another model."""
FLOATS = {"F64", "F32", "F16", "BF16"}
FLOATS_END = (".weight", ".bias")
SEEN = "a b"
"""A text that every model can read."""


def load_config(folder: Folder, trust_remote_code: bool, **changes: Any) -> Any:
    """The configuration of a model, with nothing in it that leads elsewhere.

    Args:
        folder: of the model.
        trust_remote_code: whether to run code that it brings along.
        changes: to the file's keys.

    Raises:
        UserError: files have another shape, or a key would need what is never loaded.
    """
    # what it says, bars and load reports would stand between the user and the result
    transformers.logging.set_verbosity(logging.CRITICAL)
    transformers.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    folder.check_files()
    with folder.calls(CONFIG):
        config = AutoConfig.from_pretrained(
            folder.name, trust_remote_code=trust_remote_code, **changes
        )
    for key in ELSEWHERE:
        if getattr(config, key, None):
            raise folder.refused(f"{CONFIG}: {key}, which imbtool does not follow")
    for key in LAYERS:
        if _is_above(getattr(config, key, None), MOST_LAYERS):
            raise folder.refused(f"{CONFIG}: {key} {getattr(config, key)}")
    with folder.calls(CONFIG):
        # a name like owner/kernel would be downloaded and run where `kernels` is installed
        config._attn_implementation = config._experts_implementation = None
        config.return_dict = True
    return config


def load_tokenizer(folder: Folder, trust_remote_code: bool) -> Any:
    """The tokenizer of a model.

    Raises:
        UserError: there is none, or it is damaged, or cannot fill a batch.
    """
    with folder.calls(TOKENIZER):
        tokenizer = AutoTokenizer.from_pretrained(folder.name, trust_remote_code=trust_remote_code)
        known, special = len(tokenizer), len(tokenizer.all_special_ids)
        padding, longest = tokenizer.pad_token_id, tokenizer.model_max_length
        tokenizer(SEEN)
    if known <= special:
        raise folder.refused("no tokenizer files beside its weights")
    if padding is None:
        raise folder.refused("its tokenizer has no padding token: it is no text encoder")
    if not isinstance(longest, int | float) or not longest >= 1:
        raise folder.refused(f"tokenizer_config.json: model_max_length {longest!r}")
    return tokenizer


def load_model(folder: Folder, config: Any, trust_remote_code: bool, fresh_head: bool) -> Any:
    """The classifier of a folder in fp32, all of its weights from there.

    Args:
        folder: of the model.
        config: as `load_config` gives it.
        trust_remote_code: whether to run code that it brings along.
        fresh_head: whether the head may be missing, and is made anew; the pooler may then be, too.

    Raises:
        UserError: tensors are missing, have other shapes or hold numbers that are not finite.
    """
    if not trust_remote_code:
        _check_size(folder, config)
    # eager attention is the faster one on CPU for short texts
    attention = {} if torch.cuda.is_available() else {"attn_implementation": "eager"}
    with folder.calls(f"{CONFIG} and {WEIGHTS}"):
        # the default dtype follows the checkpoint, and one in bf16 would then train in bf16
        model, loaded = AutoModelForSequenceClassification.from_pretrained(
            folder.name,
            config=config,
            dtype=torch.float32,
            use_safetensors=True,
            trust_remote_code=trust_remote_code,
            ignore_mismatched_sizes=True,
            output_loading_info=True,
            **attention,
        )
    _check_loaded(folder, model, loaded, fresh_head)
    if fresh_head:
        renew_head(model, loaded)
    _check_finite(folder, model)
    return model


def empty_model(folder: Folder, config: Any, trust_remote_code: bool) -> Any:
    """A classifier of a configuration, without room for its weights.

    Raises:
        UserError: there is none of such a configuration.
    """
    with folder.calls(CONFIG), torch.device("meta"):
        return AutoModelForSequenceClassification.from_config(  # type: ignore[no-untyped-call]
            config, trust_remote_code=trust_remote_code
        )


def check_tokens(folder: Folder, model: Any, tokenizer: Any) -> None:
    """Check that each token has an embedding.

    Raises:
        UserError: one has none.
    """
    with folder.calls(TOKENIZER):
        ids = [*tokenizer.get_vocab().values(), tokenizer.pad_token_id]
        largest = max(*ids, *tokenizer(SEEN)["input_ids"])
        lowest = min(ids)
    with folder.calls(f"{CONFIG} and {WEIGHTS}"):
        rows = model.get_input_embeddings().weight.shape[0]
    if largest >= rows or lowest < 0:
        token = largest if largest >= rows else lowest
        raise folder.refused(
            f"its tokenizer has a token of number {token:,}, and the encoder embeddings of "
            f"{rows:,} tokens, the first of number 0"
        )


def check_reading(folder: Folder, model: Any, batch: Mapping[str, Any], labels: int) -> None:
    """Let a model read a first batch, so that one that cannot is told before the work begins.

    Args:
        folder: of the model.
        model: in training mode or not; its random numbers are left as they are.
        batch: what it is to read.
        labels: how many outputs it should give.

    Raises:
        UserError: it cannot, or gives something else than one finite number a label.
    """
    alone = torch.random.fork_rng(devices=[])
    with folder.calls(f"{CONFIG} and {WEIGHTS}"), torch.no_grad(), alone:
        logits = model(**batch).logits
        shape, finite = tuple(logits.shape), bool(logits.isfinite().all())
    expected = (len(batch["input_ids"]), labels)
    if shape != expected:
        raise folder.refused(f"outputs of the shape {shape} for {expected[1]} labels")
    if not finite:
        raise folder.refused(f"an output that is no finite number, for the text {SEEN!r}")


def most_positions(model: Any) -> int:
    """How many tokens the position embeddings serve; RoBERTa's first ones stand for padding."""
    most = getattr(model.config, "max_position_embeddings", None)
    if not isinstance(most, int) or most <= 0:
        return 10**9
    for module in model.modules():
        if isinstance(module, nn.Embedding) and module.num_embeddings == most:
            return int(most) - (0 if module.padding_idx is None else module.padding_idx + 1)
    return int(most)


def _check_size(folder: Folder, config: Any) -> None:
    """Check that config.json describes no more weights than the files hold, before room is made."""
    held = 0
    for path in folder.weight_files():
        with folder.calls(path.name), safe_open(path, framework="np") as tensors:
            slices = {name: tensors.get_slice(name) for name in tensors.keys()}  # noqa: SIM118
            kinds = {name: each.get_dtype() for name, each in slices.items()}
            held += sum(prod(each.get_shape()) for each in slices.values())
        wrong = [name for name in kinds if name.endswith(FLOATS_END) and kinds[name] not in FLOATS]
        _refuse_some(folder, "numbers of a type that is none of weights in {}", wrong)
    if not held:
        return
    model = empty_model(folder, config, trust_remote_code=False)
    wanted = sum(tensor.numel() for tensor in (*model.parameters(), *model.buffers()))
    if wanted > 2 * held + FRESH_ELEMENTS:
        found = f"{CONFIG} describes {wanted:,} numbers, and {WEIGHTS} holds {held:,}"
        raise folder.refused(found)


def _check_loaded(folder: Folder, model: Any, loaded: Mapping[str, Any], fresh_head: bool) -> None:
    """Check that the weights are those of the files; `loaded` is what transformers says of it."""
    missing, unexpected = loaded["missing_keys"], loaded["unexpected_keys"]
    misfits = {name for name, *_ in loaded["mismatched_keys"]}
    if fresh_head:
        missing, misfits = _of_encoder(model, missing), misfits - head_names(model)
        unexpected = ()
    _refuse_some(folder, "tensors are missing: {}", missing)
    _refuse_some(folder, "tensors that config.json has no place for: {}", unexpected)
    _refuse_some(folder, "{} has another shape than config.json says", misfits)
    _refuse_some(folder, "tensors could not be read: {}", loaded["error_msgs"])


def _refuse_some(folder: Folder, sentence: str, names: Iterable[str]) -> None:
    if ordered := sorted(names):
        raise folder.refused(f"{WEIGHTS}: {sentence.format(some(ordered, 3))}")


def _of_encoder(model: Any, names: Iterable[str]) -> set[str]:
    """Those that are neither of the head nor of the pooler, which pretraining may not have had."""
    if model.base_model is model:  # nothing tells the head from the encoder
        sizes = {name: tensor.numel() for name, tensor in model.named_parameters()}
        lacking = sum(sizes.get(name, 0) for name in names)
        return set(names) if 2 * lacking > sum(sizes.values()) else set()
    prefix = f"{model.base_model_prefix}."
    return {name for name in names if name.startswith(prefix) and ".pooler." not in name}


def _check_finite(folder: Folder, model: nn.Module) -> None:
    bad = (name for name, each in model.named_parameters() if not each.isfinite().all())
    _refuse_some(folder, "numbers that are not finite in {}", bad)


def _is_above(value: Any, most: int) -> bool:
    return isinstance(value, int) and value > most


def folder_of_encoder(name: str, encoder: str) -> Folder:
    """An encoder, as a profile names it.

    Args:
        name: the folder or hub id behind it.
        encoder: `model.encoder`.
    """
    return Folder(
        name,
        f"model.encoder: {encoder}",
        "`bundled`, a folder with config.json, model.safetensors and a tokenizer, or a hub id",
        "check the name, the folder, and the network if it is a hub id",
        "read its code; model.trust_remote_code: true runs it",
    )


def folder_of_checkpoint(path: Path) -> Folder:
    """A checkpoint's folder."""
    return Folder(
        str(path),
        str(path),
        "a checkpoint as imbtool wrote it",
        FIX,
        "read the code in this folder; --trust-remote-code runs it",
    )
