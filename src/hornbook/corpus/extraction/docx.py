"""A Word document as Markdown: headings, paragraphs, lists and tables in their order, read straight from its XML.

Source: ECMA-376, Office Open XML, part 1, chapter 17 (WordprocessingML).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from lxml import etree  # pyright: ignore[reportAttributeAccessIssue]  (no stubs)

from hornbook.corpus.extraction.faults import Check
from hornbook.corpus.extraction.zipped import Zipped

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_TITLE = "{http://purl.org/dc/elements/1.1/}title"
_HEADING = re.compile(r"(?:heading|berschrift|titre|titolo|t.tulo)\s*([1-9])$", re.IGNORECASE)
_MONOSPACED = re.compile(r"code|preformatted|verbatim|source", re.IGNORECASE)
MAX_DEPTH = 50  # of tables within tables


def read_docx(body: bytes, check: Check) -> tuple[str, str]:
    """Title and Markdown of a DOCX; `check` is called at every block. Raises PageFault where it cannot be read.

    Text that was deleted with its changes kept is left out; footnotes, headers and pictures are not read.
    """
    document = Zipped(body, "DOCX")
    main = document.xml("word/document.xml").find(f"{_W}body")
    if main is None:
        return "", ""
    reader = _Reader(_styles(document), _ordered_lists(document), check)
    blocks = reader.blocks(main, 0)
    title = ""
    if "docProps/core.xml" in document:
        title = " ".join((document.xml("docProps/core.xml").findtext(_TITLE) or "").split())
    return title, "\n\n".join(blocks)


class _Reader:
    def __init__(self, styles: dict[str, tuple[str, int]], ordered: set[tuple[str, int]], check: Check):
        self.styles, self.ordered, self.check = styles, ordered, check
        self.counts: dict[str, list[int]] = {}

    def blocks(self, container: etree._Element, depth: int) -> list[str]:
        """Paragraphs and tables; the items of a list are one block, lines of code another."""
        blocks: list[str] = []
        kind = listed = ""  # of the paragraph before; the number of the list it belongs to
        for element in _children(container):
            self.check()
            if element.tag == f"{_W}tbl":
                kind = ""
                blocks.append(self.table(element, depth))
                continue
            text = _text(element)
            if not text.strip():
                kind = kind if kind == "list" else ""
                continue
            before, (kind, level, number) = kind, self.kind(element)
            if kind == "heading":
                blocks.append(f"{'#' * min(level, 6)} {' '.join(text.split())}")
            elif kind == "list":
                line = "  " * level + self.mark(number, level) + " ".join(text.split())
                if before == "list" and (level or number == listed):
                    blocks[-1] += f"\n{line}"
                else:
                    blocks.append(line)
                listed = listed if level else number
            elif kind == "code" and before == "code":
                blocks[-1] = f"{blocks[-1].removesuffix('```')}{text.rstrip()}\n```"
            elif kind == "code":
                blocks.append(f"```\n{text.rstrip()}\n```")
            else:
                blocks.append("\n".join(" ".join(line.split()) for line in text.strip().split("\n")))
        return [block for block in blocks if block]

    def mark(self, number: str, level: int) -> str:
        """What stands before a list's item. A list goes on counting wherever it goes on, as Word does."""
        counts = self.counts.setdefault(number, [])
        del counts[level + 1 :]
        counts += [0] * (level + 1 - len(counts))
        counts[level] += 1
        return f"{counts[level]}. " if (number, level) in self.ordered else "- "

    def kind(self, paragraph: etree._Element) -> tuple[str, int, str]:
        """heading, list, code or text; the level of a heading or list; the list's number."""
        style = _value(paragraph, f"{_W}pPr/{_W}pStyle")
        name, outline = self.styles.get(style, (style, -1))
        outline = _number(_value(paragraph, f"{_W}pPr/{_W}outlineLvl"), outline)
        if name.lower() == "title":
            return "heading", 1, ""
        if found := _HEADING.search(name):
            return "heading", int(found[1]), ""
        if 0 <= outline < 9:
            return "heading", outline + 1, ""
        number = _value(paragraph, f"{_W}pPr/{_W}numPr/{_W}numId")
        if (number and number != "0") or name.lower().startswith("list "):
            level = _number(_value(paragraph, f"{_W}pPr/{_W}numPr/{_W}ilvl"), 0)
            return "list", min(level, 8), number or name.lower()
        return ("code" if _MONOSPACED.search(name) else "text"), 0, ""

    def table(self, table: etree._Element, depth: int) -> str:
        if depth >= MAX_DEPTH:
            return " ".join(_text(table).split())
        lines = []
        for row in _children(table, f"{_W}tr"):
            cells = [" ".join("\n".join(self.blocks(cell, depth + 1)).split()) for cell in _children(row, f"{_W}tc")]
            if any(cells):
                lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
        if len(lines) > 1:
            first = next(_children(table, f"{_W}tr"))
            lines.insert(1, "|" + "---|" * len(list(_children(first, f"{_W}tc"))))
        return "\n".join(lines)


