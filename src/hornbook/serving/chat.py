"""The way of one chat: gate, page, model, gate, and the page named. The server and the terminal both go it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from hornbook.conversations.page import PASSAGES, with_passages
from hornbook.conversations.refusals import is_refusal
from hornbook.conversations.values import SMALL_WORDS, cited, normalised, uncited
from hornbook.inference import Completion, Engine, Guide, Request, Sampling
from hornbook.models.device import pick_device, pick_dtype
from hornbook.models.files import load_model
from hornbook.models.quantise import Kind, quantise
from hornbook.retrieval import Hit, Index
from hornbook.retrieval.spelling import as_written
from hornbook.safety import Gate, Policy
from hornbook.serving.gated import RefusedError
from hornbook.serving.gated import gated as through_gate
from hornbook.serving.relevance import is_about
from hornbook.serving.settings import Settings
from hornbook.tokens.foreign import load_tokenizer

Make = Callable[[Path], Engine]
SPELLED_BY = 8  # passages by which names typed in small letters are told
# The end of an answer that may become " (Page: The Title)": with the page at hand, ours is the one that is named.
_CITING = re.compile(r"\s*(?:\((?:P(?:a(?:g(?:e(?::[^\n]*)?)?)?)?)?)?\Z")


class Chat:
    """A model, the pages it may look into, and the gate. `prepare` a conversation, then `Answer`."""

    def __init__(self, engine: Engine, settings: Settings, *, gate: Gate | None = None, index: Index | None = None):
        self.engine, self.settings, self.gate, self.index = engine, settings, gate or Gate(), index

    @classmethod
    def load(
        cls, folder: Path, *, slots: int = 32, model: Path | None = None, quantised: Kind | None = None,
        make: Make | None = None,
    ) -> Chat:  # fmt: skip
        """All of a deployment folder, and nothing else; `model` puts another model in the place of its own,
        `quantised` has its weights in few bits, and `make` another engine in the place of Hornbook's.

        Raises InputError, RecipeError or DamagedError for what is missing, wrong or damaged.
        """
        folder = Path(folder)
        settings = Settings.read(folder)
        gate = Gate(Policy.read(folder / settings.policy))
        index = Index(folder / settings.index) if settings.index else None
        engine = (make or partial(_engine, slots=slots, quantised=quantised))(model or folder / settings.model)
        return cls(engine, settings, gate=gate, index=index)

    @classmethod
    def bare(
        cls, model: Path, name: str, *, slots: int = 32, quantised: Kind | None = None, make: Make | None = None
    ) -> Chat:
        """A model's folder alone: no pages to look into, the default policy."""
        return cls((make or partial(_engine, slots=slots, quantised=quantised))(model), Settings(name=name))

    def prepare(
        self, messages: Sequence[dict], sampling: Sampling, *, open_book: bool = True, tools: Sequence[dict] = (),
        guide: Callable[[], Guide] | None = None,
    ) -> Prepared:  # fmt: skip
        """The request for the engine, or the refusal in its place. `tools` may be called, `guide` shapes the answer.

        What people wrote passes the gate; what a search finds for the last question, if it is about it, is laid before
        the conversation, or left out where the model's window has no room for it.
        Raises InputError for messages that are no conversation or do not fit the window.
        """
        gated: list[dict] = []
        for message in messages:
            if message["role"] != "assistant":
                verdict = self.gate.check(message["content"], "input")
                if verdict.closed:
                    return Prepared(None, (), verdict.text)
                message = {**message, "content": verdict.text}
            gated.append(message)
        try:
            tools = [through_gate(self.gate, tool, "input") for tool in tools]
        except RefusedError as refusal:
            return Prepared(None, (), str(refusal))
        looked = open_book and self.index is not None
        if looked:
            self._spell(gated)
        if self.settings.system:
            gated.insert(0, {"role": "system", "content": self.settings.system})
        closed = Request(messages=gated, sampling=sampling, tools=tools)
        self.engine.ticket(closed)
        pages = self._pages(gated) if looked else []
        opened = with_passages(self.engine, gated, pages, sampling, tools)
        request = replace(opened or closed, guide=guide)
        return Prepared(request, tuple(pages) if opened else (), looked=looked)

    def going_on(self, text: str, sampling: Sampling) -> Prepared:
        """The request for a model that has only read: it goes on with the text. Raises InputError as `prepare`."""
        verdict = self.gate.check(text, "input")
        if verdict.closed:
            return Prepared(None, (), verdict.text)
        tokenizer = self.engine.tokenizer
        request = Request(ids=[*tokenizer.beginning, *tokenizer.encode(verdict.text)], sampling=sampling)
        self.engine.ticket(request)
        return Prepared(request, ())

    def _spell(self, messages: list[dict]) -> None:
        """Names in what a user last typed, in small letters, as the pages write them."""
        place = _last_asked(messages)
        if self.index is not None and place is not None:
            asked = messages[place]["content"]
            hits = self.index.search(asked, SPELLED_BY) if asked == asked.lower() else []
            spelled = as_written(asked, [hit.title for hit in hits], [hit.text for hit in hits])
            messages[place] = {**messages[place], "content": spelled}

    def _pages(self, messages: Sequence[dict]) -> list[Hit]:
        """The passages for the last thing a user said, gated; those of one page as one. Empty when none is about it."""
        place = _last_asked(messages)
        if self.index is None or place is None:
            return []
        asked = messages[place]["content"]
        pages: dict[str, Hit] = {}
        for hit in self.index.search(asked, PASSAGES):
            title, text = self.gate.check(hit.title, "page"), self.gate.check(hit.text, "page")
            if is_about(asked, hit) and not (title.closed or text.closed):
                before = f"{pages[hit.url].text} " if hit.url in pages else ""
                pages[hit.url] = replace(pages.get(hit.url, hit), title=title.text, text=f"{before}{text.text}")
        return list(pages.values())


