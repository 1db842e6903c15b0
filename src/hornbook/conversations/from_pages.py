"""Questions and answers that the pages themselves hold: question headings, FAQs, exercises, definitions, headings."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from hornbook.conversations.values import normalised
from hornbook.core.seeds import derive
from hornbook.corpus.extraction.blocks import Block, blocks, sentences

LONGEST_ANSWER = 90  # words; what is longer is a chapter, not an answer
LONGEST_QUESTION = 60
ABOUT = "Tell me about {}."  # what a heading makes
_QUESTION_WORD = re.compile(
    r"(?:who|whom|whose|what|when|where|which|why|how|is|are|was|were|do|does|did|can|could|may|should|will|would|has|have|"
    r"in|on|at|of|to|from|by|with|for|under|name|tell|say)\b", re.IGNORECASE,
)
_LABELLED = re.compile(r"(?:Q|Question|Ask)\s*\d*\s*[.:]\s*(.+)$", re.IGNORECASE)
_ANSWER_LABEL = re.compile(r"(?:A|Answer)\s*[.:]\s*(?=\S)", re.IGNORECASE)
_EXERCISE = re.compile(r"(?:Working|Solution|Answer)\s*:\s*\S", re.IGNORECASE)
_NUMBERING = re.compile(
    r"^(?:(?:chapter|section|part|appendix)\s+[\dA-Z]+(?:\.\d+)*[.:)]?|\d{1,3}(?:\.\d+)*[.:)]|\d{1,3}(?:\.\d+)+|\(\d{1,4}\))\s+",
    re.IGNORECASE,
)
_ARTICLE = re.compile(r"^(?:the|an?)\s+", re.IGNORECASE)
_IS_A = re.compile(r"(?:\([^)]*\)\s*)?(?:is|are|was|were)\s+(?:an?|the|one)\b")
_PERSON = re.compile(r"\b(?:he|she|his|her|born)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Drawn:
    """A question and its answer as a page gives them.

    `kind`: `asked` (the page asks it), `exercise` (with its working), `definition`, `about` (made from a heading).
    `form` is how the page sets out what it asks, with {question} and {answer}: a base model can be asked in that form.
    It is empty for the other kinds.
    """

    question: str
    answer: str
    kind: str
    form: str
    page: PageText


@dataclass(frozen=True)
class PageText:
    """A page without what it asks and answers: `prose` is its sentences in order."""

    url: str
    title: str
    prose: tuple[str, ...] = field(repr=False)


def draw(documents: Iterable[Mapping[str, object]]) -> Iterator[tuple[PageText, list[Drawn]]]:
    """Every page of the documents (`url`, `title`, `text` in Markdown) with its questions and answers, in order."""
    for document in documents:
        yield draw_page(str(document["text"]), str(document["title"] or ""), str(document["url"]))


def draw_page(text: str, title: str, url: str) -> tuple[PageText, list[Drawn]]:
    """The page's prose, and the questions and answers of the page, each question once.

    Nothing is made up: answers are the page's own sentences.
    """
    parts = list(blocks(text))
    found: list[tuple[str, str, str, str]] = []
    used: set[int] = set()
    for index in range(len(parts)):
        if index in used:
            continue
        for question, answer, kind, form, taken in _asked(parts, index):
            found.append((question, answer, kind, form))
            used |= taken
    prose = tuple(
        sentence for index, part in enumerate(parts)
        if index not in used and part.kind in ("paragraph", "item", "definition") for sentence in sentences(part.text)
    )
    found += [(*made, "") for made in _defined(parts, used) + _about(parts, used, title)]
    page = PageText(url=url, title=title, prose=prose)
    unique = {parts[0].casefold(): parts for parts in reversed(found)}
    return page, [Drawn(*parts, page=page) for parts in reversed(unique.values())]


def kept_for_exam(question: str) -> bool:
    """Whether a drawn question is kept from training: one in twenty, told by its words alone, wherever it is asked."""
    return derive(0, "exam", normalised(question)) % 20 == 0


Found = tuple[str, str, str]  # question, answer, kind


def _asked(parts: list[Block], index: int) -> Iterator[tuple[str, str, str, str, set[int]]]:
    """What the block at `index` asks, with the blocks that question and answer take up."""
    part, after = parts[index], parts[index + 1] if index + 1 < len(parts) else None
    if part.kind in ("code", "table"):
        return
    label = _LABELLED.match(part.text)
    question, rest = _split_labelled(label.group(1)) if label else _split_question(part.text)
    if question is None:
        return
    if rest:  # question and answer in one block
        answer, mark = _bare(rest), "- " if part.kind == "item" else ""
        short = len(sentences(answer)) <= 3 or _EXERCISE.match(rest)
        form = "Q: {question}\nA: {answer}\n\n" if label else f"{mark}{{question}} {{answer}}\n"
        if part.kind != "heading" and (label or short) and _fits(question, answer):
            yield question, answer, _kind(answer), form, {index}
        return
    if after is None or after.kind not in ("paragraph", "item", "definition") or after.text.endswith("?"):
        return
    answered = _ANSWER_LABEL.match(after.text) or _EXERCISE.match(after.text)
    if label and not answered and not question.endswith("?"):
        return
    certain = part.kind == "heading" or part.bold or label or answered
    if not certain and not _QUESTION_WORD.match(sentences(question)[-1]):
        return
    answer = _first_sentences(_bare(after.text), LONGEST_ANSWER)
    if _fits(question, answer):
        yield question, answer, _kind(answer), _form(part, after, label is not None), {index, index + 1}


def _split_question(text: str) -> tuple[str | None, str]:
    """(everything up to the last question mark that ends a sentence before the answer, what follows)."""
    parts = sentences(text)
    asked = next((index for index, part in enumerate(parts) if part.rstrip("\"'”’)").endswith("?")), None)
    if asked is None or any(_EXERCISE.match(part) for part in parts[: asked + 1]):
        return None, ""
    question, rest = " ".join(parts[: asked + 1]), " ".join(parts[asked + 1 :])
    # In running prose a question in the middle is rhetoric; only an exercise leads up to its question.
    if rest and asked > 0 and not _EXERCISE.search(rest):
        return None, ""
    return question, rest


def _split_labelled(text: str) -> tuple[str | None, str]:
    """What follows a "Q:" needs no question mark to be a question; an "A:" in the same block begins the answer."""
    parts = re.split(r"\s+(?=(?:A|Answer)\s*[.:]\s)", text, maxsplit=1)
    if len(parts) == 2:
        return parts[0], parts[1]
    question, rest = _split_question(text)
    return (text, "") if question is None else (question, rest)


def _kind(answer: str) -> str:
    return "exercise" if _EXERCISE.search(answer) and re.search(r"\d", answer) else "asked"


def _bare(answer: str) -> str:
    """The answer without an "A:" before it; a bare "Answer: 7" keeps its label, which is part of an exercise's form."""
    match = _ANSWER_LABEL.match(answer)
    if match and not re.fullmatch(r"-?[\d,.]+", answer[match.end() :]):
        return answer[match.end() :]
    return answer


