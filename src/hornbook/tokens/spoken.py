"""A model's words as they come, told apart: what it thinks, what it says, which tools it calls.

The form is Hermes' and Qwen's: `<think>…</think>` first, then words, and within `<tool_call>` a JSON object with the
`name` of a tool and its `arguments`. What begins as a call and is none is words.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from hornbook.tokens.tokenizer import Tokenizer

THINK, THOUGHT = "<think>", "</think>"
CALL, CALLED = "<tool_call>", "</tool_call>"


@dataclass(frozen=True)
class Spoken:
    """A piece of one kind. A `call` is whole: `text` is the tool's name, `arguments` what it is called with."""

    kind: Literal["content", "reasoning", "call"]
    text: str
    arguments: Any = None


class SpokenStream:
    """`push` the text in pieces, then `finish`; together they give the same whatever the pieces are.

    Calls are looked for only with `calls`. White space about thoughts and calls is dropped.
    """

    def __init__(self, *, calls: bool):
        self._calls = calls
        self._held = ""
        self._where: Literal["start", "thoughts", "words", "call"] = "start"
        self._begun = False  # whether a word has been said since the last tag

    def push(self, piece: str) -> list[Spoken]:
        """What is certain by now."""
        self._held += piece
        return _joined(self._taken(last=False))

    def finish(self) -> list[Spoken]:
        """The rest: thoughts and calls cut off are what they are, a call then words."""
        return _joined(self._taken(last=True))

    def _taken(self, *, last: bool) -> Iterator[Spoken]:
        while self._held:
            before = (self._where, self._held)
            if self._where == "start":
                self._start(last)
            elif self._where == "thoughts":
                yield from self._until(THOUGHT, "reasoning", last)
            elif self._where == "words":
                yield from self._until(CALL if self._calls else None, "content", last)
            else:
                yield from self._call(last)
            if before == (self._where, self._held):
                return

    def _start(self, last: bool) -> None:
        text = self._held.lstrip()
        if text.startswith(THINK):
            self._go("thoughts", text[len(THINK) :])
        elif last or not THINK.startswith(text):
            # Without thoughts the white space before the words is theirs.
            self._where, self._begun = "words", True

    def _until(self, tag: str | None, kind: Literal["content", "reasoning"], last: bool) -> Iterator[Spoken]:
        """The words up to the tag; of what may be its beginning, and of white space before it, nothing yet."""
        if not self._begun:
            self._held = self._held.lstrip()
            if not self._held:
                return
        if tag is None:
            yield Spoken(kind, self._held)
            self._held, self._begun = "", True
            return
        text, found, rest = self._held.partition(tag)
        if found:
            if text.rstrip():
                yield Spoken(kind, text.rstrip())
            self._go("words" if kind == "reasoning" else "call", rest)
            return
        keep = len(text) if last else _certain(text, tag)
        if text[:keep]:
            self._begun = True
            yield Spoken(kind, text[:keep])
        self._held = text[keep:]

    def _call(self, last: bool) -> Iterator[Spoken]:
        body, found, rest = self._held.partition(CALLED)
        if not found and not last:
            return
        call = _read(body)
        if call is None:
            yield Spoken("content", CALL + body + found)
        else:
            yield call
        self._go("words", rest)

    def _go(self, where: Literal["thoughts", "words", "call"], rest: str) -> None:
        self._where, self._held, self._begun = where, rest, False


def thought_tokens(tokenizer: Tokenizer, ids: Sequence[int]) -> int:
    """How many of an answer's tokens are thoughts, their tags counted."""
    said = b""
    for place, token in enumerate(ids, 1):
        said = (said + tokenizer.decode_bytes([token])).lstrip()
        if not said.startswith(THINK.encode()[: len(said)]):
            return 0
        if THOUGHT.encode() in said[-len(THOUGHT) - 64 :]:
            return place
    return len(ids) if said.startswith(THINK.encode()) else 0


def _read(body: str) -> Spoken | None:
    """The call in JSON, None where there is none."""
    try:
        call = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(call, dict) or not isinstance(call.get("name"), str) or not call["name"]:
        return None
    arguments = call.get("arguments", {})
    return Spoken("call", call["name"], arguments) if isinstance(arguments, dict) else None


def _certain(text: str, tag: str) -> int:
    """How much of the text cannot belong to a tag, nor to white space before one."""
    most = min(len(text), len(tag) - 1)
    begun = next((size for size in range(most, 0, -1) if tag.startswith(text[len(text) - size :])), 0)
    return len(text[: len(text) - begun].rstrip())


def _joined(pieces: Iterator[Spoken]) -> list[Spoken]:
    """Neighbours of one kind as one."""
    joined: list[Spoken] = []
    for piece in pieces:
        if joined and joined[-1].kind == piece.kind != "call":
            joined[-1] = Spoken(piece.kind, joined[-1].text + piece.text)
        else:
            joined.append(piece)
    return joined
