"""Extraction on a labelled set and on documentation whose sources are known, against trafilatura and resiliparse.

The labelled set is github.com/scrapinghub/article-extraction-benchmark, 181 pages; HORNBOOK_ARTICLES names the folder
of its checkout. The score is its own: multisets of 4-word shingles, precision and recall averaged over the pages, F1 of
the two averages. Its labels leave the headline out, so what is scored as text is ours without the title; what is scored
as Markdown is the document as it is written, title and marks and all.

The documentation is Debian's python3.11-doc (apt-get install python3.11-doc): HTML against its own reStructuredText,
which docutils renders.
"""

from __future__ import annotations

import gzip
import json
import os
import random
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import mean, median, quantiles

from benchmarks.results import Absent, against, figure
from hornbook.corpus.extraction.extract import extract
from hornbook.corpus.extraction.restructured import read_restructured

NAMES = ("extract_f1_text", "extract_f1_markdown", "extract_rst", "extract_vs_trafilatura")
REPOSITORY = "https://github.com/scrapinghub/article-extraction-benchmark"
MANUAL = Path("/usr/share/doc/python3.11/html")
DOCUMENTATION = ("python3.11/html", "sqlite3", "debian-handbook/html/en-US", "libxslt1-dev")
MANUAL_PAGES = 150
DOCUMENTATION_PAGES = 40  # of each
TURNS = 5
RESAMPLES = 1000
_WORDS = re.compile(r"\w+")
_MARKS = re.compile(r"^(?:```.*|\|[-|]+\||\s*(?:#{1,6}|-|\d+\.) )", re.MULTILINE)

Extractor = Callable[[str], str]


def figures() -> Iterator[dict]:
    """F1 of our text and of our Markdown with the peers', F1 on the manual, how many times as fast as trafilatura."""
    pages, labels = _articles()
    peers = _peers()
    ours = [extract(page.encode(), "text/html; charset=utf-8") for page in pages]
    for name, texts, peer in (
        ("extract_f1_text", [_as_text(found.text) for found in ours], "trafilatura"),
        ("extract_f1_markdown", [found.text for found in ours], "trafilatura, Markdown"),
    ):
        scores = {who: _f1(_pairs(labels, map(read, pages))) for who, read in peers.items()}
        pairs = _pairs(labels, texts)
        yield figure(name, _f1(pairs), "F1", peer=scores[peer], n=len(pairs), interval=_interval(pairs), peers=scores)
    yield _manual(peers["trafilatura, Markdown"])
    yield _speed(pages)


def _articles() -> tuple[list[str], list[str]]:
    folder = Path(os.environ.get("HORNBOOK_ARTICLES", ""))
    if not (folder / "ground-truth.json").is_file():
        raise Absent(f"set HORNBOOK_ARTICLES to a checkout of {REPOSITORY}")
    truth = json.loads((folder / "ground-truth.json").read_text(encoding="utf-8"))
    pages = [gzip.decompress((folder / "html" / f"{name}.html.gz").read_bytes()).decode() for name in truth]
    return pages, [found["articleBody"] for found in truth.values()]


def _peers() -> dict[str, Extractor]:
    import trafilatura
    from resiliparse.extract.html2text import extract_plain_text

    return {
        "trafilatura": lambda page: trafilatura.extract(page, include_comments=False) or "",
        "trafilatura, Markdown": lambda page: trafilatura.extract(
            page, include_comments=False, output_format="markdown") or "",
        "resiliparse": lambda page: extract_plain_text(page, main_content=True, alt_texts=False),
    }  # fmt: skip


def _manual(peer: Extractor) -> dict:
    """Python's manual: the HTML of a page against the text of its source."""
    folder = MANUAL / "_sources"
    sources = sorted(folder.rglob("*.rst.txt"))
    found = [(source, MANUAL / f"{str(source.relative_to(folder))[: -len('.rst.txt')]}.html") for source in sources]
    found = [(source, page) for source, page in found if page.exists()]
    if not found:
        return figure("extract_rst", None, "F1", why="no python3.11-doc here; run: apt-get install python3.11-doc")
    found = random.Random(0).sample(found, min(MANUAL_PAGES, len(found)))
    labels = [read_restructured(source.read_text(encoding="utf-8"), lambda: None) for source, _ in found]
    pages = [page.read_text(encoding="utf-8") for _, page in found]
    pairs = _pairs(labels, (extract(page.encode(), "text/html").text for page in pages))
    theirs = _f1(_pairs(labels, map(peer, pages)))
    return figure("extract_rst", _f1(pairs), "F1", peer=theirs, n=len(pairs), interval=_interval(pairs))


def _speed(articles: Sequence[str]) -> dict:
    """Processor seconds for articles and documentation together, by turns; ours twice, as Markdown and in fast mode."""
    import trafilatura

    pages = [page.encode() for page in articles]
    for name in DOCUMENTATION:
        found = sorted(Path("/usr/share/doc", name).rglob("*.html"))
        pages += [path.read_bytes() for path in random.Random(0).sample(found, min(DOCUMENTATION_PAGES, len(found)))]
    readers: dict[str, Callable[[bytes], object]] = {
        "main": lambda page: extract(page, "text/html"),
        "fast": lambda page: extract(page, "text/html", mode="fast"),
        "peer": lambda page: trafilatura.extract(page, output_format="markdown"),
    }
    seconds: dict[str, list[float]] = {name: [] for name in readers}
    for _ in range(TURNS):
        for name, read in readers.items():
            started = time.process_time()
            for page in pages:
                read(page)
            seconds[name].append(time.process_time() - started)
    fast = round(median(peer / own for own, peer in zip(seconds["fast"], seconds["peer"], strict=True)), 2)
    return against(
        "extract_vs_trafilatura", "trafilatura", seconds["main"], seconds["peer"], pages=len(pages), fast_mode=fast
    )


def _as_text(markdown: str) -> str:
    """The words of a document without its title and without the marks of Markdown."""
    first, _, rest = markdown.partition("\n")
    return _MARKS.sub("", rest if first.startswith("# ") else markdown)


Pair = tuple[float, float, float]  # shingles in both, only in ours, only in the label; they add up to 1


def _pairs(labels: Sequence[str], texts: Iterator[str] | Sequence[str]) -> list[Pair]:
    return [_pair(_shingles(label), _shingles(text)) for label, text in zip(labels, texts, strict=True)]


def _shingles(text: str) -> Counter:
    words = _WORDS.findall(text)
    return Counter(tuple(words[at : at + 4]) for at in range(max(1, len(words) - 3)) if words)


def _pair(label: Counter, text: Counter) -> Pair:
    both, extra, missed = ((label & text).total(), (text - label).total(), (label - text).total())
    total = max(both + extra + missed, 1)
    return both / total, extra / total, missed / total


def _f1(pairs: Sequence[Pair]) -> float:
    precision = mean(both / (both + extra) for both, extra, _ in pairs if both + extra)
    recall = mean(both / (both + missed) for both, _, missed in pairs if both + missed)
    return round(2 * precision * recall / (precision + recall), 4)


def _interval(pairs: Sequence[Pair]) -> list[float]:
    """95 in a hundred resamples of the pages lie in it."""
    rng = random.Random(0)
    cuts = quantiles((_f1(rng.choices(pairs, k=len(pairs))) for _ in range(RESAMPLES)), n=40)
    return [round(cuts[0], 4), round(cuts[-1], 4)]
