"""Any tokenizer.json, through the `tokenizers` library: WordPiece, Unigram, characters, and other models' own."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from hornbook.core.errors import InputError
from hornbook.tokens.description import Description
from hornbook.tokens.giga import TRIAL
from hornbook.tokens.split import readable
from hornbook.tokens.tokenizer import Tokenizer
from hornbook.tokens.vocabulary import bytes_of

CONTINUES = "\u2581"  # before a piece of WordPiece that goes on a word; no letter that stands for a byte
LARGEST = 1 << 24  # of the ids: a list as long as the last one says is made of them
_BYTE = re.compile(r"<0x([0-9A-F]{2})>")
_NEVER = "\U0010ffff" * 8  # a string of what Unicode says is no character


class LibraryTokenizer(Tokenizer):
    """What a description in the format of `tokenizers` says, with Hornbook's special tokens among its added ones.

    Its ids are those of the library for every text without special tokens. Raises ValueError for a description that
    the library does not read, or whose tokens have no bytes of their own; `encode` raises InputError for a text that
    the description leaves no way to write.
    """

    _library_name = "tokenizers"

    def __init__(self, description: Description):
        added = sorted(description["added_tokens"], key=lambda token: token["id"])
        self._library = opened(_without_added(description))
        pieces = _pieces(description, self._library)
        for token in added:
            pieces[token["id"]] = token["content"].encode()
        if not 0 <= min(pieces) <= max(pieces) < LARGEST:
            raise ValueError(f"its ids go from {min(pieces):,} to {max(pieces):,}")
        listed = [pieces.get(token, b"") for token in range(max(pieces) + 1)]
        special = {token["content"]: token["id"] for token in added}
        self._name(listed, special, [token["content"] for token in added if token["special"]])
        self.description = description
        self._leading = len(self.encode("a")) > 0 and self.decode_bytes(self.encode("a")) == b" a"

    @cached_property
    def lossless(self) -> bool:
        return all(self.decode(self.encode(text)) == text for text in TRIAL)

    def encode(self, text: str) -> list[int]:
        return self._asked(self._library.encode, readable(text)).ids

    def decode(self, ids: Iterable[int], skip_special: bool = True) -> str:
        text = super().decode(ids, skip_special)
        return text.removeprefix(" ") if self._leading else text

    def _encode_many(self, texts: Sequence[str], threads: int) -> list[np.ndarray]:
        found = self._asked(self._library.encode_batch_fast, [readable(text) for text in texts])
        return [np.array(one.ids, dtype=np.int32) for one in found]

    def _asked(self, encode: Callable[..., Any], given: Any) -> Any:
        try:
            return encode(given, add_special_tokens=False)
        except Exception as error:  # the library raises nothing narrower
            raise InputError(f"the tokenizer has no way to write a text ({error})", where="tokenizer.json",
                             fix="take one that falls back on bytes or on an unknown token") from None


def opened(description: Description) -> Any:
    """The library's own tokenizer of the description. Raises ValueError where it reads none."""
    import tokenizers

    try:
        return tokenizers.Tokenizer.from_str(json.dumps(description, ensure_ascii=False))
    except Exception as error:  # the library raises nothing narrower
        raise ValueError(str(error)) from None


def _without_added(description: Description) -> Description:
    """The description without added tokens, in which no text can spell one either."""
    added = {token["content"] for token in description["added_tokens"]}
    model = description["model"]
    vocabulary, unknown = model["vocab"], model.get("unk_token")
    if isinstance(vocabulary, dict):
        kept: Any = {text: token for text, token in vocabulary.items() if text not in added or text == unknown}
    else:
        kept = [[_NEVER if text in added else text, score] for text, score in vocabulary]
    bare = {"added_tokens": [], "truncation": None, "padding": None, "post_processor": None}
    return {**description, **bare, "model": {**model, "vocab": kept}}


def _pieces(description: Description, library: Any) -> dict[int, bytes]:
    """The bytes that each token of the model adds to a text."""
    vocabulary: dict[str, int] = library.get_vocab(with_added_tokens=False)
    decoder = json.dumps(description.get("decoder"), ensure_ascii=False)
    if '"ByteLevel"' in decoder:
        mark = CONTINUES if CONTINUES in decoder else ""
        return {token: _from_letters(text.removeprefix(mark)) for text, token in vocabulary.items()}
    before = vocabulary.get("a", next(iter(vocabulary.values())))
    begins = library.decode([before], skip_special_tokens=False)
    pieces = {}
    for text, token in vocabulary.items():
        whole = library.decode([before, token], skip_special_tokens=False)
        if byte := _BYTE.fullmatch(text):
            pieces[token] = bytes([int(byte[1], 16)])
        elif whole.startswith(begins):
            pieces[token] = whole[len(begins) :].encode()
        else:
            raise ValueError(f"its decoder does not write {text!r} after what stood before")
    return pieces


def _from_letters(text: str) -> bytes:
    try:
        return bytes_of(text)
    except KeyError:  # an added token, which no one spelled in letters for bytes
        return text.encode()
