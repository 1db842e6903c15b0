"""What a response holds, item by item as it comes, and the typed events that tell of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hornbook.serving.openai.common import identifier
from hornbook.serving.voice import CallPiece, Piece

Event = tuple[str, dict[str, Any]]


class Output:
    """Pieces in, events out; `items` is all that was said. One item is open at a time."""

    def __init__(self) -> None:
        self.items: list[dict[str, Any]] = []
        self._open: dict[str, Any] | None = None

    def hear(self, piece: Piece) -> Iterator[Event]:
        """The events of a piece."""
        if piece.reasoning:
            yield from self._be("reasoning", {"type": "reasoning", "summary": [], "content": []})
            yield from self._words("reasoning_text", piece.reasoning)
        if piece.content:
            yield from self._be("message", {"type": "message", "role": "assistant", "content": []})
            yield from self._words("output_text", piece.content)
        for call in piece.calls:
            yield from self._call(call)
        if piece.reason is not None:
            yield from self._close("incomplete" if piece.reason in ("length", "content_filter") else "completed")

    def _call(self, call: CallPiece) -> Iterator[Event]:
        yield from self._close("completed")
        item = {"type": "function_call", "call_id": call.id, "name": call.name, "arguments": ""}
        yield from self._begin("fc", item)
        self.items[-1]["arguments"] = call.arguments
        yield self._event("response.function_call_arguments.delta", delta=call.arguments)

    def _be(self, kind: str, item: dict[str, Any]) -> Iterator[Event]:
        """Have an item of this kind open."""
        if self._open is None or self._open["type"] != kind:
            yield from self._close("completed")
            yield from self._begin({"message": "msg", "reasoning": "rs"}[kind], item)

    def _begin(self, prefix: str, item: dict[str, Any]) -> Iterator[Event]:
        self._open = {"id": identifier(prefix), **item, "status": "in_progress"}
        self.items.append(self._open)
        yield "response.output_item.added", {"output_index": self._place, "item": _copied(self._open)}

    def _words(self, kind: str, words: str) -> Iterator[Event]:
        assert self._open is not None
        if not self._open["content"]:
            part: dict[str, Any] = {"type": kind, "text": ""}
            if kind == "output_text":
                part |= {"annotations": [], "logprobs": []}
            self._open["content"].append(part)
            yield self._event("response.content_part.added", content_index=0, part=dict(part))
        self._open["content"][0]["text"] += words
        more = {"logprobs": []} if kind == "output_text" else {}
        yield self._event(f"response.{kind}.delta", content_index=0, delta=words, **more)

    def _close(self, status: str) -> Iterator[Event]:
        item, place = self._open, self._place
        if item is None:
            return
        item["status"] = status
        if item["type"] == "function_call":
            yield self._event("response.function_call_arguments.done", arguments=item["arguments"], name=item["name"])
        else:
            part = item["content"][0]
            more = {"logprobs": []} if part["type"] == "output_text" else {}
            yield self._event(f"response.{part['type']}.done", content_index=0, text=part["text"], **more)
            yield self._event("response.content_part.done", content_index=0, part=dict(part))
        yield "response.output_item.done", {"output_index": place, "item": _copied(item)}
        self._open = None

    @property
    def _place(self) -> int:
        return len(self.items) - 1

    def _event(self, kind: str, **more: Any) -> Event:
        assert self._open is not None
        return kind, {"item_id": self._open["id"], "output_index": self._place, **more}


def _copied(item: dict[str, Any]) -> dict[str, Any]:
    """The item as it is now."""
    return {name: [dict(part) for part in value] if isinstance(value, list) else value for name, value in item.items()}
