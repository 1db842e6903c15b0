"""The tokens of an answer with their log-probabilities, as far as their words have passed the gate."""

from __future__ import annotations

import codecs
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from hornbook.inference.requests import Top
from hornbook.tokens.tokenizer import Tokenizer


@dataclass(frozen=True)
class Token:
    """A token that was said, and the likeliest in its place, each with its log-probability."""

    piece: bytes
    logprob: float
    top: Sequence[tuple[bytes, float]] = ()
    offset: int = 0  # of its first character in the answer

    @property
    def text(self) -> str:
        return self.piece.decode("utf-8", errors="replace")


class Told:
    """`hear` tokens as they are sampled; `passed` gives those whose words have reached the reader.

    From where the gate has changed the words, no token is given any more: it would tell what the gate took out. Tokens
    without words, such as those that end an answer, are not given.
    """

    def __init__(self, tokenizer: Tokenizer):
        self._tokenizer = tokenizer
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._waiting: deque[tuple[Token, int]] = deque()  # with where its words end
        self._raw, self._shown, self._same, self._size = "", "", 0, 0

    def hear(self, ids: Sequence[int], logprobs: Sequence[float], top: Sequence[Top]) -> None:
        """Tokens that were sampled."""
        for place, (token, logprob) in enumerate(zip(ids, logprobs, strict=True)):
            piece = self._bytes(token)
            if not piece:
                continue
            begin = self._size
            text = self._decoder.decode(piece)
            self._raw, self._size = self._raw + text, begin + len(text)
            likeliest = [(self._bytes(other), value) for other, value in (top[place] if top else ())]
            under_way = bool(self._decoder.getstate()[0])  # the token ends within a character
            self._waiting.append((Token(piece, logprob, likeliest, begin), self._size + under_way))

    def passed(self, shown: str) -> list[Token]:
        """The tokens all of whose words are among what was shown by now, `shown` being what came last."""
        self._shown += shown
        while self._raw and self._shown and self._raw[0] == self._shown[0]:
            size = _common(self._raw, self._shown)
            self._raw, self._shown, self._same = self._raw[size:], self._shown[size:], self._same + size
        given = []
        while self._waiting and self._waiting[0][1] <= self._same:
            given.append(self._waiting.popleft()[0])
        return given

    def _bytes(self, token: int) -> bytes:
        return self._tokenizer.decode_bytes([token])


def _common(one: str, other: str) -> int:
    """How many characters both begin with."""
    most = min(len(one), len(other))
    return next((place for place in range(most) if one[place] != other[place]), most)
