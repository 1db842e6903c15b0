"""Token ids to text as they come: whole characters only, and nothing that may yet turn out to be a stop text."""

from __future__ import annotations

import codecs
from collections.abc import Sequence

from hornbook.tokens.tokenizer import Tokenizer


class TextStream:
    """The text of one answer. `push` takes an id and gives what may be shown; `finish` gives the rest.

    The pieces together are the answer's text, cut before the earliest stop text; `stopped` says whether one came.
    Bytes that are no UTF-8 become U+FFFD, as `Tokenizer.decode` has it.
    """

    def __init__(self, tokenizer: Tokenizer, stop: Sequence[str] = ()):
        self._tokenizer, self._stop = tokenizer, tuple(stop)
        self._bytes = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = ""  # whole characters that may begin a stop text
        self._shown: list[str] = []
        self.stopped = False

    @property
    def text(self) -> str:
        """Everything given out so far."""
        return "".join(self._shown)

    def push(self, *tokens: int) -> str:
        """The text that the tokens make certain; empty while a character or a stop text may be under way."""
        return self._take(self._bytes.decode(self._tokenizer.decode_bytes(tokens)), last=False)

    def finish(self) -> str:
        """What was still held back, now that nothing more comes."""
        return self._take(self._bytes.decode(b"", final=True), last=True)

    def _take(self, text: str, *, last: bool) -> str:
        if self.stopped:
            return ""
        whole = self._held + text
        places = [place for place in (whole.find(stop) for stop in self._stop) if place >= 0]
        if places:
            self.stopped, piece, self._held = True, whole[: min(places)], ""
        else:
            keep = 0 if last else self._possible_stop(whole)
            piece, self._held = whole[: len(whole) - keep], whole[len(whole) - keep :]
        if piece:
            self._shown.append(piece)
        return piece

    def _possible_stop(self, text: str) -> int:
        """How many characters at the end of `text` could be the beginning of a stop text."""
        longest = min(len(text), max((len(stop) for stop in self._stop), default=0))
        for size in range(longest, 0, -1):
            if any(stop.startswith(text[-size:]) for stop in self._stop):
                return size
        return 0
