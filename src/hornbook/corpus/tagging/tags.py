"""Taggers: an Arrow batch of documents in, the same batch with more columns out. Each page is tagged once."""

from __future__ import annotations

import pyarrow

from hornbook.corpus.extraction.plain import code_share, plain_text
from hornbook.corpus.personal.data import PLACEHOLDERS, count_personal, find_personal
from hornbook.corpus.tagging.hashed import BITS, features
from hornbook.corpus.tagging.language import identify
from hornbook.corpus.tagging.spam import spam_score
from hornbook.corpus.tagging.statistics import COLUMNS, statistics
from hornbook.corpus.tagging.toxicity import toxicity_score

PERSONAL = tuple(f"personal_{kind}" for kind in PLACEHOLDERS)
TAGS = (*COLUMNS, "code_share", *PERSONAL, "spam", "toxicity", "form", "language_score", "link_share")
SCORES = ("bits_per_character", "quality")  # made of the tagged pages by scores.py
NUMBERS = (*TAGS, *SCORES)


def tag(batch: pyarrow.RecordBatch) -> pyarrow.RecordBatch:
    """All taggers one after another, over the column `text`."""
    return tag_form(tag_abuse(tag_personal(tag_language(tag_statistics(batch)))))


def tag_statistics(batch: pyarrow.RecordBatch) -> pyarrow.RecordBatch:
    """Adds the columns of `statistics.COLUMNS`, counted of the text without Markdown's signs, and `code_share`."""
    texts = _texts(batch)
    rows = [statistics(plain_text(text)) for text in texts]
    columns = {name: pyarrow.array([row[name] for row in rows], pyarrow.float64()) for name in COLUMNS}
    return _added(batch, columns | {"code_share": pyarrow.array(map(code_share, texts), pyarrow.float64())})


def tag_language(batch: pyarrow.RecordBatch) -> pyarrow.RecordBatch:
    """Adds `language` (ISO 639 code, "und" where there is none) and `language_score`, its probability."""
    found = [identify(text) for text in _texts(batch)]
    return _added(batch, {
        "language": pyarrow.array([language for language, _ in found], pyarrow.string()),
        "language_score": pyarrow.array([score for _, score in found], pyarrow.float64()),
    })  # fmt: skip


def tag_personal(batch: pyarrow.RecordBatch) -> pyarrow.RecordBatch:
    """Adds how many pieces of personal data of each kind there are: `personal_email`, …, int64."""
    rows = [count_personal(find_personal(text)) for text in _texts(batch)]
    return _added(batch, {f"personal_{kind}": pyarrow.array([row[kind] for row in rows], pyarrow.int64())
                          for kind in PLACEHOLDERS})  # fmt: skip


def tag_abuse(batch: pyarrow.RecordBatch) -> pyarrow.RecordBatch:
    """Adds `spam` and `toxicity`, 0 to 1, after `tag_language`: both read the same n-grams. No preset filters by
    toxicity."""
    spam, toxicity = [], []
    for text, language in zip(_texts(batch), batch.column("language").to_pylist(), strict=True):
        ngrams = features(text, BITS)
        spam.append(spam_score(text, ngrams))
        toxicity.append(toxicity_score(text, language, ngrams))
    return _added(batch, {"spam": pyarrow.array(spam, pyarrow.float64()),
                          "toxicity": pyarrow.array(toxicity, pyarrow.float64())})  # fmt: skip


def tag_form(batch: pyarrow.RecordBatch) -> pyarrow.RecordBatch:
    """Adds `form`, 0 to 1: the mean of five plain signs of connected prose, for sorting and for mixtures.

    Enough words (full at 200), lines that end as sentences do, words with letters, little repetition, no spam. It
    assumes no language, and is a page's `quality` where no person has judged any.
    """
    columns = {name: batch.column(name).to_pylist() for name in
               ("words", "line_end_share", "alphabetic_word_share", "duplicate_5gram", "spam")}  # fmt: skip
    scores = [
        (min(words / 200, 1) + ends + letters + max(0.0, 1 - 3 * repeated) + 1 - spam) / 5
        for words, ends, letters, repeated, spam in zip(*columns.values(), strict=True)
    ]
    return _added(batch, {"form": pyarrow.array([round(score, 4) for score in scores], pyarrow.float64())})


def _texts(batch: pyarrow.RecordBatch) -> list[str]:
    return batch.column("text").to_pylist()


def _added(batch: pyarrow.RecordBatch, columns: dict[str, pyarrow.Array]) -> pyarrow.RecordBatch:
    names = [*batch.schema.names, *columns]
    return pyarrow.RecordBatch.from_arrays([*batch.columns, *columns.values()], names=names)
