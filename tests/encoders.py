"""Tiny random encoder folders, one per supported family, for tests that need a real checkpoint."""

import json
import math
import string
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    AutoModel,
    BertConfig,
    BertTokenizer,
    DebertaV2Config,
    DebertaV2Tokenizer,
    DistilBertConfig,
    ModernBertConfig,
    MPNetConfig,
    PreTrainedConfig,
    PreTrainedTokenizerFast,
    RobertaConfig,
    RobertaTokenizer,
)

KINDS = ("bert", "roberta", "deberta-v3", "modernbert")
MORE_KINDS = ("distilbert", "mpnet")
"""Families with the tokenizer of BERT, which only some tests need."""
MAX_TOKENS = 128
VOCAB_SIZE = 400

_ALPHABET = string.ascii_letters + string.digits + string.punctuation
_BYTES = sorted(pre_tokenizers.ByteLevel.alphabet())
_SIZES: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": MAX_TOKENS + 2,
    # The usual 0.02 would leave a model this narrow nearly blind to its text.
    "initializer_range": 0.1,
}


def make_encoder(kind: str, folder: Path, *, corpus: Sequence[str], seed: int = 0) -> Path:
    """Write a random encoder of the family `kind` with a tokenizer trained on `corpus`."""
    make_tokenizer, make_config = _FAMILIES[kind]
    tokenizer = make_tokenizer(corpus)
    config = make_config(tokenizer)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = AutoModel.from_config(config, dtype=torch.float32)
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _bert_tokenizer(corpus: Sequence[str]) -> PreTrainedTokenizerFast:
    """Return a lower-casing WordPiece tokenizer."""
    backend = BertTokenizer().backend_tokenizer
    characters = {*backend.normalizer.normalize_str("".join(corpus)), *_ALPHABET.lower()}
    starts = sorted(character for character in characters if not character.isspace())
    # Left to itself the trainer numbers the "##" characters in hash order, which no seed fixes.
    continuations = [f"##{character}" for character in starts]
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    trainer = trainers.WordPieceTrainer(
        vocab_size=VOCAB_SIZE,
        initial_alphabet=starts,
        special_tokens=special + continuations,
        show_progress=False,
    )
    backend.train_from_iterator(corpus, trainer)
    return BertTokenizer(vocab=_model(backend)["vocab"], model_max_length=MAX_TOKENS)


def _roberta_tokenizer(corpus: Sequence[str]) -> PreTrainedTokenizerFast:
    """Return a byte-level BPE tokenizer with the `<s> ... </s>` frame."""
    backend = RobertaTokenizer().backend_tokenizer
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    backend.train_from_iterator(corpus, _bpe_trainer(_BYTES, special))
    model = _model(backend)
    merges = [tuple(pair) for pair in model["merges"]]
    return RobertaTokenizer(vocab=model["vocab"], merges=merges, model_max_length=MAX_TOKENS)


def _deberta_tokenizer(corpus: Sequence[str]) -> PreTrainedTokenizerFast:
    """Return a cased Unigram tokenizer with metaspace word starts."""
    special = ["[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]"]
    scores = dict.fromkeys(special, 0.0) | _unigram_scores(corpus, special)
    return DebertaV2Tokenizer(
        vocab=list(scores.items()), unk_id=special.index("[UNK]"), model_max_length=MAX_TOKENS
    )


def _unigram_scores(corpus: Sequence[str], special: list[str]) -> dict[str, float]:
    """Return pieces and their log frequencies, the pieces found by BPE.

    The Unigram trainer itself sums floats in hash order: its scores differ from run to run.
    """
    family = DebertaV2Tokenizer().backend_tokenizer
    backend = Tokenizer(models.BPE())
    backend.normalizer = family.normalizer
    backend.pre_tokenizer = family.pre_tokenizer
    backend.train_from_iterator(
        corpus, _bpe_trainer([*_ALPHABET, "\N{LOWER ONE EIGHTH BLOCK}"], special)
    )
    counts = Counter(backend.get_vocab().keys() - special)
    for encoding in backend.encode_batch(list(corpus)):
        counts.update(encoding.tokens)
    total = counts.total()
    pieces = sorted(counts, key=backend.get_vocab().__getitem__)
    return {piece: math.log(counts[piece] / total) for piece in pieces}


