"""Step 7, the conversations: gathered from people, imported, and drawn from the pages; each with its origin."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import TYPE_CHECKING, Any

from pydantic import Field

from hornbook.core.seeds import derive
from hornbook.pipeline.config import Dial
from hornbook.pipeline.run import Run
from hornbook.pipeline.stage import stage
from hornbook.road.artifacts import Conversations, Corpus
from hornbook.road.open_book import OpenBookConfig
from hornbook.road.sources import Sources

if TYPE_CHECKING:
    from hornbook.conversations.from_pages import Drawn, PageText
    from hornbook.conversations.invent import KnownWords, NameMaker
    from hornbook.conversations.open_book import OpenBook

MOST = {  # what SFT has the time to read, by size; the sizes beyond take what `laptop` takes twenty times
    "tiny": {"closed_book": 400, "open_book": 40, "renamed": 40, "exercises": 20, "told": 40, "invented": 300,
             "probed": 60},
    "laptop": {"closed_book": 5000, "open_book": 400, "renamed": 500, "exercises": 150, "told": 150, "invented": 6000,
               "probed": 1200},
}  # fmt: skip

ANSWER_WORDS = 30  # room beside the longest passage for what is asked of it


class ConversationsConfig(OpenBookConfig):
    """The section `[conversations]`. Numbers are the most of a kind, taken by chance where there are more."""

    imports: Sources = Field(
        {}, description="files of conversations, or a table of names and files: OpenAI messages, ShareGPT, Alpaca"
    )
    closed_book: int = Field(5000, ge=0, description="questions that pages ask, answered from memory")
    open_book: int = Field(400, ge=0, description="the same, or headings, with a passage of their page to read")
    renamed: int = Field(500, ge=0, description="passages and questions about names that do not exist")
    exercises: int = Field(150, ge=0, description="exercises with their working")
    told: int = Field(150, ge=0, description="definitions and headings; more where pages ask less than `closed_book`")
    invented: int = Field(6000, ge=0, description="questions about what does not exist, for SFT's second round")
    probed: int = Field(1200, ge=0, description="questions of the knowledge probe")
    cite: float = Field(0.35, ge=0, le=1, description="share of answers that name their page, 0 to 1")
    silent: float = Field(0.1, ge=0, le=1, description="share of passages that do not hold the answer, 0 to 1")

    @classmethod
    def defaults(cls, dial: Dial) -> dict[str, Any]:
        most = MOST.get(dial.size) or {name: 20 * count for name, count in MOST["laptop"].items()}
        return super().defaults(dial) | most

    def about_seconds(self) -> float:
        return 6.0


@stage(version=5)
def conversations(config: ConversationsConfig, corpus: Corpus, run: Run) -> Conversations:
    """Write conversations.jsonl, and for SFT's second round probe.jsonl and invented.jsonl.

    A drawn question about a name that only one page knows is asked with that page open, never from memory: what was
    read once is not remembered, and a model made to answer all the same learns to guess. One drawn question in twenty
    is left for exams. Metrics: conversations by kind, by origin and by source.
    """
    from hornbook.conversations.formats import read_conversations, source_of
    from hornbook.conversations.rows import files_in
    from hornbook.core.jsonl import write_jsonl

    imported = [
        row | {"source": name}
        for name, path in config.imports.items() for file in files_in([path]) for row in read_conversations(file)
    ]  # fmt: skip
    book = _read(corpus, imported)
    closed = _closed(config, book, run.seed)
    told = _told(config, book, config.told + config.closed_book - len(closed), run.seed)
    drawn = [*closed, *_exercises(config, book, run.seed), *told]
    opened = list(_open(config, book, run.seed))
    rows = imported + drawn + opened
    write_jsonl(run.out / "conversations.jsonl", rows)
    probed = _some([row for row in drawn if row["kind"] in ("asked", "definition")], config.probed, run.seed, "probe")
    write_jsonl(run.out / "probe.jsonl", probed)
    invented = write_jsonl(run.out / "invented.jsonl", _invented(config, book, run.seed))
    if not rows:
        run.warn("no conversation was given and the pages ask nothing: SFT has nothing to learn from")
    run.metric(kinds=_counts(row["kind"] for row in rows), origins=_counts(row["origin"] for row in rows),
               sources=_counts(map(source_of, rows)), probed=len(probed), invented=invented,
               simulated=sum(bool(row.get("simulated")) for row in rows))
    run.count(inputs=len(book.pages) + len(imported), outputs=len(rows))
    return Conversations(run.out)


@dataclass
class _Book:
    """The pages with what they ask. `home` is the page that a question is about, by its place in `drawn`."""

    pages: list[PageText]
    drawn: list[Drawn]
    about: list[str | None]
    known: KnownWords
    maker: NameMaker

    def of(self, *kinds: str) -> list[int]:
        return [index for index, drawn in enumerate(self.drawn) if drawn.kind in kinds]


def _read(corpus: Corpus, imported: list[dict]) -> _Book:
    from hornbook.conversations.from_pages import draw, kept_for_exam
    from hornbook.conversations.invent import KnownWords, NameMaker, subject

    documents = corpus.documents().select(["url", "title", "text"]).to_pylist()
    pages, drawn = [], []
    for page, asked in draw(documents):
        pages.append(page)
        drawn += [item for item in asked if not kept_for_exam(item.question)]
    about = [subject(item.question, item.page.title, item.answer) for item in drawn]
    homes = {_title_key(page.title): page for page in reversed(pages)}
    drawn = [
        replace(item, page=homes.get(_title_key(name or ""), item.page))
        for item, name in zip(drawn, about, strict=True)
    ]
    said = [message["content"] for row in imported for message in row["messages"]]
    known = KnownWords([*(str(document["text"]) for document in documents), *(page.title for page in pages), *said])
    return _Book(pages, drawn, about, known, NameMaker([name for name in about if name], known))


def _closed(config: ConversationsConfig, book: _Book, seed: int) -> list[dict]:
    """Questions from memory: about nothing in particular, or about what more than one page tells of."""
    able = [
        index for index in book.of("asked")
        if (name := book.about[index]) is None or book.known.texts_with(name) > 1
    ]
    random = Random(derive(seed, "closed"))
    return [_row(book.drawn[index], config.cite, random) for index in _some(able, config.closed_book, seed, "closed")]


def _exercises(config: ConversationsConfig, book: _Book, seed: int) -> list[dict]:
    chosen = _some(book.of("exercise"), config.exercises, seed, "exercises")
    return [_row(book.drawn[index], 0.0, Random(0)) for index in chosen]


def _told(config: ConversationsConfig, book: _Book, most: int, seed: int) -> list[dict]:
    random = Random(derive(seed, "told"))
    chosen = _some(book.of("definition", "about"), most, seed, "told")
    return [_row(book.drawn[index], config.cite, random) for index in chosen]


def _row(drawn: Drawn, cite: float, random: Random) -> dict:
    from hornbook.conversations.formats import conversation, exchange
    from hornbook.conversations.values import cited

    names_page = drawn.page.title and random.random() < cite
    answer = cited(drawn.answer, drawn.page.title) if names_page else drawn.answer
    return conversation(exchange(drawn.question, answer), origin="page", kind=drawn.kind, url=drawn.page.url)


def _open(config: ConversationsConfig, book: _Book, seed: int) -> Iterator[dict]:
    """Questions with a passage: their own, then the same about fresh names; some are asked what it does not hold.
    Where pages ask too little for as many as are wanted, what stands under their headings is asked for."""
    from hornbook.conversations.open_book import headed, opened, renamed

    random = Random(derive(seed, "open"))
    pages: dict[str, list[Drawn]] = {}
    for index in book.of("asked", "definition"):
        if book.drawn[index].page.prose:
            pages.setdefault(book.drawn[index].page.url, []).append(book.drawn[index])
    order = random.sample(sorted(pages), len(pages))
    made, wanted = 0, config.open_book + config.renamed
    for turn in range(4 * len(order)):  # a page may serve again, with another question and under another name
        if made >= wanted:
            return
        asked = pages[order[turn % len(order)]]
        most_words = random.randint(config.passage_words // 3, config.passage_words)
        found = opened(random.choice(asked), asked, most_words, random, in_all=config.passage_words + ANSWER_WORDS)
        if found is None:
            continue
        if made >= config.open_book:
            found = renamed(found, book.maker, random)
        yield _lesson(config, book, found, asked[0].page.url if made < config.open_book else None, random)
        made += 1
    for index in random.sample(able := book.of("about"), len(able)):
        if made >= wanted:
            return
        drawn = book.drawn[index]
        most_words = random.randint(config.passage_words // 3, config.passage_words)
        if (found := headed(drawn, most_words, random)) is not None:
            yield _lesson(config, book, found, drawn.page.url, random)
            made += 1


def _lesson(config: ConversationsConfig, book: _Book, found: OpenBook, url: str | None, random: Random) -> dict:
    from hornbook.conversations.formats import conversation, exchange
    from hornbook.conversations.page import with_page

    messages: list[dict] = []
    for question, answer in found.asked:
        messages += exchange(*_silenced_or_cited(config, book, question, answer, found.title, random))
    return conversation(with_page(messages, found.title, found.passage), origin="page", kind="open_book", url=url)


def _silenced_or_cited(
    config: ConversationsConfig, book: _Book, question: str, answer: str, title: str, random: Random
) -> tuple[str, str]:
    """The question and its answer; some about a name that the page does not hold, others naming their page."""
    from hornbook.conversations.invent import subject
    from hornbook.conversations.refusals import REFUSALS
    from hornbook.conversations.values import cited

    if random.random() < config.silent and (name := subject(question, title, answer)):
        return question.replace(name, book.maker.name(name, random)), random.choice(REFUSALS)
    return question, cited(answer, title) if title and random.random() < config.cite else answer


def _invented(config: ConversationsConfig, book: _Book, seed: int) -> Iterator[dict]:
    """The pages' questions about names that do not exist, answered by not knowing."""
    from hornbook.conversations.formats import conversation, exchange
    from hornbook.conversations.refusals import REFUSALS

    random = Random(derive(seed, "invented"))
    able = [index for index in book.of("asked", "definition") if book.about[index]]
    for _ in range(config.invented if able else 0):
        index = random.choice(able)
        name = book.about[index] or ""
        question = book.drawn[index].question.replace(name, book.maker.name(name, random))
        yield conversation(exchange(question, random.choice(REFUSALS)), origin="page", kind="absent")


def _some(items: Sequence[Any], most: int, seed: int, name: str) -> list[Any]:
    """At most so many of the items, by chance, in their order."""
    chosen = Random(derive(seed, "some", name)).sample(range(len(items)), min(most, len(items)))
    return [items[index] for index in sorted(chosen)]


def _title_key(title: str) -> str:
    return title.casefold().removeprefix("the ").strip()


def _counts(names: Iterator[str]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for name in names:
        counts[name] = counts.get(name, 0) + 1
    return dict(sorted(counts.items()))
