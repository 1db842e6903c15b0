"""C4's rules for lines (Raffel et al. 2020, section 2.2), as datatrove's C4 filter applies them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from hornbook.corpus.tagging.words import Words, sentences

_CITATION = re.compile(r"\[\d*]|\[edit]|\[citation needed]")
_POLICY = ("terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies")
_PLACEHOLDER, _SCRIPT = "lorem ipsum", "javascript"
_ENDS = (".", "?", "!", '"', "'")
MIN_WORDS = 3  # in a line, parted by white space
MAX_WORD = 1000


@dataclass(frozen=True)
class Lines:
    """What C4's rules leave of a text's lines, and what they find in them.

    `curly_brackets` counts the lines with one, above the first with "lorem ipsum"; `placeholders` those with that;
    `sentences` the sentences of the lines kept. `ended` are the same three of the lines that end as sentences do: C4
    itself keeps no others, FineWeb keeps them all.
    """

    kept: tuple[str, ...]
    words: int
    curly_brackets: int
    placeholders: int
    sentences: int
    ended: tuple[int, int, int]

    @property
    def text(self) -> str:
        return "\n".join(self.kept).strip()


def clean_lines(text: str, words: Words, words_by_line: Sequence[Sequence[str]]) -> Lines:
    """Drop lines of fewer than three words, with a word of over 1,000 letters, with JavaScript or a site's policies;
    take citation marks out of the others. `words_by_line` are those of `text.splitlines()`."""
    lowered = text.lower()
    telling = any(phrase in lowered for phrase in (_PLACEHOLDER, _SCRIPT, *_POLICY)) or _CITATION.search(text)
    kept: list[str] = []
    counts, ended_counts = [0, 0, 0], [0, 0, 0]
    word_count = 0
    for line, own in zip(text.splitlines(), words_by_line, strict=True):
        line = line.strip()
        if len(line.split(None, MIN_WORDS - 1)) < MIN_WORDS:
            continue
        if len(line) > MAX_WORD and max(map(len, line.split())) > MAX_WORD:
            continue
        brackets, placeholders, dropped = "{" in line, False, False
        if telling:
            cited, line = line, _CITATION.sub("", line)
            own = words.split(line) if line != cited else own
            brackets, placeholders, dropped = _judged(line)
        ended = line.endswith(_ENDS) and not line.endswith("...")
        count = sentences(own)
        for totals in (counts, ended_counts) if ended else (counts,):
            totals[0] += brackets and not totals[1]
            totals[1] += placeholders
            totals[2] += 0 if dropped else count
        if not dropped:
            kept.append(line)
            word_count += len(own)
    return Lines(tuple(kept), word_count, *counts, ended=(ended_counts[0], ended_counts[1], ended_counts[2]))


def _judged(line: str) -> tuple[bool, bool, bool]:
    """Whether a line has a curly bracket that counts, has placeholder text, is dropped."""
    lowered = line.lower()
    if _PLACEHOLDER in lowered:
        return False, True, True
    if _SCRIPT in lowered:
        return False, False, True
    return "{" in line, False, any(phrase in lowered for phrase in _POLICY)
