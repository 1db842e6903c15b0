"""What of one answer reaches the reader: its words, its thoughts, the tools it calls, and why it ended."""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from hornbook.inference import Chunk, Completion
from hornbook.serving.chat import Answer, Chat, Prepared
from hornbook.serving.gated import RefusedError, gated
from hornbook.serving.told import Token, Told
from hornbook.tokens.spoken import Spoken, SpokenStream


@dataclass(frozen=True)
class CallPiece:
    """The call of a tool, its arguments as JSON."""

    index: int
    id: str
    name: str
    arguments: str


@dataclass
class Piece:
    """What may be shown now. `reason` comes with the last one."""

    content: str = ""
    reasoning: str = ""
    calls: Sequence[CallPiece] = ()
    tokens: Sequence[Token] = ()
    reason: str | None = None


class Voice:
    """`hear` the chunks of one answer; what comes back has passed the gate: thoughts and the arguments of calls too.

    `is_plain` takes an answer for words alone, to be given as they are: no thoughts, no calls, no page named at its
    end. `calls` looks for calls of tools. `detailed` gives tokens.
    """

    def __init__(
        self, chat: Chat, prepared: Prepared, *, is_plain: bool = False, calls: bool = False, detailed: bool = False
    ):
        pages, looked = ((), False) if is_plain else (prepared.pages, prepared.looked)
        self._gate = chat.gate
        self._words = Answer(chat.gate, pages, looked=looked)
        self._thoughts = chat.gate.stream("output")
        self._spoken = None if is_plain else SpokenStream(calls=calls)
        self._told = Told(chat.engine.tokenizer) if detailed else None
        self._calls: list[CallPiece] = []
        self._closed = False

    @property
    def refused(self) -> bool:
        """Whether nothing more will come, and the engine may stop."""
        return self._closed or self._words.refused

    def hear(self, chunk: Chunk) -> Piece:
        """What the chunk lets through; calls come when all words have."""
        piece, done = Piece(), chunk.completion
        if self._spoken is None:
            self._take(Spoken("content", chunk.text), piece)
        else:
            spoken = self._spoken.push(chunk.text)
            for part in spoken if done is None else [*spoken, *self._spoken.finish()]:
                self._take(part, piece)
        if done is not None:
            self._finish(done, piece)
        if self._told is not None:
            self._told.hear(chunk.ids, chunk.logprobs, chunk.top)
            piece.tokens = self._told.passed(piece.content)
        return piece

    def _take(self, part: Spoken, piece: Piece) -> None:
        if self.refused:
            return
        if part.kind == "reasoning":
            piece.reasoning += self._thoughts.push(part.text)
        else:
            piece.reasoning += self._thoughts.finish()  # it thinks no more
        if self._thoughts.refused:
            self._close(piece, self._thoughts.verdict.text)
        elif part.kind == "content":
            piece.content += self._words.push(part.text)
        elif part.kind == "call":
            self._call(part, piece)

    def _call(self, part: Spoken, piece: Piece) -> None:
        try:
            gated(self._gate, part.text, "output")
            arguments = gated(self._gate, part.arguments, "output")
        except RefusedError as refusal:
            self._close(piece, str(refusal))
            return
        written = json.dumps(arguments, ensure_ascii=False)
        self._calls.append(CallPiece(len(self._calls), f"call_{secrets.token_hex(12)}", part.text, written))

    def _finish(self, done: Completion, piece: Piece) -> None:
        self._take(Spoken("content", ""), piece)
        if self._closed:
            piece.reason = "content_filter"
            return
        piece.content += self._words.finish(done, cites=not self._calls)
        piece.reason = self._words.reason
        if piece.reason != "content_filter":
            piece.calls = self._calls
            piece.reason = "tool_calls" if self._calls and piece.reason == "stop" else piece.reason

    def _close(self, piece: Piece, instead: str) -> None:
        """What was thought or called is refused: the policy's words end the answer."""
        self._closed = True
        piece.content += instead
