"""Texts become the token ids that a model reads of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from imbtool.config.schema import LongTexts
from imbtool.errors import TextError
from imbtool.files.model_folder import Folder
from imbtool.formats.cells import COLUMN_MARK
from imbtool.model.excerpts import MOST_CHARACTERS, by_characters, ends, is_far_longer
from imbtool.model.long_texts import (
    Frame,
    Tokens,
    head_part,
    head_tail,
    in_windows,
    most_read,
    special_frame,
)


@dataclass(frozen=True)
class Reader:
    """What a tokenizer makes of texts.

    Attributes:
        tokenizer: its `model_max_length` is `max_length`.
        max_length: tokens that are read at once.
        long_texts: what is read of a text that has more.
    """

    tokenizer: Any
    max_length: int
    long_texts: LongTexts

    @cached_property
    def joiner(self) -> str:
        """What the encoder reads between two columns of a text."""
        with tokenizer_folder(self.tokenizer).calls("it"):
            return column_joiner(self.tokenizer)

    @cached_property
    def frame(self) -> Frame:
        """The special tokens around a text."""
        with tokenizer_folder(self.tokenizer).calls("it"):
            return special_frame(self.tokenizer)

    @cached_property
    def most(self) -> int:
        """Tokens of a text at most that are read, special ones included."""
        return most_read(self.long_texts, self.max_length, self.frame)

    def encode(self, texts: Sequence[str]) -> list[Tokens]:
        """Token ids of what is read of each text, special tokens included; see `longtexts`.

        Raises:
            UserError: the tokenizer fails, or a text is too long to be cut.
        """
        joined = [text.replace(COLUMN_MARK, self.joiner) for text in texts]
        far = [place for place, text in enumerate(joined) if is_far_longer(text, self.most)]
        found = {place: self._far_longer(place, joined[place]) for place in far}
        plain = [place for place in range(len(joined)) if place not in found]
        found.update(zip(plain, self._plain([joined[place] for place in plain]), strict=True))
        return [found[place] for place in range(len(joined))]

    def _plain(self, texts: Sequence[str]) -> Iterator[Tokens]:
        """What is read of each text, all of its tokens taken."""
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

    def _far_longer(self, place: int, text: str) -> Tokens:
        """What is read of a text, at a place among others, that is far longer than that."""
        room = self.most - len(self.frame)
        head = head_part(room)
        if self.long_texts == "truncate":
            head = room if self.tokenizer.truncation_side == "right" else 0
        own = ends(text, head, room - head, self._own)
        if own is not None:
            return self._read(self.frame.around(own))
        if len(text) > MOST_CHARACTERS:
            found = f"{len(text):,} characters, hardly any of them blanks or tokens"
            raise TextError(place, text, found, "shorten it, or leave it out")
        return next(self._plain([text]))

    def _own(self, text: str) -> Tokens:
        with tokenizer_folder(self.tokenizer).calls("it"):
            own: Tokens = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return own

    def _read(self, ids: Tokens) -> Tokens:
        """What is read of a text with these tokens."""
        return in_windows(head_tail(ids, self.most, self.frame), self.max_length, self.frame)


def column_joiner(tokenizer: Any) -> str:
    """What to write between two columns, so that they are read as the tokenizer's own pair.

    BERT puts one separator between the two texts of a pair, RoBERTa two without blanks. A tokenizer
    without separator gets a line break.
    """
    mark = tokenizer.sep_token
    if mark is None:
        return "\n"
    pair = tokenizer("one text", "another")["input_ids"]
    ways = (f" {mark} ", mark, f"{mark}{mark}", f" {mark}{mark} ")
    alike = (way for way in ways if tokenizer(f"one text{way}another")["input_ids"] == pair)
    return next(alike, ways[0])


def tokenizer_folder(tokenizer: Any) -> Folder:
    """Where a tokenizer came from."""
    return Folder(
        str(tokenizer.name_or_path),
        f"the tokenizer in {tokenizer.name_or_path}",
        "one that reads every text",
        "restore its files; if one text alone makes it fail, leave that out",
        "read its code first",
    )
