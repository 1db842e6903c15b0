"""Which language real paragraphs are said to be in, against the folder they lie in.

The Debian Administrator's Handbook and GNOME's user guides, as Debian packages them, in some forty languages. A
paragraph counts for the language of its folder. One that is word for word the English original's, but for its
cross-references, has not been translated and counts once, as English. Codes are compared as ISO 639-1 has them, with
Bokmål as "no", without region or script; nothing is left out for being hard.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from lxml import etree, html  # pyright: ignore[reportAttributeAccessIssue]

from benchmarks.results import Absent, figure
from hornbook.corpus.tagging.language import identify
from hornbook.evaluation.intervals import wilson

NAMES = ("language_accuracy",)
HANDBOOK = Path("/usr/share/doc/debian-handbook/html")
GNOME = Path("/usr/share/help")
CODES = {"C": "en", "nb": "no"}  # folder -> code, where they differ
LEAST = 80  # characters of a paragraph
MOST = 300  # paragraphs of a language and source, spread evenly over it


def figures() -> Iterator[dict]:
    """The share of paragraphs named rightly, its 95 % interval, and by language."""
    found = paragraphs()
    if len(found) < 15:
        raise Absent("15 languages or more: apt-get install debian-handbook gnome-user-docs")
    right: dict[str, list[int]] = {}
    for code, texts in sorted(found.items()):
        hits = sum(identify(text)[0] == code for text in texts)
        right[code] = [hits, len(texts)]
    hits, n = (sum(counts) for counts in zip(*right.values(), strict=True))
    yield figure(
        "language_accuracy", round(hits / n, 4), "share", n=n, interval=wilson(hits, n), languages=len(right),
        by_language={code: round(hits / n, 4) for code, (hits, n) in right.items()},
    )  # fmt: skip


def paragraphs() -> dict[str, list[str]]:
    """By language code, real paragraphs of `LEAST` characters or more."""
    found: dict[str, list[str]] = defaultdict(list)
    for original, folders, read in (
        ("en-US", HANDBOOK.glob("*-*"), _handbook), ("C", GNOME.glob("*/gnome-help"), _gnome),
    ):  # fmt: skip
        by_folder = {_name(folder): read(folder) for folder in sorted(folders)}
        english = set(by_folder.get(original, {}).values())
        for name, texts in by_folder.items():
            code = name.replace("@", "-").replace("_", "-").partition("-")[0]
            own = [text for text, bare in texts.items() if name == original or bare not in english]
            found[CODES.get(code, code)] += _spread(own)
    return {code: texts for code, texts in found.items() if texts}


def _name(folder: Path) -> str:
    return folder.parent.name if folder.name == "gnome-help" else folder.name


def _spread(texts: Sequence[str]) -> Sequence[str]:
    return [texts[index * len(texts) // MOST] for index in range(MOST)] if len(texts) > MOST else texts


def _handbook(folder: Path) -> dict[str, str]:
    trees = (html.parse(str(path)) for path in sorted(folder.glob("*.html")))
    return _texts(element for tree in trees for element in tree.getroot().find_class("para"))


def _gnome(folder: Path) -> dict[str, str]:
    trees = (etree.parse(path) for path in sorted(folder.glob("*.page")))
    return _texts(element for tree in trees for element in tree.iter("{http://projectmallard.org/1.0/}p"))


def _texts(elements: Iterator) -> dict[str, str]:
    """The text of each paragraph on one line, and the same without its cross-references, which a book's tools write in
    its language even where the paragraph is not translated."""
    found: dict[str, str] = {}
    for element in elements:
        text = " ".join("".join(element.itertext()).split())
        if len(text) >= LEAST:
            for reference in element.find_class("xref") if hasattr(element, "find_class") else ():
                reference.clear(keep_tail=True)
            found[text] = " ".join("".join(element.itertext()).split())
    return found
