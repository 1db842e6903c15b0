"""An HTML part written down as Markdown: headings, paragraphs, lists, tables, code. Text and numbers come out exactly.

Emphasis is left out (a small model learns nothing from asterisks). Terms of a definition list, summaries of details and
questions set as bold paragraphs become headings, with what belongs to them below: so a question can be told from its
answer ever after.
"""

from __future__ import annotations

import re
from itertools import accumulate, islice

from hornbook.corpus.extraction.faults import Check
from hornbook.corpus.extraction.htmltree import FlatPage

MAX_DEPTH = 200
HEADINGS = {"h1": 1, "h2": 2, "h3": 3, "h4": 4, "h5": 5, "h6": 6}
INLINE = frozenset({
    "a", "abbr", "acronym", "b", "bdi", "bdo", "big", "br", "cite", "code", "data", "del", "dfn", "em", "font", "i",
    "img", "ins", "kbd", "mark", "math", "nobr", "picture", "q", "rb", "ruby", "s", "samp", "small", "source", "span",
    "strike", "strong", "sub", "sup", "time", "tt", "u", "var", "wbr", "mi", "mn", "mo", "mrow",
})  # fmt: skip
_CODE = frozenset({"code", "tt", "kbd", "samp"})
_SILENT = frozenset({"img", "picture", "source", "wbr"})
_CELL_BLOCKS = frozenset({"table", "h1", "h2", "h3", "h4", "h5", "h6", "pre", "ul", "ol", "dl", "blockquote"})
_LANGUAGE = re.compile(r"(?:(?:language|lang|highlight)-|brush:\s*)(?!default|none|text|plain)([a-z][\w+#]{0,15})")
_FOOTNOTE = re.compile(r"\[?\w{1,3}\]?")
_POWER = re.compile(r"(?!(?:st|nd|rd|th)$)[-+]?\w{1,3}")
_BREAKS = re.compile(r"\n{3,}")
_BREAK = "\x1e"  # <br> while a run of text is put together
LONG_CELL = 300


def to_markdown(page: FlatPage, part: int, check: Check) -> str:
    """The Markdown of what is left of element `part`, blocks parted by an empty line; `check` is called at each."""
    writer = _Writer(page, check)
    writer.container(part, 0)
    return "\n\n".join(writer.blocks)


