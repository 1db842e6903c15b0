"""A prompt said again with its log-probabilities, in the shape of OpenAI's older API."""

from __future__ import annotations

import codecs
from collections.abc import Sequence

from typing_extensions import TypedDict  # on Python 3.11 pydantic reads no other

from hornbook.inference.requests import Top
from hornbook.serving.told import Token
from hornbook.tokens.tokenizer import Tokenizer


class Legacy(TypedDict):
    """Lists side by side, a place for each token. The first token of a text has no probability."""

    tokens: list[str]
    token_logprobs: list[float | None]
    top_logprobs: list[dict[str, float] | None]
    text_offset: list[int]


class Echo:
    """The tokens of a prompt, without what the tokenizer puts before every text; `logprobs` and `top` are one shorter
    than `ids`, or empty where nobody asks."""

    def __init__(self, tokenizer: Tokenizer, ids: Sequence[int], logprobs: Sequence[float], top: Sequence[Top]):
        begin = len(tokenizer.beginning) if tuple(ids[: len(tokenizer.beginning)]) == tokenizer.beginning else 0
        self.text, self.size = tokenizer.decode(ids[begin:], skip_special=False), len(ids)
        self._tokenizer, self._ids, self._begin = tokenizer, ids, begin
        self._logprobs, self._top = [None, *logprobs], [None, *top]

    def told(self) -> Legacy:
        """Every token."""
        told, size = Legacy(tokens=[], token_logprobs=[], top_logprobs=[], text_offset=[]), 0
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        for place in range(self._begin, len(self._ids)):
            piece = self._piece(self._ids[place])
            logprob, top = self._logprobs[place], self._top[place]
            told["tokens"].append(piece.decode("utf-8", errors="replace"))
            told["token_logprobs"].append(logprob)
            told["text_offset"].append(size)
            likeliest = [(self._piece(token), value) for token, value in top or ()]
            told["top_logprobs"].append(None if logprob is None else _by_text(piece, logprob, likeliest))
            size += len(decoder.decode(piece))
        return told

    def _piece(self, token: int) -> bytes:
        return self._tokenizer.decode_bytes([token], skip_special=False)


def legacy(tokens: Sequence[Token], offset: int) -> Legacy:
    """Tokens of an answer that stands `offset` characters into the text."""
    return Legacy(
        tokens=[token.text for token in tokens], token_logprobs=[token.logprob for token in tokens],
        top_logprobs=[_by_text(token.piece, token.logprob, token.top) for token in tokens],
        text_offset=[offset + token.offset for token in tokens],
    )  # fmt: skip


def _by_text(piece: bytes, logprob: float, top: Sequence[tuple[bytes, float]]) -> dict[str, float]:
    """The likeliest and the one that was taken; of two that look alike the likelier."""
    found: dict[str, float] = {}
    for other, value in [*top, (piece, logprob)]:
        found.setdefault(other.decode("utf-8", errors="replace"), value)
    return found
