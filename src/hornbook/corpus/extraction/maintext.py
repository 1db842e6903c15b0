"""Which part of a page is its text: what nobody reads is cut away, the container that holds the article is chosen, and
boxes that are boilerplate by name or are lists of links are cut out of it."""

from __future__ import annotations

import re
from bisect import bisect_left
from itertools import accumulate
from operator import mul, not_

from lxml import etree  # pyright: ignore[reportAttributeAccessIssue]  (no stubs)

from hornbook.corpus.extraction.htmltree import FlatPage
from hornbook.corpus.extraction.names import RANKS, article_rank, is_hidden, is_link_list, is_unwanted

DROPPED = frozenset({
    "head", "script", "style", "noscript", "template", "iframe", "object", "embed", "applet", "audio", "video", "map",
    "canvas", "svg", "nav", "aside", "footer", "menu", "dialog", "button", "select", "input", "textarea", "datalist",
    "option", "progress", "meter", "frameset", "frame", "marquee", "rp", "rt", "label", "legend",
})  # fmt: skip
_UNSEEN = frozenset({"script", "style", "noscript", "template", "svg", "head"})
_ROLES = frozenset({
    "navigation", "banner", "contentinfo", "search", "complementary", "dialog", "menu", "menubar", "toolbar"
})  # fmt: skip
_HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
_ANCHOR_MARKS = frozenset("¶#§🔗†")
_TOLD = etree.XPath(".//*[@hidden or @role or @style or @aria-hidden]")
_NOTE = re.compile(r"footnote|admonition|^note|^topic$|callout")
_NOTE_TITLES = frozenset({"sidebar-title", "topic-title", "admonition-title", "titlepage"})
_PICTURES = frozenset({"img", "picture", "video", "iframe", "source", "noscript", "object", "svg", "canvas"})
_MORE_THAN_CAPTIONS = frozenset({"table", "pre", "ul", "ol", "dl", "h1", "h2", "h3", "h4", "h5", "h6"})
_NAMED = frozenset({"div", "section", "p", "span", "ul", "ol", "li"})
_BOXES = frozenset({"div", "section", "article", "main"})
_HEADINGS = frozenset({"h2", "h3", "h4", "h5", "h6"})
LINK_SHARE = {"ul": 0.75, "ol": 0.75, "div": 0.8, "section": 0.8, "p": 0.9, "table": 0.8, "td": 0.9, "dl": 0.8}
MIN_LINKS = 2
MIN_INTRODUCTION = 40  # characters of a sentence that ends in a colon, with which a list of links is part of the text
MIN_SHARE = (0.2, 0.2, 0.2, 0.4, 0.4)  # of the page's prose, by rank: a container that holds less was the wrong one
WHOLE_SHARE = 0.5  # of the page's prose: where one container holds less, and all of its kind more, they are the article
MIN_LEFT = 1 / 7  # of a container's prose: where less is left, the names were wrong about this page
MAX_BEFORE = 0.1  # of the text stands before the only h1: what is so little is a breadcrumb or a date
MAX_BEFORE_CHARACTERS = 200


def main_part(page: FlatPage) -> tuple[int, float]:
    """The element that holds the page's text, with the boilerplate in it cut away, and how much of all the text on the
    page lies in links, 0 to 1."""
    body = page.first("body") or 0
    own = _own_characters(page)
    prose = _without_links(page, own, body)
    share = 1 - sum(prose) / max(sum(own), 1)
    _cut_unread(page, own, body)
    part = _container(page, own, prose, body)
    _cut_link_lists(page, own, part)
    _cut_before_title(page, own, part)
    return part, share


def _own_characters(page: FlatPage) -> list[int]:
    """For every element the characters of its own text and of its children's tails; none in what nobody sees."""
    own = [len(text.strip()) for text in page.texts]
    for i, tail in enumerate(page.tails):
        if tail and (length := len(tail.strip())):
            own[page.parents[i]] += length
    for i, tag in enumerate(page.tags):
        if tag in _UNSEEN:
            own[i : page.ends[i]] = [0] * (page.ends[i] - i)
    return own


