"""What of one answer reaches the reader: its words, its log-probabilities and why it ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hornbook.inference import Chunk
from hornbook.serving.chat import Answer, Chat, Prepared
from hornbook.serving.told import Token, Told


@dataclass(frozen=True)
class CallPiece:
    """More of the call of a tool: `name` comes with its first piece."""

    index: int
    id: str
    name: str | None
    arguments: str


@dataclass(frozen=True)
class Piece:
    """What may be shown now. `reason` comes with the last one."""

    content: str = ""
    reasoning: str = ""
    calls: Sequence[CallPiece] = ()
    tokens: Sequence[Token] = ()
    reason: str | None = None


class Voice:
    """`hear` the chunks of one answer; what comes back has passed the gate. `names_pages` has the page that was read
    named at the end, `detailed` gives tokens."""

    def __init__(self, chat: Chat, prepared: Prepared, *, names_pages: bool = True, detailed: bool = False):
        pages, looked = (prepared.pages, prepared.looked) if names_pages else ((), False)
        self._answer = Answer(chat.gate, pages, chat.gate.policy.message, looked=looked)
        self._told = Told(chat.engine.tokenizer) if detailed else None

    @property
    def refused(self) -> bool:
        """Whether nothing more will come, and the engine may stop."""
        return self._answer.refused

    def hear(self, chunk: Chunk) -> Piece:
        """What the chunk lets through."""
        done = chunk.completion
        content = self._answer.push(chunk.text) if done is None else self._answer.finish(done)
        tokens: Sequence[Token] = ()
        if self._told is not None:
            self._told.hear(chunk.ids, chunk.logprobs, chunk.top)
            tokens = self._told.passed(content)
        return Piece(content, tokens=tokens, reason=None if done is None else self._answer.reason)
