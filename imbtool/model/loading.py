"""Loading models and tokenizers through transformers, with all checks of their files.

imbtool refuses what transformers only warns of: it would initialise a missing tensor at random, and
two runs would give two results. No file in a folder can make transformers load weights or code from
elsewhere.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Mapping
from math import prod
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors import safe_open
from torch import nn
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from imbtool.files.model_folder import CONFIG, FIX, TOKENIZER, WEIGHTS, Folder
from imbtool.model.head import head_names, renew_head
from imbtool.wording import some

ALIGNMENT = 64
"""Bytes to which torch aligns memory on CPUs."""
WIDE, KERNELS = 512, "32"
"""Units of the hidden states from which few kernels are kept, and how many: a layer needs about as
many. Narrower models need little memory, and lose some percent of their speed."""
ELSEWHERE = ("quantization_config", "transformers_weights", "fusion_config", "gguf_file")
"""Keys of config.json that name other code, other files or weights that are not fp32."""
LAYERS = (
    *("num_hidden_layers", "num_layers", "n_layer", "n_layers", "num_decoder_layers"),
    *("encoder_layers", "decoder_layers", "num_hidden_groups", "inner_group_num"),
)
MOST_LAYERS = 1000
FRESH_ELEMENTS = 2**26
"""Most elements of the head, the pooler and buffers, which the files do not hold."""
FLOATS = {"F64", "F32", "F16", "BF16"}
FLOATS_END = (".weight", ".bias")
PROBE_TEXT = "a b"
"""A text that every model can read."""


def load_config(folder: Folder, trust_remote_code: bool, **changes: Any) -> PreTrainedConfig:
    """Load the configuration of a model, and check that it refers to nothing outside the folder.

    Args:
        folder: of the model.
        trust_remote_code: whether to run code that comes with the model.
        changes: values that replace those of the file.

    Raises:
        UserError: a file is missing or damaged, or a key refers to what imbtool never loads.
    """
    _silence_transformers()
    folder.check_files()
    with folder.calls(CONFIG):
        config: PreTrainedConfig = AutoConfig.from_pretrained(
            folder.name, trust_remote_code=trust_remote_code, **changes
        )
    for key in ELSEWHERE:
        if getattr(config, key, None):
            raise folder.refused(f"{CONFIG}: {key}, which imbtool does not follow")
    for key in LAYERS:
        if _is_above(getattr(config, key, None), MOST_LAYERS):
            raise folder.refused(f"{CONFIG}: {key} {getattr(config, key)}")
    with folder.calls(CONFIG):
        # a name such as owner/kernel would be downloaded and run if `kernels` is installed
        config._attn_implementation = config._experts_implementation = None
        config.return_dict = True
    return config


def load_tokenizer(folder: Folder, trust_remote_code: bool) -> PreTrainedTokenizerBase:
    """Load the tokenizer of a model.

    Raises:
        UserError: there is none, it is damaged, or it has no padding token.
    """
    _silence_transformers()
    with folder.calls(TOKENIZER):
        tokenizer = AutoTokenizer.from_pretrained(folder.name, trust_remote_code=trust_remote_code)
        known, special = len(tokenizer), len(tokenizer.all_special_ids)
        padding, longest = tokenizer.pad_token_id, tokenizer.model_max_length
        tokenizer(PROBE_TEXT)
    if known <= special:
        raise folder.refused("no tokenizer files beside its weights")
    if padding is None:
        raise folder.refused("its tokenizer has no padding token: it is no text encoder")
    if not isinstance(longest, int | float) or not longest >= 1:
        raise folder.refused(f"tokenizer_config.json: model_max_length {longest!r}")
    return tokenizer


def _keep_few_kernels(config: PreTrainedConfig) -> None:
    """Let oneDNN keep few of its kernels for a wide model, before the first one is made.

    By default it keeps 1,024, each made for one shape of a batch, with memory of its own: batches
    of many lengths then fill gigabytes.
    """
    if getattr(config, "hidden_size", 0) >= WIDE:
        os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", KERNELS)


def load_model(
    folder: Folder, config: PreTrainedConfig, trust_remote_code: bool, fresh_head: bool
) -> PreTrainedModel:
    """Load the classifier of a folder in fp32, with all of its weights from the folder.

    Args:
        folder: of the model.
        config: from `load_config`.
        trust_remote_code: whether to run code that comes with the model.
        fresh_head: whether the head is initialised anew; the folder may then lack the head and the
            pooler.

    Raises:
        UserError: tensors are missing, have other shapes or hold numbers that are not finite.
    """
    if not trust_remote_code:
        _check_size(folder, config)
    _keep_few_kernels(config)
    # eager attention is faster on CPU for short texts
    attention = {} if torch.cuda.is_available() else {"attn_implementation": "eager"}
    with folder.calls(f"{CONFIG} and {WEIGHTS}"):
        # by default the dtype is that of the files, and weights in bf16 would train in bf16
        loading: tuple[PreTrainedModel, dict[str, Any]]
        loading = AutoModelForSequenceClassification.from_pretrained(
            folder.name,
            config=config,
            dtype=torch.float32,
            use_safetensors=True,
            trust_remote_code=trust_remote_code,
            ignore_mismatched_sizes=True,
            output_loading_info=True,
            **attention,
        )
    model, loaded = loading
    _check_loaded(folder, model, loaded, fresh_head)
    if fresh_head:
        renew_head(model, loaded)
    _check_finite(folder, model)
    _align(model)
    return model


def _align(model: PreTrainedModel) -> None:
    """Copy tensors that do not begin where allocated ones do.

    Those of a file lie as they follow each other in it, and matrix products may be rounded
    otherwise there: the same weights would give other last digits once they are copied.
    """
    for tensor in (*model.parameters(), *model.buffers()):
        if tensor.data_ptr() % ALIGNMENT:
            tensor.data = tensor.data.clone()


def empty_model(
    folder: Folder, config: PreTrainedConfig, trust_remote_code: bool
) -> PreTrainedModel:
    """Make the classifier of a configuration without memory for its weights.

    Raises:
        UserError: transformers has no such classifier.
    """
    with folder.calls(CONFIG), torch.device("meta"):
        make = AutoModelForSequenceClassification.from_config
        model: PreTrainedModel = make(config, trust_remote_code=trust_remote_code)  # type: ignore[no-untyped-call]
    return model


def check_tokens(
    folder: Folder, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase
) -> None:
    """Check that each token of the tokenizer has an embedding.

    Raises:
        UserError: a token has none.
    """
    with folder.calls(TOKENIZER):
        ids = [*tokenizer.get_vocab().values(), tokenizer.pad_token_id]
        largest = max(*ids, *tokenizer(PROBE_TEXT)["input_ids"])
        lowest = min(ids)
    with folder.calls(f"{CONFIG} and {WEIGHTS}"):
        rows = model.get_input_embeddings().get_parameter("weight").shape[0]
    if largest >= rows or lowest < 0:
        token = largest if largest >= rows else lowest
        raise folder.refused(
            f"its tokenizer has a token of number {token:,}, and the encoder embeddings of "
            f"{rows:,} tokens, the first of number 0"
        )


def check_reading(
    folder: Folder, model: PreTrainedModel, batch: Mapping[str, Any], labels: int
) -> None:
    """Run a model on a first batch, so that a model that fails is reported before the work begins.

    Args:
        folder: of the model.
        model: in training mode or not; the random states do not change.
        batch: inputs of the model.
        labels: number of outputs that it should have.

    Raises:
        UserError: it fails, or does not return one finite number for each label.
    """
    alone = torch.random.fork_rng(devices=[])
    with folder.calls(f"{CONFIG} and {WEIGHTS}"), torch.no_grad(), alone:
        logits = model(**batch).logits
        shape, finite = tuple(logits.shape), bool(logits.isfinite().all())
    expected = (len(batch["input_ids"]), labels)
    if shape != expected:
        raise folder.refused(f"outputs of the shape {shape} for {expected[1]} labels")
    if not finite:
        raise folder.refused(f"an output that is no finite number, for the text {PROBE_TEXT!r}")


def most_positions(model: PreTrainedModel) -> int:
    """Number of tokens that have position embeddings; RoBERTa reserves the first for padding."""
    most = getattr(model.config, "max_position_embeddings", None)
    if not isinstance(most, int) or most <= 0:
        return 10**9
    for module in model.modules():
        if isinstance(module, nn.Embedding) and module.num_embeddings == most:
            return int(most) - (0 if module.padding_idx is None else module.padding_idx + 1)
    return int(most)


def _silence_transformers() -> None:
    """Its log messages, progress bars and load reports would hide the result."""
    transformers.logging.set_verbosity(logging.CRITICAL)
    transformers.logging.disable_progress_bar()  # type: ignore[no-untyped-call]


def _check_size(folder: Folder, config: PreTrainedConfig) -> None:
    """Check that config.json describes no more weights than the files hold, before allocation."""
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


def _check_loaded(
    folder: Folder, model: PreTrainedModel, loaded: Mapping[str, Any], fresh_head: bool
) -> None:
    """Check that all weights come from the files, by the loading report of transformers."""
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


def _of_encoder(model: PreTrainedModel, names: Iterable[str]) -> set[str]:
    """The names outside the head and the pooler, which a pretrained encoder may lack."""
    if model.base_model is model:  # the head cannot be told from the encoder
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
    """The folder of an encoder.

    Args:
        name: path of the folder, or hub id.
        encoder: `model.encoder` in the profile.
    """
    return Folder(
        name,
        f"model.encoder: {encoder}",
        "`bundled`, `bundled-base`, a hub id, or a folder with config.json, model.safetensors and "
        "a tokenizer",
        "check the name, the folder, and the network if it is a hub id",
        "read its code; model.trust_remote_code: true runs it",
    )


def folder_of_checkpoint(path: Path) -> Folder:
    """The folder of a checkpoint."""
    return Folder(
        str(path),
        str(path),
        "a checkpoint as imbtool wrote it",
        FIX,
        "read the code in this folder; --trust-remote-code runs it",
    )