def _children(element: etree._Element, *tags: str) -> Iterator[etree._Element]:
    """The paragraphs and tables (or what else) of a container, also those in content controls and kept insertions."""
    wanted = tags or (f"{_W}p", f"{_W}tbl")
    for child in element:
        if child.tag in wanted:
            yield child
        elif child.tag in (f"{_W}sdt", f"{_W}sdtContent", f"{_W}ins", f"{_W}customXml", f"{_W}smartTag"):
            yield from _children(child, *wanted)


def _text(element: etree._Element) -> str:
    pieces = []
    for run in element.iter(f"{_W}t", f"{_W}tab", f"{_W}br", f"{_W}cr", f"{_W}noBreakHyphen"):
        if run.tag == f"{_W}t":
            pieces.append(run.text or "")
        else:
            pieces.append({f"{_W}tab": "\t", f"{_W}noBreakHyphen": "-"}.get(run.tag, "\n"))
    return "".join(pieces)


def _value(element: etree._Element, path: str) -> str:
    found = element.find(path)
    return "" if found is None else found.get(f"{_W}val", "")


def _number(text: str, otherwise: int) -> int:
    """A level; `otherwise` for what is none, such as "²" or a thousand digits, which Python's int() refuses."""
    return int(text) if re.fullmatch(r"[0-9]{1,4}", text) else otherwise


def _styles(document: Zipped) -> dict[str, tuple[str, int]]:
    """For every style its name and its outline level from 0, -1 where it is no heading."""
    if "word/styles.xml" not in document:
        return {}
    found = {}
    for style in document.xml("word/styles.xml").iter(f"{_W}style"):
        level = _value(style, f"{_W}pPr/{_W}outlineLvl")
        name = _value(style, f"{_W}name")
        found[style.get(f"{_W}styleId", "")] = name, _number(level, -1)
    return found


def _ordered_lists(document: Zipped) -> set[tuple[str, int]]:
    """(the number of a list, its level) where the items are counted."""
    ordered = {("list number", 0)}
    if "word/numbering.xml" not in document:
        return ordered
    numbering = document.xml("word/numbering.xml")
    counted: dict[str, set[int]] = {}
    for abstract in numbering.iter(f"{_W}abstractNum"):
        levels = ((level.get(f"{_W}ilvl", ""), _value(level, f"{_W}numFmt")) for level in abstract.iter(f"{_W}lvl"))
        counted[abstract.get(f"{_W}abstractNumId", "")] = {
            _number(level, -1) for level, kind in levels if kind not in ("bullet", "none", "")
        }
    for number in numbering.iter(f"{_W}num"):
        levels = counted.get(_value(number, f"{_W}abstractNumId"), set())
        ordered |= {(number.get(f"{_W}numId", ""), level) for level in levels}
    return ordered
