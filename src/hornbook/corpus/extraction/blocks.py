"""Markdown read again: cut into blocks, plain words out of its marks, sentences out of its paragraphs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_HEADING = re.compile(r"(#{1,6})\s+(.*)$")
_ITEM = re.compile(r"\s*(?:[-*+]|\d{1,3}[.)])\s+(.*)$")
_DEFINITION = re.compile(r":\s+(.*)$")
_FENCE = re.compile(r"\s*(```|~~~)")
_RULE = re.compile(r"\s*[-*_=][-*_=\s]{2,}$")  # a line drawn across the page, or under a heading
# In a long paragraph marks and links reach no further than this: each that is not closed is looked for up to there.
_REACH, _LONG = 1000, 4000
_NESTED = 8  # marks within marks
_LINK = re.compile(rf"!?\[([^\]]{{0,{_REACH}}})\]\((?:(?!\]\()[^)])*\)")


def _marks(most: str) -> re.Pattern[str]:
    """Emphasis and code of at most so many characters. Within a word an underscore is a letter: of `snake__case__name`
    nothing is set in bold."""
    return re.compile(
        rf"(\*\*|`+|(?<!\w)__)(?=\S)(.{{1,{most}}}?)(?<=\S)\1(?!(?<=_)\w)"
        rf"|(?<![\w*])([*_])(?=\S)(.{{1,{most}}}?)(?<=\S)\3(?![\w*])"
    )


_MARKS, _NEAR_MARKS = _marks(""), _marks(str(_REACH))
_BOLD = re.compile(r"(?:\*\*|__)(.+?)(?:\*\*|__)\s*$")
_SENTENCE_END = re.compile(r"(?:(?<=[.!?…])|(?<=[.!?…][\"'”’)]))\s+(?=[\"'“‘(]*[^\W_a-zß-öø-ÿ])")
_ABBREVIATION = re.compile(r"(?:\b(?:e\.g|i\.e|etc|cf|vs|Mr|Mrs|Ms|Dr|St|No|Fig)|\b[A-Z])\.$")


@dataclass(frozen=True)
class Block:
    """A heading (with its level), paragraph, list item, definition, table or code block. `text` is plain words."""

    kind: str
    text: str
    level: int = 0
    bold: bool = False  # the whole block is set in bold
    term: str = ""  # the bold words that open the block, such as "Tide" in "**Tide**: the sea's rise and fall"


def blocks(markdown: str) -> Iterator[Block]:
    """The blocks of a text, in order. Lines of one paragraph are joined by spaces; code and tables keep their lines;
    lines drawn across the page part blocks and are none."""
    kind, lines, fence = "paragraph", [], ""
    for line in [*markdown.splitlines(), ""]:
        mark = _FENCE.match(line)
        if fence:
            if mark and mark.group(1) == fence:
                yield Block("code", "\n".join(lines))
                kind, lines, fence = "paragraph", [], ""
            else:
                lines.append(line)
            continue
        if _RULE.match(line):
            line = ""
        heading, item, definition = _HEADING.match(line), _ITEM.match(line), _DEFINITION.match(line)
        table = line.lstrip().startswith("|")
        opens = mark or heading or item or definition or (table != (kind == "table" and bool(lines)))
        if lines and (opens or not line.strip()):
            yield _block(kind, lines)
            kind, lines = "paragraph", []
        if mark:
            fence = mark.group(1)
        elif heading:
            yield Block("heading", plain(heading.group(2).rstrip("#")), level=len(heading.group(1)))
        elif item:
            kind, lines = "item", [item.group(1)]
        elif definition:
            kind, lines = "definition", [definition.group(1)]
        elif table:
            kind = "table"
            lines.append(line.strip())
        elif line.strip():
            lines.append(line.strip())
    if fence and lines:
        yield Block("code", "\n".join(lines[:-1]))


def plain(text: str) -> str:
    """The words without Markdown's marks: emphasis, code ticks, links (their words stay)."""
    text = _LINK.sub(r"\1", text)
    marks = _MARKS if len(text) <= _LONG else _NEAR_MARKS
    for _ in range(_NESTED):
        before, text = text, marks.sub(lambda found: found.group(2) or found.group(4), text)
        if before == text:
            break
    return " ".join(text.split())


def sentences(text: str) -> list[str]:
    """The sentences of a paragraph, by full stops and what follows them, which is no small letter; an abbreviation or
    an initial ends none."""
    parts: list[list[str]] = []
    for part in _SENTENCE_END.split(text.strip()):
        if parts and _ABBREVIATION.search(parts[-1][-1]):
            parts[-1].append(part)
        elif part:
            parts.append([part])
    return [" ".join(pieces) for pieces in parts]


def _block(kind: str, lines: list[str]) -> Block:
    if kind == "table":
        return Block(kind, "\n".join(lines))
    joined = " ".join(lines)
    opening = re.match(r"(?:\*\*|__)(.+?)(?:\*\*|__)", joined)
    term = plain(opening.group(1)) if opening else ""
    return Block(kind, plain(joined), bold=_BOLD.match(joined) is not None, term=term)