class _Writer:
    def __init__(self, page: FlatPage, check: Check, block_sums: list[int] | None = None) -> None:
        self.page = page
        self.check = check
        self.blocks: list[str] = []
        self.level = 1  # of the last heading
        self.run: list[str] = []  # inline text that waits for the end of its paragraph
        self.block_sums = block_sums or [
            0, *accumulate(not gone and tag not in INLINE for tag, gone in zip(page.tags, page.gone, strict=True)),
        ]  # fmt: skip

    def container(self, element: int, depth: int, skip: int = -1) -> None:
        """Blocks and loose text in their order; loose text between blocks is a paragraph."""
        page, run = self.page, self.run
        if page.texts[element]:
            run.append(page.texts[element])
        for child in page.held(element):
            if not page.gone[child] and child != skip:
                self.child(child, depth)
            if page.tails[child]:
                self.run.append(page.tails[child])
        self.flush()

    def child(self, child: int, depth: int) -> None:
        if depth > MAX_DEPTH:
            self.run.append(self.page.text(child))
        elif self.is_inline(child):
            self.run.append(self.inline(child))
        else:
            self.flush()
            self.block(child, depth + 1)

    def block(self, element: int, depth: int) -> None:
        self.check()
        tag = self.page.tags[element]
        if tag in HEADINGS:
            self.heading(self.line(element), HEADINGS[tag])
        elif tag == "p" and self.is_bold_question(element):
            self.heading(self.line(element), min(self.level + 1, 6), keep_level=True)
        elif tag == "pre":
            self.code(element)
        elif tag in ("ul", "ol"):
            self.add("\n".join(self.items(element, depth)))
        elif tag == "dl":
            self.definitions(element, depth)
        elif tag == "details":
            self.details(element, depth)
        elif tag == "table":
            self.table(element, depth)
        elif tag in ("dt", "summary"):
            self.heading(self.line(element), min(self.level + 1, 6), keep_level=True)
        else:
            self.container(element, depth)

    def flush(self) -> None:
        if self.run:
            text, self.run = "".join(self.run), []
            for paragraph in _clean(text).split("\n\n"):
                self.add(paragraph)

    def add(self, block: str) -> None:
        if block and not block.isspace():
            self.blocks.append(block)

    def heading(self, text: str, level: int, *, keep_level: bool = False) -> None:
        if text:
            self.add(f"{'#' * level} {text}")
            self.level = self.level if keep_level else level

    def code(self, element: int) -> None:
        page = self.page
        text = self.preformatted(element).replace("\r\n", "\n").strip("\n").rstrip()
        if text.strip():
            inner = (page.classes[i] for i in range(element + 1, page.ends[element]) if page.tags[i] == "code")
            outer = (page.classes[i] for i in islice(page.ancestors(element), 2))
            found = _LANGUAGE.search(" ".join([page.classes[element], *inner, *outer]))
            fence = "```" if "```" not in text else "````"
            self.add(f"{fence}{found[1] if found else ''}\n{text}\n{fence}")

    def definitions(self, element: int, depth: int) -> None:
        """Terms as headings one below the section's, their definitions as what stands under them."""
        outer, tags = self.level, self.page.tags
        for child in self.own(element, ("dt", "dd"), "dl"):
            if tags[child] == "dt":
                self.heading(self.line(child), min(outer + 1, 6))
            else:
                self.container(child, depth)
        self.level = outer

    def details(self, element: int, depth: int) -> None:
        outer = self.level
        summary = next((child for child in self.page.children(element) if self.page.tags[child] == "summary"), -1)
        if summary >= 0:
            self.heading(self.line(summary), min(outer + 1, 6))
        self.container(element, depth, skip=summary)
        self.level = outer

    def table(self, element: int, depth: int) -> None:
        page = self.page
        tags = page.tags
        rows = self.own(element, ("tr",), "table")
        cells = [[cell for cell in page.children(row) if tags[cell] in ("td", "th")] for row in rows]
        for caption in (child for child in page.children(element) if tags[child] == "caption"):
            self.add(self.line(caption))
        if self.is_layout(cells):
            for cell in (cell for row in cells for cell in row):
                self.container(cell, depth)
            return
        lines = ["| " + " | ".join(self.line(cell).replace("|", "\\|") for cell in row) + " |" for row in cells if row]
        lines = [line for line in lines if line.strip("| ")]
        if lines and cells[0] and all(tags[cell] == "th" for cell in cells[0]) and len(lines) > 1:
            lines.insert(1, "|" + "---|" * len(cells[0]))
        self.add("\n".join(lines))

    def own(self, element: int, names: tuple[str, ...], kind: str) -> list[int]:
        """The elements of these names within a table or definition list, but not those of another one within it."""
        page, found = self.page, []
        i, end = element + 1, page.ends[element]
        while i < end:
            tag = page.tags[i]
            if page.gone[i] or tag == kind:
                i = page.ends[i]
                continue
            if tag in names:
                found.append(i)
            i += 1
        return found

    def items(self, element: int, depth: int) -> list[str]:
        page = self.page
        lines: list[str] = []
        start = page.get(element, "start") or "1"
        number = int(start) if start.isascii() and start.isdigit() and len(start) < 6 else 1
        ordered = page.tags[element] == "ol"
        for child in page.children(element):
            if page.tags[child] in ("ul", "ol"):  # a list right inside a list belongs to the item before it
                lines += ["  " + line for line in (self.items(child, depth + 1) if depth < MAX_DEPTH else [])]
                continue
            if depth >= MAX_DEPTH:
                inner = _clean(page.text(child))
            else:
                writer = _Writer(page, self.check, self.block_sums)
                writer.container(child, depth + 1)
                inner = "\n".join(writer.blocks)
            if inner:
                first, *rest = inner.split("\n")
                lines.append(f"{number}. {first}" if ordered else f"- {first}")
                lines += ["  " + line if line else "" for line in rest]
                number += 1
        return lines

    def is_inline(self, element: int) -> bool:
        """Inline by its name, and not around a paragraph or list, as a link around a whole card is."""
        if self.page.tags[element] not in INLINE:
            return False
        return self.block_sums[self.page.ends[element]] == self.block_sums[element]

    def inline(self, element: int) -> str:
        """The text of an inline element: code in backticks, line breaks marked, powers with a caret."""
        page = self.page
        tag = page.tags[element]
        if tag == "br":
            return _BREAK
        if tag in _SILENT:
            return ""
        if tag in _CODE:
            text = " ".join(page.text(element).split())
            return f"`{text}`" if text and "`" not in text and not self.within_code(element) else text
        if page.ends[element] == element + 1:
            text = page.texts[element]
        else:
            pieces = [page.texts[element]]
            for child in page.held(element):
                if not page.gone[child]:
                    pieces.append(self.inline(child))
                pieces.append(page.tails[child])
            text = "".join(pieces)
        if tag == "sup":
            if page.first("a", element) is not None and _FOOTNOTE.fullmatch(text.strip()):
                return ""
            return f"^{text}" if _POWER.fullmatch(text) else text
        return text

    def within_code(self, element: int) -> bool:
        return any(self.page.tags[i] in _CODE for i in self.page.ancestors(element))

    def line(self, element: int) -> str:
        """All text of an element on one line."""
        if self.page.ends[element] == element + 1:
            return " ".join(self.page.texts[element].replace("\xad", "").split())
        return " ".join(_clean(self.joined(element)).split())

    def joined(self, element: int) -> str:
        page = self.page
        pieces = [page.texts[element]]
        for child in page.held(element):
            if not page.gone[child]:
                pieces.append(self.inline(child) if self.is_inline(child) else f" {self.joined(child)} ")
            pieces.append(page.tails[child])
        return "".join(pieces)

    def is_bold_question(self, element: int) -> bool:
        """A paragraph that is all bold and asks something, as in many FAQs."""
        page = self.page
        children = [child for child in page.children(element) if page.tags[child] != "br"]
        if len(children) != 1 or page.tags[children[0]] not in ("b", "strong") or page.texts[element].strip():
            return False
        text = page.text(element).strip()
        return not page.tails[children[0]].strip() and text.endswith("?") and len(text) <= 200

    def is_layout(self, cells: list[list[int]]) -> bool:
        """A table that only places things: one column, or cells that hold blocks or whole passages."""
        page = self.page
        if max((len(row) for row in cells), default=0) < 2:
            return True
        flat = [cell for row in cells for cell in row]
        for cell in flat:
            inside = range(cell + 1, page.ends[cell])
            if any(page.tags[i] in _CELL_BLOCKS and not page.gone[i] for i in inside):
                return True
        return sum(len(page.text(cell)) > LONG_CELL for cell in flat) > len(flat) / 4

    def preformatted(self, element: int) -> str:
        """Text with its white space, <br> as a line end."""
        page = self.page
        if page.ends[element] == element + 1:
            return page.texts[element]
        pieces = [page.texts[element]]
        for child in page.held(element):
            if not page.gone[child]:
                pieces.append("\n" if page.tags[child] == "br" else self.preformatted(child))
            pieces.append(page.tails[child])
        return "".join(pieces)


def _clean(text: str) -> str:
    """White space as a browser shows it; one line break stays, two or more part paragraphs."""
    text = text.replace("\xad", "")
    if _BREAK not in text:
        return " ".join(text.split())
    lines = [" ".join(line.split()) for line in text.split(_BREAK)]
    return _BREAKS.sub("\n\n", "\n".join(lines)).strip("\n")
