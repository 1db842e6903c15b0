"""`hornbook chat`: talk with the model in the terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from hornbook.cli.common import print_json
from hornbook.cli.deployed import BITS, Bits, Which, load_chat

if TYPE_CHECKING:
    from hornbook.inference import Sampling
    from hornbook.serving.chat import Chat, Prepared

HELP = "/quit leaves, /new forgets what was said; Ctrl-C stops an answer"


def chat(
    where: Annotated[str, typer.Argument(help="A run's name, or the folder of a deployment.")],
    model: Annotated[Which | None, typer.Option(help="The model of another step; base goes on with your text.")] = None,
    once: Annotated[str | None, typer.Option(help="Answer this one question and leave.")] = None,
    closed_book: Annotated[bool, typer.Option("--closed-book", help="Answer from memory, no page at hand.")] = False,
    temperature: Annotated[float | None, typer.Option(help="0 takes the likeliest words.")] = None,
    max_tokens: Annotated[int | None, typer.Option(help="The longest answer.")] = None,
    seed: Annotated[int, typer.Option(help="Another seed, other words, above temperature 0.")] = 0,
    quantise: Annotated[Bits | None, typer.Option(help=BITS)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="With --once: one JSON object.")] = False,
) -> None:
    """Talk with the model in the terminal. It looks its pages up, and names the one it read."""
    from hornbook.inference import Sampling

    loaded = load_chat(where, model, slots=1, quantised=quantise)
    sampling = Sampling(
        temperature=loaded.settings.temperature if temperature is None else temperature,
        max_tokens=loaded.settings.max_tokens if max_tokens is None else max_tokens, seed=seed,
    )  # fmt: skip
    talk = Talk(loaded, sampling, open_book=not closed_book and model != "base", goes_on=model == "base")
    if once is not None:
        talk.ask(once, shown=not as_json)
        if as_json:
            pages = [{"title": page.title, "url": page.url, "score": page.score} for page in talk.pages]
            print_json({"question": once, "answer": talk.answer, "reason": talk.reason, "pages": pages})
        return
    print(f"{loaded.settings.name}: {HELP}", file=sys.stderr)
    for line in _lines():
        if line == "/new":
            talk.messages.clear()
        elif line.startswith("/"):
            print(HELP, file=sys.stderr)
        else:
            talk.ask(line)


class Talk:
    """What was said so far, and the next answer: `answer`, its `reason` and the `pages` that were put before it."""

    def __init__(self, chat: Chat, sampling: Sampling, *, open_book: bool, goes_on: bool = False):
        self._chat, self._sampling, self._open_book, self._goes_on = chat, sampling, open_book, goes_on
        self.messages: list[dict[str, str]] = []
        self.answer, self.reason, self.pages = "", "", ()

    def ask(self, question: str, *, shown: bool = True) -> None:
        """Answer, showing the words as they come, and the pages read for it; Ctrl-C ends the answer where it is."""
        from hornbook.conversations.refusals import is_refusal

        self.messages.append({"role": "user", "content": question})
        prepared = self._prepared(question)
        pieces: list[str] = []
        try:
            for piece in self._said(prepared):
                pieces.append(piece)
                if shown:
                    print(piece, end="", flush=True)
        except KeyboardInterrupt:
            self.reason = "stopped"
        self.answer, self.pages = "".join(pieces), prepared.pages
        self.messages.append({"role": "assistant", "content": self.answer})
        if shown:
            print()
            for page in () if is_refusal(self.answer) else prepared.pages:
                print(f"  {page.url}", file=sys.stderr)

    def _prepared(self, question: str) -> Prepared:
        from hornbook.inference import PromptTooLongError

        if self._goes_on:
            return self._chat.going_on(question, self._sampling)
        while True:
            try:
                return self._chat.prepare(self.messages, self._sampling, open_book=self._open_book)
            except PromptTooLongError:
                if len(self.messages) < 3:
                    self.messages.pop()
                    raise
                del self.messages[:2]  # the model's window is full: what was said first is forgotten first
                print("(the beginning of this chat no longer fits the model's window)", file=sys.stderr)

    def _said(self, prepared: Prepared) -> Iterator[str]:
        """The pieces that may be shown; sets the reason for which they end."""
        from hornbook.serving.chat import Answer

        if prepared.request is None:
            self.reason = "content_filter"
            yield prepared.refusal
            return
        answer = Answer(self._chat.gate, prepared.pages, looked=prepared.looked)
        for chunk in self._chat.engine.stream(prepared.request):
            if chunk.completion is not None:
                yield answer.finish(chunk.completion)
            else:
                yield answer.push(chunk.text)
            if answer.refused and chunk.completion is None:
                break
        self.reason = answer.reason


def _lines() -> Iterator[str]:
    """What is typed, until /quit or the end of the input."""
    asked = "> " if sys.stdin.isatty() else ""
    while True:
        try:
            line = input(asked).strip()
        except (EOFError, KeyboardInterrupt):
            return
        if line in ("/quit", "/exit"):
            return
        if line:
            yield line
