"""Several answers to one client's request, each through the gate, as they come."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from typing import Any

from starlette.responses import StreamingResponse

from hornbook.inference import Completion
from hornbook.serving.chat import Prepared
from hornbook.serving.limits import Caller
from hornbook.serving.service import Service
from hornbook.serving.voice import Piece, Voice


class Speech:
    """`async with` it, and iterate: (which answer, piece), until each has had its last piece, the one with a reason.

    What the gate refused to let in is answered by the refusal.
    """

    def __init__(
        self, service: Service, prepared: Sequence[Prepared], caller: Caller, voice: Callable[[Prepared], Voice]
    ):
        self.tokenizer = service.engine.tokenizer
        self._refused = {place: one.refusal for place, one in enumerate(prepared) if one.request is None}
        asked = [(place, one) for place, one in enumerate(prepared) if one.request is not None]
        self._places = [place for place, _ in asked]
        self._voices = [voice(one) for _, one in asked]
        self._answers = service.answers([one.request for _, one in asked if one.request is not None], caller)

    async def __aenter__(self) -> Speech:
        await self._answers.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._answers.__aexit__()

    async def __aiter__(self) -> AsyncIterator[tuple[int, Piece]]:
        for place, refusal in self._refused.items():
            yield place, Piece(refusal, reason="content_filter")
        async for index, chunk in self._answers:
            voice = self._voices[index]
            piece = voice.hear(chunk)
            if voice.refused:
                self._answers.stop(index)
            yield self._places[index], piece

    @property
    def completions(self) -> dict[int, Completion]:
        """What the engine has finished, by the place of the answer."""
        return {self._places[index]: completion for index, completion in self._answers.completions.items()}

    async def whole(self) -> dict[int, list[Piece]]:
        """All pieces of every answer, once there are no more."""
        pieces: dict[int, list[Piece]] = {}
        async for place, piece in self:
            pieces.setdefault(place, []).append(piece)
        return dict(sorted(pieces.items()))


class Streamed(StreamingResponse):
    """Server-sent events of a speech that has begun; it is left when the response ends, however it does."""

    def __init__(self, speech: Speech, events: AsyncIterator[str]):
        super().__init__(events, media_type="text/event-stream", headers={"Cache-Control": "no-cache"})
        self._speech = speech

    async def __call__(self, *arguments: Any) -> None:
        try:
            await super().__call__(*arguments)
        finally:
            await self._speech.__aexit__()


def several(prepared: Prepared, count: int) -> list[Prepared]:
    """The same `count` times, each with a seed of its own."""
    if prepared.request is None:
        return [prepared] * count
    return [replace(prepared, request=request) for request in prepared.request.repeated(count)]
