"""Token counts of texts, and the most tokens that an encoder reads; no weights are loaded."""

from __future__ import annotations

import numpy as np

from imbtool.analysis.corpus_texts import sample_rows
from imbtool.analysis.lengths import SAMPLED_TEXTS, Tokens
from imbtool.config.schema import ModelSection
from imbtool.data.corpus import Corpus
from imbtool.model.encoder import load_text_tokenizer


def count_tokens(corpus: Corpus, section: ModelSection) -> Tokens:
    """Count the tokens of each text, or of a sample of many texts, special tokens included.

    Raises:
        UserError: there is no such encoder, or it has no tokenizer.
    """
    tokenizer = load_text_tokenizer(section)
    rows = sample_rows({name: len(split) for name, split in corpus.splits.items()}, SAMPLED_TEXTS)
    counts = {
        name: np.array(tokenizer.count([split.texts[row] for row in rows[name]]), dtype=np.int64)
        for name, split in corpus.splits.items()
    }
    return Tokens(tokenizer.most, rows, counts)
