"""Personal data found, in planted and in real text; and spam refused, by what the classifier has not learnt from.

Planted: pages made afresh from a seed (`planted.py`), between sentences of real documentation. A piece must be covered
by pieces of its kind. Real: `personal_lines.json`, lines of Debian's documentation drawn at random among those with an
@, seven digits close together, colons between hexadecimal digits, or a word such as "password", each judged by hand
before the finder had seen it; its pieces must be found to the letter. The first 500 lines (SQLite, Python, PostgreSQL,
Django, Apache, Postfix, Git, Debian policy) showed five mistakes, which were mended: 3 too many and 2 too few at 50
right ones. The other 200 (the Linux kernel, an anarchist FAQ) were drawn after that, and none was found in them. What
standards keep for examples (see corpus/personal/data.py) is nobody's in either.
"""

from __future__ import annotations

import json
import random
import re
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks import texts, webspam
from benchmarks.corpus.planted import plant
from benchmarks.results import Absent, figure
from hornbook.corpus.personal.data import find_personal
from hornbook.corpus.tagging.spam import phrase_score, spam_score
from hornbook.demo import rubbish
from hornbook.evaluation.intervals import wilson

NAMES = ("pii_recall", "pii_precision", "pii_ms", "spam_unseen_kinds", "spam_of_the_demo", "spam_false_positives")
PAGES = 1000
SENTENCES = 12  # a page
MOST = 20_000_000  # bytes of documentation for the false positives
LINES = Path(__file__).with_name("personal_lines.json")


def figures() -> Iterator[dict]:
    """Raises Absent without the documentation."""
    try:
        prose = texts.prose(MOST)
    except FileNotFoundError as error:
        raise Absent(str(error)) from None
    planted, real = _planted(prose), _real()
    both = [one + other for one, other in zip(planted, real, strict=True)]
    for name, wanted in (("pii_recall", 1), ("pii_precision", 2)):
        apart = {"planted": _share(planted, wanted), "real": _share(real, wanted), "n_real": real[wanted]}
        right, of = both[0], both[wanted]
        yield figure(name, _share(both, wanted), "share", n=of, interval=_interval(right, of), **apart)
    yield _speed(prose)
    yield from _spam(prose)


def _planted(prose: list[str]) -> tuple[int, int, int]:
    """How many pieces were found rightly, planted, found."""
    rng = random.Random(texts.PACKAGES[0])
    sentences = [sentence for text in prose[::7] for sentence in re.findall(r"[A-Z][a-z][^.\n]{20,160}\.", text)
                 if not find_personal(sentence)]  # fmt: skip
    right = wanted = found = 0
    for seed in range(PAGES):
        page = plant(rng.sample(sentences, SENTENCES), seed)
        spans = find_personal(page.text)
        found, wanted = found + len(spans), wanted + len(page.spans)
        for kind, start, end in page.spans:
            over = [span for span in spans if span.kind == kind and span.start < end and span.end > start]
            right += bool(over) and over[0].start <= start and over[-1].end >= end
    return right, wanted, found


def _real() -> tuple[int, int, int]:
    right = wanted = found = 0
    for line, pieces in json.loads(LINES.read_text("utf-8")):
        spans = [[span.kind, line[span.start : span.end]] for span in find_personal(line)]
        right += sum(piece in spans for piece in pieces)
        wanted, found = wanted + len(pieces), found + len(spans)
    return right, wanted, found


def _share(counts: tuple[int, ...] | list[int], of: int) -> float:
    return round(counts[0] / max(counts[of], 1), 4)


def _interval(right: int, of: int) -> list[float]:
    return [round(end, 4) for end in wilson(right, of)]


def _speed(prose: list[str]) -> dict:
    """Milliseconds for 6,000 characters in which there is nothing: the median of 200 pages."""
    pages = [part for text in prose if not find_personal(part := text[:6000]) and len(part) == 6000][:200]
    seconds = []
    for page in pages:
        started = time.process_time()
        for _ in range(5):
            find_personal(page)
        seconds.append((time.process_time() - started) / 5 * 1000)
    return figure("pii_ms", round(statistics.median(seconds), 4), "ms a page of 6 KB without any", n=len(pages),
                  interval=[round(min(seconds), 4), round(max(seconds), 4)])  # fmt: skip


def _spam(prose: list[str]) -> Iterator[dict]:
    """Of spam of kinds the classifier has not learnt, and of the demo's, how much is refused; and of documentation."""
    pages = [webspam.spam_page(random.Random(f"benchmark {kind} {seed}"), kind)
             for kind in webspam.UNSEEN for seed in range(250)]  # fmt: skip
    island = [re.sub(r"<[^>]*>", " ", " ".join(rubbish.spam_page(random.Random(seed)))) for seed in range(500)]
    for name, found in (("spam_unseen_kinds", pages), ("spam_of_the_demo", island), ("spam_false_positives", prose)):
        refused = sum(spam_score(text) > 0.5 for text in found)
        apart = {"phrases": round(sum(phrase_score(text) > 0.5 for text in found) / len(found), 5)}
        yield figure(name, round(refused / len(found), 5), "share refused", n=len(found),
                     interval=_interval(refused, len(found)), **apart)  # fmt: skip