def _fits(question: str, answer: str) -> bool:
    return 0 < len(answer.split()) <= LONGEST_ANSWER and 2 <= len(question.split()) <= LONGEST_QUESTION


def _first_sentences(text: str, most_words: int) -> str:
    """As many whole sentences from the start as fit."""
    kept: list[str] = []
    for sentence in sentences(text):
        if kept and sum(len(part.split()) for part in [*kept, sentence]) > most_words:
            break
        kept.append(sentence)
    return " ".join(kept)


def _form(part: Block, after: Block, labelled: bool) -> str:
    question = "Q: {question}" if labelled else "{question}"
    if part.kind == "heading":
        question = f"{'#' * part.level} {question}"
    elif part.kind == "item":
        question = f"- {question}"
    elif part.bold:
        question = f"**{question}**"
    gap = "\n" if part.kind == after.kind == "item" else "\n\n"
    mark = "- " if after.kind == "item" else ": " if after.kind == "definition" else ""
    return f"{question}{gap}{mark}{'A: ' if labelled else ''}{{answer}}\n\n"


def _defined(parts: list[Block], used: set[int]) -> list[Found]:
    """Definition lists: a term and its definition, or an item that opens with its term in bold."""
    found: list[Found] = []
    for index, part in enumerate(parts):
        if index in used:
            continue
        if part.kind == "definition" and index and parts[index - 1].kind == "paragraph":
            term, rest = parts[index - 1].text, f": {part.text}"
        elif part.term and part.text.startswith(part.term) and not part.bold:
            term, rest = part.term.rstrip(": "), part.text[len(part.term.rstrip(": ")) :]
        else:
            continue
        meaning = rest.lstrip(" :–—-")
        answer = f"{term}: {meaning}" if re.match(r"\s*[:–—-]", rest) else f"{term}{rest}"
        if 1 <= len(term.split()) <= 6 and 3 <= len(meaning.split()) <= LONGEST_ANSWER and not term.endswith("?"):
            found.append((f"What is {_in_a_sentence(term)}?", answer, "definition"))
    return found


def _in_a_sentence(term: str) -> str:
    """The term as it stands within a sentence: its article small."""
    return re.sub(r"^(The|An?)(?=\s)", lambda article: article.group().lower(), term)


def _about(parts: list[Block], used: set[int], title: str) -> list[Found]:
    """Title and headings: "X is a ..." under X answers "What is X?", any other opening answers "Tell me about X."."""
    found: list[Found] = []
    heading = title
    for index, part in enumerate(parts):
        if part.kind == "heading":
            heading = part.text
            continue
        if not heading or index in used or part.kind != "paragraph":
            continue
        answer, name = _first_sentences(part.text, 45), _NUMBERING.sub("", heading).rstrip(":")
        heading = ""  # only the paragraph right under a heading tells of it
        if not (3 <= len(answer.split()) <= LONGEST_ANSWER and len(name.split()) <= 8) or name.endswith(("?", ".")):
            continue
        if sum(map(str.isdigit, name)) > max(4, sum(map(str.isalpha, name))):  # more a number than a name; not a year
            continue
        told, bare = _ARTICLE.sub("", answer), _ARTICLE.sub("", name)
        if told.lower().startswith(f"{bare} ".lower()) and _IS_A.match(told, len(bare) + 1):
            asks = "Who" if _PERSON.search(part.text) else "What"
            found.append((f"{asks} is {name}?", answer, "definition"))
        else:
            found.append((ABOUT.format(name), answer, "about"))
    return found
