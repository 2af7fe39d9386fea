"""Tokenisation: the token ids of what a model reads of a text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from imbtool.config.schema import LongTexts
from imbtool.errors import TextError
from imbtool.files.model_folder import Folder
from imbtool.formats.cells import COLUMN_MARK
from imbtool.model.long_texts import (
    SpecialTokens,
    TokenIds,
    head_part,
    head_tail,
    in_windows,
    most_read,
    special_tokens_of,
)
from imbtool.model.very_long_texts import (
    AT_ONCE,
    MOST_CHARACTERS,
    by_characters,
    ends,
    is_far_longer,
    pieces,
)

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class TextTokenizer:
    """A tokenizer with the settings by which texts are read.

    Attributes:
        tokenizer: of the encoder; its `model_max_length` is `max_length`.
        max_length: number of tokens that the encoder reads at once.
        long_texts: what is read of longer texts.
    """

    tokenizer: PreTrainedTokenizerBase
    max_length: int
    long_texts: LongTexts

    @cached_property
    def joiner(self) -> str:
        """The text between two columns of a text."""
        with tokenizer_folder(self.tokenizer).calls("it"):
            return column_joiner(self.tokenizer)

    @cached_property
    def special_tokens(self) -> SpecialTokens:
        """The special tokens around a text."""
        with tokenizer_folder(self.tokenizer).calls("it"):
            return special_tokens_of(self.tokenizer)

    @cached_property
    def most(self) -> int:
        """Most tokens of a text that are read, special tokens included."""
        return most_read(self.long_texts, self.max_length, self.special_tokens)

    def encode(self, texts: Sequence[str]) -> list[TokenIds]:
        """Token ids of what is read of each text, special tokens included; see `long_texts`.

        Raises:
            UserError: the tokenizer fails, or a text is too long to be cut.
        """
        joined = self._joined(texts)
        found = {
            index: self._encode_very_long(index, text)
            for index, text in enumerate(joined)
            if is_far_longer(text, self.most)
        }
        others = [index for index in range(len(joined)) if index not in found]
        found.update(zip(others, self._encode([joined[index] for index in others]), strict=True))
        return [found[index] for index in range(len(joined))]

    def count(self, texts: Sequence[str]) -> list[int]:
        """Number of tokens of each whole text, special tokens included.

        A text that is too long to be tokenised at once is counted in pieces, and may have one token
        more for each of them.

        Raises:
            UserError: the tokenizer fails.
        """
        joined = self._joined(texts)
        return [count for part in by_characters(joined) for count in self._lengths(joined[part])]

    def _lengths(self, texts: Sequence[str]) -> list[int]:
        if len(texts) == 1 and len(texts[0]) > AT_ONCE:
            own = sum(len(self._own_tokens(piece)) for piece in pieces(texts[0]))
            return [len(self.special_tokens) + own]
        with tokenizer_folder(self.tokenizer).calls("it"):
            encoded = self.tokenizer(
                texts, return_attention_mask=False, return_token_type_ids=False
            )
        return [len(ids) for ids in encoded["input_ids"]]

    def _joined(self, texts: Sequence[str]) -> list[str]:
        return [text.replace(COLUMN_MARK, self.joiner) for text in texts]

    def _encode(self, texts: Sequence[str]) -> Iterator[TokenIds]:
        """What is read of each text, after all of it is tokenised."""
        cut = self.long_texts == "truncate"
        for part in by_characters(texts):
            with tokenizer_folder(self.tokenizer).calls("it"):
                encoded = self.tokenizer(
                    texts[part],
                    truncation=cut,
                    max_length=self.max_length if cut else None,
                    return_attention_mask=False,
                    return_token_type_ids=False,
                )
            yield from encoded["input_ids"] if cut else map(self._read, encoded["input_ids"])

    def _encode_very_long(self, index: int, text: str) -> TokenIds:
        """What is read of a text that is far longer, after only its ends are tokenised."""
        room = self.most - len(self.special_tokens)
        head = head_part(room)
        if self.long_texts == "truncate":
            head = room if self.tokenizer.truncation_side == "right" else 0
        own = ends(text, head, room - head, self._own_tokens)
        if own is not None:
            return self._read(self.special_tokens.around(own))
        if len(text) > MOST_CHARACTERS:
            found = f"{len(text):,} characters, hardly any of them blanks or tokens"
            raise TextError(index, text, found, "shorten it, or leave it out")
        return next(self._encode([text]))

    def _own_tokens(self, text: str) -> TokenIds:
        with tokenizer_folder(self.tokenizer).calls("it"):
            own: TokenIds = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return own

    def _read(self, ids: TokenIds) -> TokenIds:
        """What is read of a text with these token ids."""
        return in_windows(
            head_tail(ids, self.most, self.special_tokens), self.max_length, self.special_tokens
        )


def column_joiner(tokenizer: PreTrainedTokenizerBase) -> str:
    """The text between two columns with which they are tokenised as a pair of texts.

    BERT has one separator token between the texts of a pair, RoBERTa two without blanks. Without a
    separator token it is a line break.
    """
    mark = tokenizer.sep_token
    if mark is None:
        return "\n"
    pair = tokenizer("one text", "another")["input_ids"]
    joiners = (f" {mark} ", mark, f"{mark}{mark}", f" {mark}{mark} ")
    alike = (each for each in joiners if tokenizer(f"one text{each}another")["input_ids"] == pair)
    return next(alike, joiners[0])


def tokenizer_folder(tokenizer: PreTrainedTokenizerBase) -> Folder:
    """The folder that a tokenizer was loaded from."""
    return Folder(
        str(tokenizer.name_or_path),
        f"the tokenizer in {tokenizer.name_or_path}",
        "one that reads every text",
        "restore its files; if one text alone makes it fail, leave that out",
        "read its code first",
    )
