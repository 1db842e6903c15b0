"""An HTML part written down as Markdown: headings, paragraphs, lists, tables, code. Text and numbers come out exactly.

Emphasis is left out (a small model learns nothing from asterisks). Terms of a definition list, summaries of details and
questions set as bold paragraphs become headings, with what belongs to them below: so a question can be told from its
answer ever after.
"""

from __future__ import annotations

import re
from itertools import islice

from lxml.html import HtmlElement

MAX_DEPTH = 200
HEADINGS = {"h1": 1, "h2": 2, "h3": 3, "h4": 4, "h5": 5, "h6": 6}
INLINE = frozenset({
    "a", "abbr", "acronym", "b", "bdi", "bdo", "big", "br", "cite", "code", "data", "del", "dfn", "em", "font", "i",
    "img", "ins", "kbd", "mark", "math", "nobr", "picture", "q", "rb", "ruby", "s", "samp", "small", "source", "span",
    "strike", "strong", "sub", "sup", "time", "tt", "u", "var", "wbr", "mi", "mn", "mo", "mrow",
})  # fmt: skip
_CODE = {"code", "tt", "kbd", "samp"}
_CELL_BLOCKS = ("table", "h1", "h2", "h3", "h4", "h5", "h6", "pre", "ul", "ol", "dl", "blockquote")
_LANGUAGE = re.compile(r"(?:language|lang|highlight|brush:?)[-\s]?([a-z][\w+#]{0,15})")
_FOOTNOTE = re.compile(r"\[?\w{1,3}\]?")
_SPACE = re.compile(r"[^\S\n]+")
_BREAK = "\x1e"  # <br> while a run of text is put together
LONG_CELL = 300


def to_markdown(part: HtmlElement) -> str:
    """The Markdown of `part`, blocks parted by an empty line."""
    writer = _Writer()
    writer.container(part, 0)
    return "\n\n".join(writer.blocks)


class _Writer:
    def __init__(self) -> None:
        self.blocks: list[str] = []
        self.level = 1  # of the last heading
        self.run: list[str] = []  # inline text that waits for the end of its paragraph

    def container(self, element: HtmlElement, depth: int) -> None:
        """Blocks and loose text in their order; loose text between blocks is a paragraph."""
        self.run.append(element.text or "")
        for child in element:
            self.child(child, depth)
            self.run.append(child.tail or "")
        self.flush()

    def child(self, child: HtmlElement, depth: int) -> None:
        if not isinstance(child.tag, str):
            return
        if depth > MAX_DEPTH:
            self.run.append(child.text_content())
        elif child.tag in INLINE and not _holds_blocks(child):
            self.run.append(_inline(child))
        else:
            self.flush()
            self.block(child, depth + 1)

    def block(self, element: HtmlElement, depth: int) -> None:
        tag = element.tag
        if tag in HEADINGS:
            self.heading(_line(element), HEADINGS[tag])
        elif tag == "p" and _is_bold_question(element):
            self.heading(_line(element), min(self.level + 1, 6), keep_level=True)
        elif tag == "pre":
            self.code(element)
        elif tag in ("ul", "ol"):
            self.add("\n".join(_items(element, depth)))
        elif tag == "dl":
            self.definitions(element, depth)
        elif tag == "details":
            self.details(element, depth)
        elif tag == "table":
            self.table(element, depth)
        elif tag in ("dt", "summary"):
            self.heading(_line(element), min(self.level + 1, 6), keep_level=True)
        else:
            self.container(element, depth)

    def flush(self) -> None:
        text, self.run = "".join(self.run), []
        for paragraph in _clean(text).split("\n\n"):
            self.add(paragraph)

    def add(self, block: str) -> None:
        if block.strip():
            self.blocks.append(block)

    def heading(self, text: str, level: int, *, keep_level: bool = False) -> None:
        if text:
            self.add(f"{'#' * level} {text}")
            self.level = self.level if keep_level else level

    def code(self, element: HtmlElement) -> None:
        text = _preformatted(element).replace("\r\n", "\n").strip("\n").rstrip()
        if text.strip():
            names = " ".join([element.get("class", ""), *(child.get("class", "") for child in element.iter("code"))])
            names += " " + " ".join(parent.get("class", "") for parent in islice(element.iterancestors(), 2))
            found = _LANGUAGE.search(names)
            fence = "```" if "```" not in text else "````"
            self.add(f"{fence}{found[1] if found else ''}\n{text}\n{fence}")

    def definitions(self, element: HtmlElement, depth: int) -> None:
        """Terms as headings one below the section's, their definitions as what stands under them."""
        outer = self.level
        for child in element.iterdescendants("dt", "dd"):
            if next((parent for parent in child.iterancestors("dl")), None) is not element:
                continue
            if child.tag == "dt":
                self.heading(_line(child), min(outer + 1, 6))
            else:
                self.container(child, depth)
        self.level = outer

    def details(self, element: HtmlElement, depth: int) -> None:
        outer = self.level
        summary = element.find("summary")
        if summary is not None:
            self.heading(_line(summary), min(outer + 1, 6))
            tail, summary.tail = summary.tail, None
            element.remove(summary)
            element.text = (element.text or "") + (tail or "")
        self.container(element, depth)
        self.level = outer

    def table(self, element: HtmlElement, depth: int) -> None:
        rows = [row for row in element.iter("tr") if next(row.iterancestors("table"), None) is element]
        cells = [[cell for cell in row if cell.tag in ("td", "th")] for row in rows]
        caption = element.find("caption")
        if caption is not None:
            self.add(_line(caption))
        if _is_layout(cells):
            for cell in (cell for row in cells for cell in row):
                self.container(cell, depth)
            return
        lines = ["| " + " | ".join(_line(cell).replace("|", "\\|") for cell in row) + " |" for row in cells if row]
        lines = [line for line in lines if line.strip("| ")]
        if lines and cells[0] and all(cell.tag == "th" for cell in cells[0]) and len(lines) > 1:
            lines.insert(1, "|" + "---|" * len(cells[0]))
        self.add("\n".join(lines))


