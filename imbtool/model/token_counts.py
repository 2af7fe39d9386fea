"""How many tokens texts have, and an encoder reads; no weights are loaded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from imbtool.analysis.corpus_texts import sample_rows
from imbtool.analysis.lengths import SAMPLED_TEXTS, Tokens
from imbtool.config.schema import ModelSection
from imbtool.data.corpus import Corpus
from imbtool.files.model_folder import TOKENIZER
from imbtool.formats.cells import COLUMN_MARK
from imbtool.model.encoder_files import encoder_folder
from imbtool.model.excerpts import AT_ONCE, by_characters, pieces
from imbtool.model.loading import (
    check_tokens,
    empty_model,
    folder_of_encoder,
    load_config,
    load_tokenizer,
    most_positions,
)
from imbtool.model.long_texts import most_read, special_frame
from imbtool.model.tokenize import column_joiner
from imbtool.types import Rows

TEXTS_AT_ONCE = 4096


def count_tokens(corpus: Corpus, section: ModelSection) -> Tokens:
    """Count the tokens of each text, or of a sample of many, special tokens among them.

    Raises:
        UserError: there is no such encoder, or it has no tokenizer.
    """
    folder = folder_of_encoder(encoder_folder(section.encoder), section.encoder)
    config = load_config(folder, section.trust_remote_code)
    tokenizer = load_tokenizer(folder, section.trust_remote_code)
    model = empty_model(folder, config, section.trust_remote_code)
    check_tokens(folder, model, tokenizer)
    rows = sample_rows({name: len(split) for name, split in corpus.splits.items()}, SAMPLED_TEXTS)
    with folder.calls(TOKENIZER):
        joiner, frame = column_joiner(tokenizer), special_frame(tokenizer)
        counts = {
            name: _counts(tokenizer, joiner, split.texts, rows[name])
            for name, split in corpus.splits.items()
        }
    length = min(section.max_length, tokenizer.model_max_length, most_positions(model))
    limit = most_read(section.long_texts, length, frame)
    return Tokens(limit, rows, counts)


def _counts(tokenizer: Any, joiner: str, texts: Sequence[str], rows: Rows) -> Rows:
    counts = np.empty(len(rows), dtype=np.int64)
    for start in range(0, len(rows), TEXTS_AT_ONCE):
        chosen = rows[start : start + TEXTS_AT_ONCE].tolist()
        batch = [texts[row].replace(COLUMN_MARK, joiner) for row in chosen]
        counts[start : start + len(batch)] = [
            count for part in by_characters(batch) for count in _lengths(tokenizer, batch[part])
        ]
    return counts


def _lengths(tokenizer: Any, texts: Sequence[str]) -> list[int]:
    """The tokens of each text; one that is too long to be tokenised at once is counted in pieces.

    That one may have a token more for each of them.
    """
    if len(texts) == 1 and len(texts[0]) > AT_ONCE:
        own = [tokenizer(piece, add_special_tokens=False) for piece in pieces(texts[0])]
        frame = len(special_frame(tokenizer))
        return [frame + sum(len(each["input_ids"]) for each in own)]
    encoded = tokenizer(texts, return_attention_mask=False, return_token_type_ids=False)
    return [len(ids) for ids in encoded["input_ids"]]
