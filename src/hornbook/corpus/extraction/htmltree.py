"""HTML text to a tree, whatever the text: lxml, what it is given kept within bounds; and the tree to lists."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lxml import etree  # pyright: ignore[reportAttributeAccessIssue]  (no stubs)

MAX_CHARACTERS = 20_000_000
MAX_TAGS = 500_000  # some 600 bytes each; the largest manual on one page that was seen has 360,000
MAX_ATTRIBUTES = 2000  # libxml2's time is quadratic in those of one tag: 80,000 take eight seconds
LONG_TAG = 20_000
MAX_TEXT = 9_000_000  # bytes between two tags: libxml2 stops reading at ten million
MAX_DEPTH = 255  # libxml2 stops reading at an element nested deeper
_ILLEGAL = bytes({*range(0x20)} - {0x09, 0x0A, 0x0D})  # no XML may hold them
_QUOTED = re.compile(r"\"[^\"]*\"|'[^']*'")


def too_much(text: str) -> str | None:
    """What of a page is more than a parser should be given, or None.

    The parser holds the interpreter and cannot be stopped: within these limits it takes a second or two at worst.
    """
    if len(text) > MAX_CHARACTERS:
        return f"more than {MAX_CHARACTERS:,} characters"
    if text.count("<") > MAX_TAGS:
        return f"more than {MAX_TAGS:,} tags"
    step = LONG_TAG // 2
    if all("<" in text[at : at + step] for at in range(0, len(text) - step, step)):
        return None
    for at, piece in enumerate(text.split("<")):
        is_tag = at and len(piece) > LONG_TAG and piece[0].isalpha()
        if is_tag and len(_QUOTED.sub("", piece.partition(">")[0]).split()) > MAX_ATTRIBUTES:
            return f"a tag with more than {MAX_ATTRIBUTES:,} attributes"
        if len(piece) > MAX_TEXT // 4 and len(piece.encode("utf-8", "ignore")) > MAX_TEXT:
            return f"more than {MAX_TEXT:,} bytes without a tag"
    return None


def parse_html(text: str) -> etree._Element | None:
    """The tree of a page, or None where there is nothing in it, or too much. Never raises for what stands in it."""
    if too_much(text):
        return None
    clean = text.encode("utf-8", "ignore").translate(None, _ILLEGAL)
    for odd in (b"\xef\xbf\xbe", b"\xef\xbf\xbf"):  # U+FFFE and U+FFFF
        clean = clean.replace(odd, b"")
    if not clean.strip():
        return None
    parser = etree.HTMLParser(encoding="utf-8", remove_comments=True, remove_pis=True, no_network=True)
    try:
        return etree.fromstring(clean, parser)
    except (etree.ParserError, etree.XMLSyntaxError, ValueError):
        return None


class FlatPage:
    """A tree as lists, its elements in document order: a part of the page is a range, nothing is asked of lxml twice.

    Element `i` has `tags[i]`, `classes[i]` and `ids[i]` ("" where it has none), `texts[i]` before its first child,
    `tails[i]` behind its end tag and its parent `parents[i]` (-1 for the root); what it holds is i + 1 to ends[i] - 1.
    `gone[i]` is 1 where it was cut away.
    """

    def __init__(self, tree: etree._Element):
        self.elements = list(tree.iter("*"))
        count = len(self.elements)
        self.numbers = dict(zip(self.elements, range(count), strict=True))
        self.tags: list[str] = [element.tag for element in self.elements]
        self.classes: list[str] = [element.get("class", "") for element in self.elements]
        self.ids: list[str] = [element.get("id", "") for element in self.elements]
        self.texts: list[str] = [element.text or "" for element in self.elements]
        self.tails: list[str] = [element.tail or "" for element in self.elements]
        self.parents = [-1, *(self.numbers[element.getparent()] for element in self.elements[1:])]
        self.ends = list(range(1, count + 1))
        for i in range(count - 1, 0, -1):
            parent = self.parents[i]
            if self.ends[i] > self.ends[parent]:
                self.ends[parent] = self.ends[i]
        self.gone = bytearray(count)

    def cut(self, i: int) -> None:
        """Take element `i` away, and what it holds. The text behind it stays."""
        self.gone[i : self.ends[i]] = b"\1" * (self.ends[i] - i)

    def get(self, i: int, name: str) -> str:
        """An attribute, "" where there is none."""
        return self.elements[i].get(name, "")

    def held(self, i: int) -> Iterator[int]:
        """The children of `i`, cut away or not: the text behind one that was is still there."""
        child, end = i + 1, self.ends[i]
        while child < end:
            yield child
            child = self.ends[child]

    def children(self, i: int) -> Iterator[int]:
        """The children of `i` that are left."""
        return (child for child in self.held(i) if not self.gone[child])

    def ancestors(self, i: int) -> Iterator[int]:
        """The parent of `i`, its parent, and so on."""
        while (i := self.parents[i]) >= 0:
            yield i

    def first(self, tag: str, i: int = 0) -> int | None:
        """The first element named `tag` that `i` holds, cut away or not."""
        try:
            return self.tags.index(tag, i + 1, self.ends[i])
        except ValueError:
            return None

    def text(self, i: int) -> str:
        """All text within `i` that is left."""
        if self.ends[i] == i + 1:
            return self.texts[i]
        pieces = [self.texts[i]]
        for child in self.held(i):
            if not self.gone[child]:
                pieces.append(self.text(child))
            pieces.append(self.tails[child])
        return "".join(pieces)
