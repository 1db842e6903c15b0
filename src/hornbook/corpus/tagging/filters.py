"""A filter is a table of named thresholds over columns; changing one never reads a page again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches

import numpy as np
import pyarrow

from hornbook.core.errors import RecipeError
from hornbook.corpus.tagging.language import ALIASES


@dataclass(frozen=True)
class Threshold:
    """`column` must lie between `low` and `high`, both allowed; `reason` is the word for a page where it does not."""

    reason: str
    column: str
    low: float = float("-inf")
    high: float = float("inf")


# Order matters for the reason alone: a page keeps the first one that refuses it.
_BROKEN = (
    Threshold("garbled", "garbled_share", high=0.004),
    Threshold("garbled", "control_share", high=0.001),
    Threshold("spam", "spam", high=0.5),
    Threshold("boilerplate", "notice_share", high=0.35),
)
_ENGLISH = "few stop words"
# The published values, each table with the verdicts of the filter that datatrove names so, reasons in its order.
_DUPLICATES = (
    Threshold("repeated paragraphs", "duplicate_paragraph_share", high=0.30),
    Threshold("text in repeated paragraphs", "duplicate_paragraph_characters", high=0.20),
    Threshold("repeated lines", "duplicate_line_share", high=0.30),
    Threshold("text in repeated lines", "duplicate_line_characters", high=0.20),
)
_DUPLICATE_NGRAMS = tuple(
    Threshold(f"repeated {n}-grams", f"duplicate_{n}gram", high=limit)
    for n, limit in zip(range(5, 11), (0.15, 0.14, 0.13, 0.12, 0.11, 0.10), strict=True)
)
GOPHER_REPETITION = (  # Rae et al. 2021, table A1
    *_DUPLICATES,
    Threshold("one 2-gram", "top_2gram", high=0.20),
    Threshold("one 3-gram", "top_3gram", high=0.18),
    Threshold("one 4-gram", "top_4gram", high=0.16),
    *_DUPLICATE_NGRAMS,
)
GOPHER_QUALITY = (
    Threshold("thin", "words", low=50),
    Threshold("long", "words", high=100_000),
    Threshold("short words", "mean_word_length", low=3),
    Threshold("long words", "mean_word_length", high=10),
    Threshold("hash signs", "hash_ratio", high=0.1),
    Threshold("ellipses", "ellipsis_ratio", high=0.1),
    Threshold("mostly a list", "bullet_line_share", high=0.9),
    Threshold("lines that trail off", "ellipsis_line_share", high=0.3),
    Threshold("few words with letters", "alphabetic_word_share", low=0.8),
    Threshold(_ENGLISH, "stop_words", low=2),
)
C4 = (  # Raffel et al. 2020, section 2.2: of lines that end as sentences do
    Threshold("curly bracket", "ended_curly_brackets", high=0),
    Threshold("placeholder text", "ended_placeholders", high=0),
    Threshold("few sentences", "ended_sentences", low=5),
)
C4_ALL_LINES = (  # as FineWeb has it
    Threshold("curly bracket", "curly_brackets", high=0),
    Threshold("placeholder text", "placeholders", high=0),
    Threshold("few sentences", "sentences", low=5),
)
FINEWEB = (  # Penedo et al. 2024, section 3.5
    Threshold("lines without an end", "line_end_share", low=0.12),
    Threshold("short lines", "short_line_share", high=0.67),
    Threshold("characters in repeated lines", "repeated_line_characters", high=0.01),
    Threshold("line breaks", "newline_ratio", high=0.3),
)
PRESETS: dict[str, tuple[Threshold, ...]] = {
    # FineWeb's pipeline, in its order and no more; its own rules read what C4's rules leave of the lines.
    "web": (
        *GOPHER_REPETITION, *GOPHER_QUALITY, *C4_ALL_LINES,
        *(replace(rule, column=f"clean_{rule.column}") for rule in FINEWEB),
    ),
    # Code, short lines, lists, tables and repeated wordings are no faults of a manual or an exercise book.
    "docs": (
        *_BROKEN,
        Threshold("thin", "words", low=30),
        Threshold("long", "words", high=200_000),
        Threshold("long words", "mean_word_length", high=14),
        Threshold("lines that trail off", "ellipsis_line_share", high=0.5),
        Threshold("few words with letters", "alphabetic_word_share", low=0.02),
        Threshold("repeated lines", "duplicate_line_share", high=0.6),
        Threshold("repeated paragraphs", "duplicate_paragraph_share", high=0.5),
        Threshold("repeated 10-grams", "duplicate_10gram", high=0.5),
        Threshold("line breaks", "newline_ratio", high=0.8),
        Threshold("placeholder text", "placeholders", high=0),
    ),
    # For a small language: nothing that knows English words, Latin script or European punctuation. The most frequent
    # n-gram is left out, since three long words can be a fifth of a short page.
    "language": (
        *_BROKEN,
        Threshold("thin", "words", low=15),
        Threshold("mostly a list", "bullet_line_share", high=0.95),
        *_DUPLICATES,
        *_DUPLICATE_NGRAMS,
        Threshold("placeholder text", "placeholders", high=0),
    ),
}  # fmt: skip
LANGUAGE_SCORE = {"web": 0.65, "docs": 0.4, "language": 0.3}


def thresholds(
    preset: str, changes: Mapping[str, tuple[float | None, float | None]] | None = None
) -> tuple[Threshold, ...]:
    """A preset's table with the bounds of some columns changed, or columns added: {"words": (100, None)}.

    Raises RecipeError for a column there is none of.
    """
    from hornbook.corpus.tagging.tags import NUMBERS

    table = list(PRESETS[preset])
    for column, (low, high) in (changes or {}).items():
        if column not in NUMBERS:
            near = get_close_matches(column, NUMBERS, n=1)
            meant = f"did you mean {near[0]}? " if near else ""
            fix = f"{meant}there are: {', '.join(NUMBERS)}"
            raise RecipeError(f"there is no column {column!r} to filter by", fix=fix)
        reason = next((entry.reason for entry in table if entry.column == column), column.replace("_", " "))
        table = [entry for entry in table if entry.column != column]
        if low is not None or high is not None:
            table.append(Threshold(reason, column, -np.inf if low is None else low, np.inf if high is None else high))
    return tuple(table)


def verdicts(
    table: pyarrow.Table, rules: tuple[Threshold, ...], languages: frozenset[str], language_score: float
) -> tuple[list[str | None], list[str]]:
    """For each row the reason it is refused for, or None, and the detail: the value and the bound it broke.

    `languages` are ISO codes, none for any; what no rule refuses but one of English words may be refused for its
    language.
    """
    reasons: list[str | None] = [None] * table.num_rows
    details = [""] * table.num_rows
    for rule in rules:
        values = table.column(rule.column).to_numpy()
        for row in np.flatnonzero((values < rule.low) | (values > rule.high)):
            if reasons[row] is None:
                bound = f"below {rule.low:g}" if values[row] < rule.low else f"above {rule.high:g}"
                reasons[row], details[row] = rule.reason, f"{rule.column} {values[row]:.4g} {bound}"
    if languages:
        wanted = {ALIASES.get(code, code) for code in languages}
        found, scores = table.column("language").to_pylist(), table.column("language_score").to_pylist()
        for row, (language, score) in enumerate(zip(found, scores, strict=True)):
            if reasons[row] in (None, _ENGLISH) and (language not in wanted or score < language_score):
                reasons[row], details[row] = "language", f"{language} {score:.2f}"
    return reasons, details