def _without_links(page: FlatPage, own: list[int], body: int) -> list[int]:
    """The same, but nothing in links."""
    prose = own[:]
    for i in range(body, page.ends[body]):
        if page.tags[i] == "a" and page.elements[i].get("href") is not None:
            prose[i : page.ends[i]] = [0] * (page.ends[i] - i)
    return prose


def _sums(page: FlatPage, own: list[int]) -> list[int]:
    """The characters left before each element: those of a range are the difference of two."""
    return [0, *accumulate(map(mul, own, map(not_, page.gone)))]


def _cut_unread(page: FlatPage, own: list[int], body: int) -> None:
    """Cut what is no text by its kind, what is not shown, and the site's own parts by their role."""
    tags, ends = page.tags, page.ends
    told = {page.numbers[element] for element in _TOLD(page.elements[body])}
    judged_by_size: list[int] = []
    i = body + 1
    while i < ends[body]:
        tag = tags[i]
        if tag in DROPPED:
            cut = tag != "aside" or not _is_note(page, i)
        elif i in told and _is_hidden_or_site(page, i):
            cut = True
        elif tag in ("ul", "ol"):
            cut = is_link_list(page.classes[i]) and page.first("a", i) is not None
        else:
            cut = tag == "a" and ends[i] == i + 1 and page.texts[i].strip() in _ANCHOR_MARKS
            if tag in ("form", "fieldset", "header", "figure"):
                judged_by_size.append(i)
        if cut:
            page.cut(i)
        i = ends[i] if cut else i + 1
    sums = _sums(page, own) if judged_by_size else []
    for i in judged_by_size:
        inside = set(tags[i + 1 : ends[i]])
        if tags[i] == "header":
            cut = "h1" not in inside and all(tags[up] not in ("article", "main", "section") for up in page.ancestors(i))
        elif tags[i] == "figure":
            cut = bool(inside & _PICTURES) and not inside & _MORE_THAN_CAPTIONS
        else:  # some sites wrap the whole page into a form
            cut = sums[ends[i]] - sums[i] < (sums[ends[body]] - sums[body]) / 2
        if cut:
            page.cut(i)


def _is_hidden_or_site(page: FlatPage, i: int) -> bool:
    attributes = page.elements[i].attrib
    return (
        "hidden" in attributes
        or attributes.get("aria-hidden") == "true"
        or attributes.get("role", "").lower() in _ROLES
        or bool(_HIDDEN.search(attributes.get("style", "")))
    )


def _is_note(page: FlatPage, i: int) -> bool:
    """A footnote, a remark or a box with a title of its own, as documentation has them, and no sidebar of a site."""
    if page.get(i, "role") == "note" or _NOTE.search(page.classes[i]):
        return True
    return not _NOTE_TITLES.isdisjoint(page.classes[i : min(i + 4, page.ends[i])])


def _container(page: FlatPage, own: list[int], prose: list[int], body: int) -> int:
    """The surest container by name that holds enough of the page's prose, else the body; unwanted boxes are cut."""
    tags, ends, classes = page.tags, page.ends, page.classes
    named, ranked = _names(page, own, body)
    sums = _sums(page, prose)

    def size(i: int) -> int:
        return sums[ends[i]] - sums[i]

    def unwanted(part: int) -> tuple[list[int], int]:
        """The outermost unwanted boxes in a part and the prose that is left without them."""
        boxes: list[int] = []
        for at in range(bisect_left(named, part + 1), bisect_left(named, ends[part])):
            if not boxes or named[at] >= ends[boxes[-1]]:
                boxes.append(named[at])
        left = size(part) - sum(map(size, boxes))
        return (boxes, left) if left > MIN_LEFT * size(part) else ([], size(part))

    part = body
    boxes, whole = unwanted(body)
    for found, least in zip(ranked, MIN_SHARE, strict=True):
        if not found:
            continue
        first, left = found[0], unwanted(found[0])[1]
        alike = [i for i in found if (tags[i], classes[i]) == (tags[first], classes[first])]
        if left < WHOLE_SHARE * whole <= sum(unwanted(i)[1] for i in alike):
            above = set(page.ancestors(first))
            first = next(up for up in page.ancestors(alike[-1]) if up in above)
        found_boxes, left = unwanted(first)
        if left >= least * whole:
            part, boxes = first, found_boxes
            break
    for i in boxes:
        page.cut(i)
    return part


