"""What can be counted of a text: the statistics of Gopher, C4 and FineWeb, as columns.

Sources: Rae et al. 2021 (Gopher, arXiv:2112.11446, table A1), Raffel et al. 2020 (C4), Penedo et al. 2024 (FineWeb,
arXiv:2406.17557, section 3.5). Markdown's own signs (heading marks, table bars, fences) are no words of the text and
are set aside before counting; list marks stay, since Gopher counts them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

WORDS_VERSION = 1
_WORDS = re.compile(r"\w+(?:['’.,:-]\w+)*|[^\w\s]")  # version 1 of the word tokeniser: verdicts depend on it
STOP_WORDS = frozenset({"the", "be", "to", "of", "and", "that", "have", "with"})  # Gopher's eight
_MARKS = re.compile(r"^\s*(?:#{1,6}\s+|>\s?|\|)|\|\s*$|```\w*$", re.MULTILINE)
_SEPARATOR = re.compile(r"^\s*[|:\- ]+$", re.MULTILINE)
_BULLET = re.compile(r"\s*(?:[-*•‣●○▪]|\d{1,3}[.)])\s")
_TERMINAL = (".", "!", "?", '"', "'", "”", "’", "…", ":", ";", "。", "！", "？", "؟", "۔", "।", "՞", "։", "።")
_MOJIBAKE = re.compile(r"Ã[\x80-\xbf]|â€[™œ\x9d“”¦˜]|Â[\xa0»«°·©®]|ï¿½|Ð[\x80-\xbf]Ñ|å[\x80-\xbf][\x80-\xbf]")
_GARBLED = re.compile("[\ufffd\x80-\x9f]")  # what could not be decoded, and controls that only wrong decoding brings
SHORT_LINE = 30
# What sites say about themselves on every page; C4 drops lines with some of these (Raffel et al. 2020, section 2.2).
_NOTICE = re.compile(
    r"\b(?:(?:use|uses|using|accept|our|of|manage|all) cookies?|cookie (?:policy|settings|preferences|notice)"
    r"|privacy (?:policy|notice|settings)|terms (?:of (?:use|service)|and conditions)|all rights reserved"
    r"|copyright \W?\d{4}|log ?in|sign (?:in|up|out)|log ?out|register (?:now|here)|create an account|my account"
    r"|forgot (?:your )?password|newsletter|subscribe|follow us|share (?:this|on)|tweet|like us|back to top|skip to"
    r"|read more|learn more|contact us|about us|site ?map|imprint|accessibility|add to (?:cart|basket)"
    r"|checkout|leave a (?:comment|reply)|post a comment|(?:previous|next) (?:post|page)|related (?:posts|articles)"
    r"|page \d+ of \d+|loading\.{3}|please wait|advertisement|sponsored|powered by|print this|send to a friend|rss feed"
    r"|enable (?:javascript|your browser)|javascript is|requires? javascript|select (?:a |your )?language)\b",
    re.IGNORECASE,
)


COLUMNS = (
    "words", "characters", "mean_word_length", "symbol_word_ratio", "bullet_line_share", "ellipsis_line_share",
    "alphabetic_word_share", "stop_words", "stop_word_share", "duplicate_line_share", "duplicate_line_characters",
    "duplicate_paragraph_share", "duplicate_paragraph_characters", "top_2gram", "top_3gram", "top_4gram",
    *(f"duplicate_{n}gram" for n in range(5, 11)), "line_end_share", "short_line_share", "newline_ratio",
    "curly_bracket_share", "lorem_ipsum", "garbled_share", "control_share", "code_share", "notice_share",
)  # fmt: skip


def statistics(markdown: str) -> dict[str, float]:
    """Every column of `COLUMNS` for one text; shares and ratios are 0 to 1, counts are counts."""
    text = plain_text(markdown)
    words = _WORDS.findall(text)
    real = [word for word in words if word[0].isalnum() or len(word) > 1]
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    paragraphs = [part.strip() for part in re.split(r"\n\s*\n", text) if part.strip()]
    characters = max(len(text), 1)
    count, line_count = max(len(real), 1), max(len(lines), 1)
    lower = [word.lower() for word in real]
    stops = Counter(word for word in lower if word in STOP_WORDS)
    line_share, line_characters = _duplicates(lines, characters)
    paragraph_share, paragraph_characters = _duplicates(paragraphs, characters)
    figures: dict[str, float] = {
        "words": len(real),
        "characters": len(text),
        "mean_word_length": sum(map(len, real)) / count,
        "symbol_word_ratio": max(text.count("#"), text.count("...") + text.count("…")) / count,
        "bullet_line_share": sum(_BULLET.match(line) is not None for line in lines) / line_count,
        "ellipsis_line_share": sum(line.endswith(("...", "…")) for line in lines) / line_count,
        "alphabetic_word_share": sum(any(map(str.isalpha, word)) for word in real) / count,
        "stop_words": len(stops),
        "stop_word_share": sum(stops.values()) / count,
        "duplicate_line_share": line_share,
        "duplicate_line_characters": line_characters,
        "duplicate_paragraph_share": paragraph_share,
        "duplicate_paragraph_characters": paragraph_characters,
        "line_end_share": sum(line.endswith(_TERMINAL) for line in lines) / line_count,
        "short_line_share": sum(len(line) <= SHORT_LINE for line in lines) / line_count,
        "newline_ratio": len(lines) / count,
        "curly_bracket_share": (text.count("{") + text.count("}")) / characters,
        "lorem_ipsum": float("lorem ipsum" in text.lower()),
        "garbled_share": (len(_GARBLED.findall(text)) + 2 * len(_MOJIBAKE.findall(text))) / characters,
        "control_share": sum(1 for letter in text if letter < " " and letter not in "\n\t") / characters,
        "notice_share": sum(_NOTICE.search(line) is not None for line in lines) / line_count,
        "code_share": (len(markdown) - len(_without_code(markdown))) / max(len(markdown), 1),
    }
    for n in (2, 3, 4):
        figures[f"top_{n}gram"] = _top_ngram(lower, n) / characters
    for n in range(5, 11):
        figures[f"duplicate_{n}gram"] = _repeated(lower, n) / characters
    return {name: round(float(figures[name]), 6) for name in COLUMNS}


def plain_text(markdown: str) -> str:
    """Markdown without the signs that are no text; what stands in code fences stays."""
    return _SEPARATOR.sub("", _MARKS.sub("", markdown))


def _without_code(markdown: str) -> str:
    return re.sub(r"```.*?```", "", markdown, flags=re.DOTALL)


def _duplicates(parts: Sequence[str], characters: int) -> tuple[float, float]:
    """The share of parts seen before, and of the text's characters in them."""
    seen: set[str] = set()
    repeated = repeated_characters = 0
    for part in parts:
        if part in seen:
            repeated += 1
            repeated_characters += len(part)
        seen.add(part)
    return repeated / max(len(parts), 1), repeated_characters / characters


def _top_ngram(words: Sequence[str], n: int) -> int:
    """Characters in all occurrences of the most frequent n-gram; 0 where none occurs twice."""
    counts = Counter(zip(*(words[start:] for start in range(n)), strict=False))
    best = max(counts.values(), default=0)
    if best < 2:
        return 0
    return best * max(len(" ".join(gram)) for gram, count in counts.items() if count == best)


def _repeated(words: Sequence[str], n: int) -> int:
    """Characters in n-grams seen before, none counted twice."""
    seen: set[tuple[str, ...]] = set()
    grams = list(zip(*(words[start:] for start in range(n)), strict=False))
    repeated = index = 0
    while index < len(grams):
        if grams[index] in seen:
            repeated += sum(map(len, grams[index]))
            index += n
        else:
            seen.add(grams[index])
            index += 1
    return repeated
