"""Extracting, tagging and filtering against FineWeb's pipeline as datatrove 0.10 runs it.

Whether our verdicts are datatrove's on the same text and words, filter by filter and in FineWeb's order; and how many
pages a CPU second, from the bytes of a page to its verdict, against datatrove with the words it ships (spaCy) and with
ours. Datatrove extracts in the same process, without the guard process it has in use, and is given lid.176.ftz for its
language filter, which would otherwise download the larger lid.176.bin. HORNBOOK_ARTICLES names a checkout of
github.com/scrapinghub/article-extraction-benchmark, whose pages are measured beside the documentation.
"""

from __future__ import annotations

import gzip
import os
import time
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

import pyarrow

from benchmarks.corpus.fineweb import Filters, our_verdicts, our_words, their_verdict
from benchmarks.corpus.languages import paragraphs
from benchmarks.results import Absent, against, figure
from benchmarks.texts import PACKAGES, pages
from hornbook.corpus.extraction.extract import extract
from hornbook.corpus.extraction.plain import plain_text
from hornbook.corpus.tagging.filters import (
    C4,
    FINEWEB,
    GOPHER_QUALITY,
    GOPHER_REPETITION,
    LANGUAGE_SCORE,
    PRESETS,
    verdicts,
)
from hornbook.corpus.tagging.language import model_file
from hornbook.corpus.tagging.statistics import statistics
from hornbook.corpus.tagging.tags import tag, tag_language, tag_statistics

NAMES = ("verdicts_equal", "curate_vs_spacy", "curate_vs_regex")
PAGES = 60
TURNS = 5
BATCH = 64
TABLES = {"gopher_repetition": GOPHER_REPETITION, "gopher_quality": GOPHER_QUALITY, "c4": C4, "fineweb": FINEWEB}


def figures() -> Iterator[dict]:
    bodies = _bodies()
    yield _verdicts_equal(bodies)
    yield from _speed(bodies)


def _bodies() -> list[bytes]:
    """Real HTML pages, spread evenly over Debian's documentation, and as many articles where they are at hand."""
    found = [body for _, body, media in pages() if media == "text/html" and len(body) > 2000]
    if len(found) < PAGES:
        raise Absent(f"HTML documentation: apt-get install {' '.join(PACKAGES)}")
    articles = sorted(Path(os.environ.get("HORNBOOK_ARTICLES", "articles")).glob("html/*.html.gz"))[:PAGES]
    spread = [found[index * len(found) // PAGES] for index in range(PAGES)]
    return spread + [gzip.decompress(path.read_bytes()) for path in articles]


def _verdicts_equal(bodies: Sequence[bytes]) -> dict:
    """The share of texts on which every filter and the pipeline give the same reason, or none, as ours: pages, and
    their paragraphs and those of other languages in passages of ten, which come closer to the thresholds."""
    filters = Filters(our_words())
    whole = [plain_text(extract(body, "text/html").text) for body in bodies]
    passages = chain((text.split("\n\n") for text in whole), paragraphs().values())
    texts = whole + ["\n".join(parts[start : start + 10]) for parts in passages for start in range(0, len(parts), 10)]
    texts = [text for text in texts if text]
    rows = [statistics(text) for text in texts]
    equal = [True] * len(texts)
    refused: dict[str, int] = {}
    for name, rules in {**TABLES, "pipeline": PRESETS["web"]}.items():
        steps = filters.pipeline if name == "pipeline" else [filters.each[name]]
        theirs = [their_verdict(steps, text) for text in texts]
        equal = [own == other and so_far for own, other, so_far in
                 zip(our_verdicts(rules, rows), theirs, equal, strict=True)]  # fmt: skip
        refused[name] = len(texts) - theirs.count(None)
    return figure("verdicts_equal", sum(equal) / len(equal), "share", n=len(equal), refused=refused)


def _speed(bodies: Sequence[bytes]) -> Iterator[dict]:
    """Medians over the turns; `all_tags` is the ratio where ours also look for spam and personal data."""
    turns = {"ours": lambda: _curated(bodies, _needed), "all": lambda: _curated(bodies, tag),
             "spacy": _theirs(bodies, "en"), "regex": _theirs(bodies, our_words())}  # fmt: skip
    seconds: dict[str, list[float]] = {name: [] for name in turns}
    for turn in range(TURNS + 1):
        for name, run in turns.items():
            started = time.process_time()
            run()
            if turn:  # the first warms up: models, tables, caches
                seconds[name].append(time.process_time() - started)
    for name, words in (("spacy", "spaCy's words"), ("regex", "our words")):
        everything = against("", "", seconds["all"], seconds[name])["ratio"]
        yield against(f"curate_vs_{name}", f"datatrove with {words}", seconds["ours"], seconds[name], pages=len(bodies),
                      all_tags=everything)  # fmt: skip


def _needed(batch: pyarrow.RecordBatch) -> pyarrow.RecordBatch:
    return tag_language(tag_statistics(batch))


def _curated(bodies: Sequence[bytes], tagger) -> list[str | None]:
    found: list[str | None] = []
    for start in range(0, len(bodies), BATCH):
        extracted = [extract(body, "text/html") for body in bodies[start : start + BATCH]]
        batch = pyarrow.RecordBatch.from_pydict({"text": [page.text for page in extracted]})
        table = pyarrow.Table.from_batches([tagger(batch)])
        found += verdicts(table, PRESETS["web"], frozenset({"en"}), LANGUAGE_SCORE["web"])[0]
    return found


def _theirs(bodies: Sequence[bytes], language):
    """A run of datatrove's extractor and filters over the pages."""
    import fasttext
    from datatrove.data import Document
    from datatrove.pipeline.extractors import Trafilatura
    from datatrove.pipeline.filters import LanguageFilter

    LanguageFilter._requires_dependencies = []  # it asks for fasttext-numpy2-wheel; fasttext-predict is as good here
    extractor, languages = Trafilatura(), LanguageFilter(languages=["en"])
    languages.model._model = _Model(fasttext.load_model(str(model_file())))
    steps = (languages, *Filters(language).pipeline)

    def run() -> int:
        kept = 0
        for body in bodies:
            text = extractor.extract(body.decode("utf-8", "replace"))
            if text:
                document = Document(text=text, id="")
                kept += all(step.filter(document) is True for step in steps)
        return kept

    return run


class _Model:
    """fasttext-predict gives probabilities as floats where datatrove asks fastText's numpy ones for `item()`."""

    def __init__(self, model):
        self.model = model

    def predict(self, text: str, k: int):
        import numpy as np

        labels, scores = self.model.predict(text, k=k)
        return labels, np.array(scores)
