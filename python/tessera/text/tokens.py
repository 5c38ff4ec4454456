# SPDX-License-Identifier: Apache-2.0
"""Text to tokens, by the package tokenizers."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, Union

from tessera.errors import InputError, UsageError
from tessera.extras import needed
from tessera.requests import load_tokenizer
from tessera.text.folder import Folder

__all__ = ["Ids", "Piece", "Tokens", "refused"]

#: Tokens that the caller made: they are taken as they are.
Ids = Sequence[int]
#: A text, two that belong together, or tokens.
Piece = Union[str, tuple[str, str], Ids]


def refused(message: str, reason: str) -> InputError:
    error = InputError(message)
    error.reason = reason
    return error


class Encoded:
    """The parts of a tokenizers ``Encoding`` that are needed, or tokens of the caller's. An
    ``Encoding`` keeps the text that was cut off, with some hundred bytes a token."""

    def __init__(self, ids: Sequence[int], type_ids: Sequence[int] | None = None) -> None:
        self.ids = list(ids)
        self.type_ids = [0] * len(self.ids) if type_ids is None else type_ids

    def __len__(self) -> int:
        return len(self.ids)

    @classmethod
    def of(cls, encoding: Any, characters: bool) -> Encoded:
        """``characters``: with where each token stands in its text."""
        made = cls(encoding.ids, encoding.type_ids)
        if characters:
            made.tokens, made.offsets = encoding.tokens, encoding.offsets
            made.special_tokens_mask = encoding.special_tokens_mask
        return made

    tokens: Sequence[str] = ()
    offsets: Sequence[tuple[int, int]] = ()
    special_tokens_mask: Sequence[int] = ()


class Tokens:
    """The tokenizer of a folder. Thread-safe: each way of cutting has a tokenizer of its own."""

    def __init__(self, folder: Folder, longest: int) -> None:
        needed("tokenizers", "text", "text")
        self._plain = load_tokenizer(folder.tokenizer)
        self._plain.no_padding()
        self._plain.no_truncation()
        self._lower_case = folder.lower_case
        self.longest = longest
        self.cutting = functools.lru_cache(16)(self._cutting)

    @property
    def plain(self) -> Any:
        """The ``tokenizers.Tokenizer``, which neither pads nor cuts."""
        return self._plain

    def _cutting(self, longest: int, side: str, strategy: str, stride: int) -> Any:
        made = load_tokenizer(self._plain)
        made.enable_truncation(longest, stride=stride, strategy=strategy, direction=side)
        return made

    def text(self, text: str, what: str) -> str:
        """The text as the tokenizer takes it."""
        if not isinstance(text, str):
            raise UsageError(f"{what}: is a {type(text).__name__}, must be a text")
        try:
            text.encode()
        except UnicodeEncodeError:
            raise refused(
                f"{what}: holds half of a surrogate pair, must be Unicode text", "not_text"
            ) from None
        return text.lower() if self._lower_case else text

    def encode(
        self,
        pieces: Sequence[Piece],
        *,
        truncate: bool = True,
        side: str = "right",
        prompt: str = "",
        characters: bool = False,
    ) -> list[Any]:
        """An encoding a piece. One that is longer than ``longest`` is cut at its ``side``, or, if
        not ``truncate``, refused by its number (the reason ``over_long``). ``characters``: with
        where each token stands in its text."""
        if side not in ("left", "right"):
            raise UsageError(f"truncation_side: is {side!r}, must be left or right")
        used = self._plain
        if truncate:
            used = self.cutting(self.longest, side, "longest_first", 0)
        texts, where, made = [], [], [None] * len(pieces)  # type: tuple[list[Any], list[int], Any]
        for i, piece in enumerate(pieces):
            what = f"text {i}"
            if isinstance(piece, str):
                texts.append(self.text(prompt + piece, what))
            elif isinstance(piece, tuple):
                if len(piece) != 2:
                    raise UsageError(f"{what}: has {len(piece)} parts, must have two")
                first, second = piece
                texts.append((self.text(prompt + first, what), self.text(second, what)))
            else:
                made[i] = Encoded(self._own(piece, what, truncate, side))
                continue
            where.append(i)
        for i, encoding in zip(where, used.encode_batch(texts) if texts else []):
            made[i] = Encoded.of(encoding, characters)
        for i, encoding in enumerate(made):
            if len(encoding) > self.longest:
                raise refused(
                    f"text {i}: has {len(encoding)} tokens, must have at most {self.longest}; "
                    "truncate cuts it",
                    "over_long",
                )
            if not len(encoding):
                raise refused(f"text {i}: has no tokens, must have at least one", "empty")
        return list(made)

    def _own(self, ids: Ids, what: str, truncate: bool, side: str) -> list[int]:
        limit = self._plain.get_vocab_size()
        kept = list(ids)
        for number in kept:
            if isinstance(number, bool) or not isinstance(number, int):
                raise UsageError(f"{what}: is of {type(number).__name__}, must be a text or tokens")
            if not 0 <= number < limit:
                raise refused(f"{what}: has the token {number}, must be below {limit}", "token")
        if truncate and len(kept) > self.longest:
            kept = kept[: self.longest] if side == "right" else kept[-self.longest :]
        return kept

    def check_windows(
        self, texts: Sequence[str], rooms: Sequence[int], stride: int, most: int
    ) -> None:
        """Refuses texts that are read in more than ``most`` windows together. ``rooms``: tokens of
        a text in a window of it. Windows take memory as soon as they are made, and a stride that is
        nearly a window makes one a token."""
        number = 0
        for one, room in zip(self._plain.encode_batch(texts, add_special_tokens=False), rooms):
            number += 1 + max(0, -(-(len(one) - room) // (room - stride)))
        if number > most:
            raise refused(
                f"the texts: are read in {number} windows, must be in at most {most}; a smaller "
                "stride makes fewer",
                "over_long",
            )

    def prompt_length(self, prompt: str) -> int:
        """Tokens that a prompt takes at the start of a text: its own, and the special ones before
        it."""
        if not prompt:
            return 0
        encoding = self._plain.encode(self.text(prompt, "prompt"))
        special = encoding.special_tokens_mask
        return len(special) - (1 if special and special[-1] else 0)

    def words(self, tokens: Sequence[str]) -> str:
        """The text that these tokens stand for."""
        decoder = self._plain.decoder
        return str(decoder.decode(list(tokens))) if decoder is not None else " ".join(tokens)
