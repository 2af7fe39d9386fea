"""How many tokens texts have, and an encoder reads; no weights are loaded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import transformers
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

from imbtool.corpus import Corpus
from imbtool.encoders import encoder_folder
from imbtool.errors import fail
from imbtool.findings.lengths import SAMPLED_TEXTS, Tokens
from imbtool.findings.pool import Rows, sampled
from imbtool.longtexts import most_read, special_frame
from imbtool.model import UNUSABLE, column_joiner, most_positions
from imbtool.profile import ModelSection
from imbtool.tables import COLUMN_MARK

TEXTS_AT_ONCE = 4096


def count_tokens(corpus: Corpus, section: ModelSection) -> Tokens:
    """Count the tokens of each text, or of a sample of many, special tokens among them.

    Raises:
        UserError: there is no such encoder, or it has no tokenizer.
    """
    where = encoder_folder(section.encoder)
    # it warns of every text that is longer than the encoder can read: that is what is counted
    transformers.logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    try:
        consent = {"trust_remote_code": section.trust_remote_code}
        tokenizer = AutoTokenizer.from_pretrained(where, **consent)
        config = AutoConfig.from_pretrained(where, **consent)
        with torch.device("meta"):
            model = AutoModelForSequenceClassification.from_config(  # type: ignore[no-untyped-call]
                config, **consent
            )
    except UNUSABLE as error:
        found = str(error).strip().splitlines()[0]
        mend = "check model.encoder"
        raise fail(f"model.encoder: {section.encoder}", found, "a tokenizer", mend) from error
    rows = sampled({name: len(split) for name, split in corpus.splits.items()}, SAMPLED_TEXTS)
    joiner = column_joiner(tokenizer)
    counts = {
        name: _counts(tokenizer, joiner, split.texts, rows[name])
        for name, split in corpus.splits.items()
    }
    length = min(section.max_length, tokenizer.model_max_length, most_positions(model))
    limit = most_read(section.long_texts, length, special_frame(tokenizer))
    return Tokens(limit, rows, counts)


def _counts(tokenizer: Any, joiner: str, texts: Sequence[str], rows: Rows) -> Rows:
    counts = np.empty(len(rows), dtype=np.int64)
    for start in range(0, len(rows), TEXTS_AT_ONCE):
        chosen = rows[start : start + TEXTS_AT_ONCE].tolist()
        batch = [texts[row].replace(COLUMN_MARK, joiner) for row in chosen]
        encoded = tokenizer(batch, return_attention_mask=False, return_token_type_ids=False)
        counts[start : start + len(batch)] = [len(ids) for ids in encoded["input_ids"]]
    return counts