@dataclass(frozen=True)
class Prepared:
    """What goes to the engine (None when the gate refused), the pages put before the model, the refusal's words, and
    whether pages were looked for."""

    request: Request | None
    pages: tuple[Hit, ...]
    refusal: str = ""
    looked: bool = False


class Answer:
    """What of the model's words reaches the reader. `push` pieces as they come, then `finish` with the completion.

    The model's own naming of a page gives way to the page that was really laid before it, of several the one that
    tells most of the answer; an answer that says it does not know names none. Where pages were `looked` for and none
    was found the model's naming is left out: it may be of a page that does not exist. `reason` is OpenAI's finish
    reason once finished.
    """

    def __init__(self, gate: Gate, pages: Sequence[Hit], *, looked: bool = True):
        self._pages, self._looked, self._gate = pages, looked, gate.stream("output")
        self._held, self._said = "", []
        self.reason = "stop"

    @property
    def text(self) -> str:
        """Everything that reached the reader."""
        return "".join(self._said)

    @property
    def refused(self) -> bool:
        """Whether the gate closed on it: nothing more will come, and the engine may stop."""
        return self._gate.refused

    def push(self, piece: str) -> str:
        """What may be shown now."""
        if not self._looked:
            return self._show(self._gate.push(piece))
        self._held += piece
        place = self._citing()
        ready, self._held = self._held[:place], self._held[place:]
        return self._show(self._gate.push(ready))

    def finish(self, completion: Completion, *, cites: bool = True) -> str:
        """What was held back, and with `cites` the page's name."""
        rest = self._gate.push(uncited(self._held) if self._looked else "") + self._gate.finish()
        if self._gate.refused:
            self.reason = "content_filter"
            return self._show(rest + self._gate.verdict.text)
        self.reason = "length" if completion.finish_reason == "length" else "stop"
        said = self.text + rest
        if cites and self._pages and said.strip() and not is_refusal(said):
            page = _told_by(self._pages, said)
            rest = cited(said.rstrip(), page.title or page.url)[len(self.text) :]
        return self._show(rest)

    def _citing(self) -> int:
        """Where in the held text a naming of a page may begin."""
        begun = re.search(r"\s*\(Page:", self._held) or _CITING.search(self._held)
        return begun.start() if begun else len(self._held)

    def _show(self, text: str) -> str:
        self._said.append(text)
        return text


def _last_asked(messages: Sequence[dict]) -> int | None:
    """Where the last message of a user stands that says something."""
    places = [place for place, message in enumerate(messages) if message["role"] == "user"]
    return places[-1] if places and messages[places[-1]]["content"].strip() else None


def _told_by(pages: Sequence[Hit], said: str) -> Hit:
    """The page that holds most words of what is said; of equals the one found first."""
    words = set(normalised(said).split()) - SMALL_WORDS
    return max(pages, key=lambda page: len(words & set(normalised(f"{page.title} {page.text}").split())))


def _engine(folder: Path, slots: int, quantised: Kind | None) -> Engine:
    device = pick_device()
    dtype = pick_dtype(device)
    if quantised is None:
        model = load_model(folder, device=device, dtype=dtype)
    else:  # of the weights as they were saved, not as bf16 rounds them
        model = quantise(load_model(folder, device=device), quantised).to(dtype)
    return Engine(model, load_tokenizer(folder), slots=slots, frozen=True)