def _modernbert_tokenizer(corpus: Sequence[str]) -> PreTrainedTokenizerFast:
    """Return a byte-level BPE tokenizer with the `[CLS] ... [SEP]` frame."""
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    special = ["[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]"]
    backend.train_from_iterator(corpus, _bpe_trainer(_BYTES, special))
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(token, backend.token_to_id(token)) for token in ("[CLS]", "[SEP]")],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        model_max_length=MAX_TOKENS,
        model_input_names=["input_ids", "attention_mask"],
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        pad_token="[PAD]",
        mask_token="[MASK]",
    )


def _bpe_trainer(alphabet: list[str], special: list[str]) -> trainers.BpeTrainer:
    """Return a silent BPE trainer that knows at least `alphabet`."""
    return trainers.BpeTrainer(
        vocab_size=VOCAB_SIZE,
        initial_alphabet=alphabet,
        special_tokens=special,
        show_progress=False,
    )


def _model(backend: Tokenizer) -> Any:
    """Return the model of `backend` as the JSON mapping it serialises to."""
    return json.loads(backend.to_str())["model"]


def _bert_config(tokenizer: PreTrainedTokenizerFast) -> PreTrainedConfig:
    """Return a tiny BERT configuration."""
    return BertConfig(vocab_size=len(tokenizer), pad_token_id=tokenizer.pad_token_id, **_SIZES)


def _roberta_config(tokenizer: PreTrainedTokenizerFast) -> PreTrainedConfig:
    """Return a tiny RoBERTa configuration: positions start after the padding id."""
    return RobertaConfig(
        vocab_size=len(tokenizer),
        type_vocab_size=1,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        **_SIZES,
    )


def _deberta_config(tokenizer: PreTrainedTokenizerFast) -> PreTrainedConfig:
    """Return a tiny DeBERTa-v3 configuration: log-bucketed relative positions, no segments."""
    return DebertaV2Config(
        vocab_size=len(tokenizer),
        type_vocab_size=0,
        pad_token_id=tokenizer.pad_token_id,
        relative_attention=True,
        position_buckets=16,
        pos_att_type=["p2c", "c2p"],
        share_att_key=True,
        norm_rel_ebd="layer_norm",
        position_biased_input=False,
        **_SIZES,
    )


def _modernbert_config(tokenizer: PreTrainedTokenizerFast) -> PreTrainedConfig:
    """Return a tiny ModernBERT configuration: one global layer, one with a 16-token window."""
    return ModernBertConfig(
        vocab_size=len(tokenizer),
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.cls_token_id,
        eos_token_id=tokenizer.sep_token_id,
        cls_token_id=tokenizer.cls_token_id,
        sep_token_id=tokenizer.sep_token_id,
        layer_types=["full_attention", "sliding_attention"],
        local_attention=16,
        **_SIZES,
    )


def _distilbert_config(tokenizer: PreTrainedTokenizerFast) -> PreTrainedConfig:
    """Return a tiny DistilBERT configuration, whose sizes have names of their own."""
    return DistilBertConfig(
        vocab_size=len(tokenizer),
        dim=_SIZES["hidden_size"],
        n_layers=_SIZES["num_hidden_layers"],
        n_heads=_SIZES["num_attention_heads"],
        hidden_dim=_SIZES["intermediate_size"],
        max_position_embeddings=_SIZES["max_position_embeddings"],
        initializer_range=_SIZES["initializer_range"],
        pad_token_id=tokenizer.pad_token_id,
    )


def _mpnet_config(tokenizer: PreTrainedTokenizerFast) -> PreTrainedConfig:
    """Return a tiny MPNet configuration: positions start after the padding id."""
    return MPNetConfig(vocab_size=len(tokenizer), pad_token_id=tokenizer.pad_token_id, **_SIZES)


_FAMILIES: dict[
    str,
    tuple[
        Callable[[Sequence[str]], PreTrainedTokenizerFast],
        Callable[[PreTrainedTokenizerFast], PreTrainedConfig],
    ],
] = {
    "bert": (_bert_tokenizer, _bert_config),
    "roberta": (_roberta_tokenizer, _roberta_config),
    "deberta-v3": (_deberta_tokenizer, _deberta_config),
    "modernbert": (_modernbert_tokenizer, _modernbert_config),
    "distilbert": (_bert_tokenizer, _distilbert_config),
    "mpnet": (_bert_tokenizer, _mpnet_config),
}