def _items(element: HtmlElement, depth: int) -> list[str]:
    lines: list[str] = []
    start = element.get("start", "1")
    number = int(start) if start.isascii() and start.isdigit() and len(start) < 6 else 1
    for child in element:
        if not isinstance(child.tag, str):
            continue
        if child.tag in ("ul", "ol"):  # a list right inside a list belongs to the item before it
            lines += ["  " + line for line in (_items(child, depth + 1) if depth < MAX_DEPTH else [])]
            continue
        if depth >= MAX_DEPTH:
            inner = _clean(child.text_content())
        else:
            writer = _Writer()
            writer.container(child, depth + 1)
            inner = "\n".join(writer.blocks)
        if inner:
            mark = f"{number}. " if element.tag == "ol" else "- "
            first, *rest = inner.split("\n")
            lines += [mark + first, *("  " + line if line else "" for line in rest)]
            number += 1
    return lines


def _inline(element: HtmlElement) -> str:
    """The text of an inline element: code in backticks, line breaks marked, powers with a caret."""
    tag = element.tag
    if tag == "br":
        return _BREAK
    if tag in ("img", "picture", "source"):
        return ""
    if tag == "wbr":
        return ""
    if tag in _CODE and element.getparent() is not None:
        text = " ".join(element.text_content().split())
        return f"`{text}`" if text and "`" not in text and next(element.iterancestors(*_CODE), None) is None else text
    pieces = [element.text or ""]
    for child in element:
        if isinstance(child.tag, str):
            pieces.append(_inline(child))
        pieces.append(child.tail or "")
    text = "".join(pieces)
    if tag == "sup":
        if element.find(".//a") is not None and _FOOTNOTE.fullmatch(text.strip()):
            return ""
        return f"^{text}" if re.fullmatch(r"[-+]?[\w]{1,3}", text) and not re.fullmatch(r"st|nd|rd|th", text) else text
    return text


def _line(element: HtmlElement) -> str:
    """All text of an element on one line."""
    pieces: list[str] = [element.text or ""]
    for child in element:
        if isinstance(child.tag, str):
            inline = child.tag in INLINE and not _holds_blocks(child)
            pieces.append(_inline(child) if inline else f" {_line(child)} ")
        pieces.append(child.tail or "")
    return " ".join(_clean("".join(pieces)).split())


def _clean(text: str) -> str:
    """White space as a browser shows it; one line break stays, two or more part paragraphs."""
    text = " ".join(re.split(r"[ \t\r\n\f]+", text)).replace("\xad", "")
    text = re.sub(rf" ?{_BREAK} ?", "\n", text)
    return re.sub(r"\n{2,}", "\n\n", _SPACE.sub(" ", text)).strip()


def _holds_blocks(element: HtmlElement) -> bool:
    """Whether an inline element wraps a paragraph or list, as a link around a whole card does."""
    return any(isinstance(child.tag, str) and child.tag not in INLINE for child in element.iterdescendants())


def _is_bold_question(element: HtmlElement) -> bool:
    """A paragraph that is all bold and asks something, as in many FAQs."""
    children = [child for child in element if isinstance(child.tag, str) and child.tag != "br"]
    if len(children) != 1 or children[0].tag not in ("b", "strong") or (element.text or "").strip():
        return False
    text = element.text_content().strip()
    return not (children[0].tail or "").strip() and text.endswith("?") and len(text) <= 200


def _is_layout(cells: list[list[HtmlElement]]) -> bool:
    """A table that only places things: one column, or cells that hold blocks or whole passages."""
    if max((len(row) for row in cells), default=0) < 2:
        return True
    flat = [cell for row in cells for cell in row]
    if any(next(cell.iter(*_CELL_BLOCKS), None) is not None for cell in flat):
        return True
    return sum(len(cell.text_content()) > LONG_CELL for cell in flat) > len(flat) / 4


def _preformatted(element: HtmlElement) -> str:
    """Text with its white space, <br> as a line end."""
    pieces = [element.text or ""]
    for child in element:
        if isinstance(child.tag, str):
            pieces.append("\n" if child.tag == "br" else _preformatted(child))
        pieces.append(child.tail or "")
    return "".join(pieces)