def _names(page: FlatPage, own: list[int], body: int) -> tuple[list[int], list[list[int]]]:
    """The elements that are unwanted by their names, and for every rank the outermost boxes that may be the article."""
    tags, ends, classes, ids = page.tags, page.ends, page.classes, page.ids
    named: list[int] = []
    ranked: list[list[int]] = [[] for _ in range(RANKS)]
    i = body + 1
    while i < ends[body]:
        tag = tags[i]
        if page.gone[i] or tag in ("pre", "code"):  # classes in code are its highlighting
            i = ends[i]
            continue
        name, identifier = classes[i], ids[i]
        if name or identifier:
            if tag not in _NAMED:
                unwanted = is_hidden(name)
            elif tag == "span" and own[page.parents[i]]:  # amid running text, such as a button's name in a manual
                unwanted = False
            else:  # the id of a section is its heading
                unwanted = is_hidden(name) or is_unwanted(name, "" if tag == "section" else identifier)
            if unwanted and not _is_note(page, i):
                named.append(i)
        if tag in _BOXES:
            rank = article_rank(tag, name, identifier)
            if rank is not None and (not ranked[rank] or i >= ends[ranked[rank][-1]]):
                ranked[rank].append(i)
        i += 1
    return named, ranked


def _cut_link_lists(page: FlatPage, own: list[int], part: int) -> None:
    """Cut lists, tables and boxes whose text is mostly links, the inner ones first."""
    tags, ends, parents, gone = page.tags, page.ends, page.parents, page.gone
    size = ends[part] - part
    characters, linked, links = own[part : ends[part]], [0] * size, [0] * size
    for i in range(ends[part] - 1, part, -1):  # what is held comes before what holds it
        if gone[i]:
            continue
        at = i - part
        tag = tags[i]
        if tag == "a":
            if page.elements[i].get("href") is not None:
                linked[at], links[at] = characters[at], 1
        elif (
            links[at] >= MIN_LINKS
            and tag in LINK_SHARE
            and linked[at] >= LINK_SHARE[tag] * characters[at]
            and not _is_introduced(page, i)
        ):
            page.cut(i)
            continue
        up = parents[i] - part
        characters[up] += characters[at]
        linked[up] += linked[at]
        links[up] += links[at]


def _is_introduced(page: FlatPage, i: int) -> bool:
    """Whether the sentence before an element ends in a colon."""
    while page.parents[i] == i - 1 and not page.texts[i - 1].strip():
        i -= 1
    if page.parents[i] == i - 1:
        before = page.texts[i - 1]
    else:
        sibling = i - 1
        while page.parents[sibling] != page.parents[i]:
            sibling = page.parents[sibling]
        before = page.tails[sibling] if page.tails[sibling].strip() else page.text(sibling)
    before = before.rstrip()
    return before.endswith(":") and len(before) >= MIN_INTRODUCTION


def _cut_before_title(page: FlatPage, own: list[int], part: int) -> None:
    """Cut the little that stands before the only h1: a breadcrumb, a date, the name of a column."""
    titles = [i for i in range(part, page.ends[part]) if page.tags[i] == "h1" and not page.gone[i]]
    if len(titles) != 1:
        return
    sums = _sums(page, own)
    before, whole = sums[titles[0]] - sums[part], sums[page.ends[part]] - sums[part]
    notes = any(_is_note(page, i) for i in range(part + 1, titles[0]) if not page.gone[i])
    if before <= min(MAX_BEFORE * whole, MAX_BEFORE_CHARACTERS) and not notes:
        above = set(page.ancestors(titles[0]))
        for i in range(part + 1, titles[0]):
            if i not in above:
                page.cut(i)
