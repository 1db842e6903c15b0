"""FineWeb's pipeline by datatrove 0.10's own extractor and filters, with the words it ships or with ours."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow

from benchmarks.results import Absent
from hornbook.corpus.tagging.filters import Threshold, verdicts
from hornbook.corpus.tagging.statistics import statistics
from hornbook.corpus.tagging.words import REGEX

REASONS = {  # datatrove's -> ours
    "dup_para_frac": "repeated paragraphs", "dup_para_char_frac": "text in repeated paragraphs",
    "dup_line_frac": "repeated lines", "dup_line_char_frac": "text in repeated lines",
    **{f"top_{n}_gram": f"one {n}-gram" for n in (2, 3, 4)},
    **{f"duplicated_{n}_n_grams": f"repeated {n}-grams" for n in range(5, 11)},
    "gopher_short_doc": "thin", "gopher_long_doc": "long", "gopher_below_avg_threshold": "short words",
    "gopher_above_avg_threshold": "long words", "gopher_too_many_hashes": "hash signs",
    "gopher_too_many_ellipsis": "ellipses", "gopher_too_many_bullets": "mostly a list",
    "gopher_too_many_end_ellipsis": "lines that trail off", "gopher_below_alpha_threshold": "few words with letters",
    "gopher_enough_stop_words": "few stop words",
    "curly_bracket": "curly bracket", "lorem_ipsum": "placeholder text", "too_few_sentences": "few sentences",
    "empty": "lines without an end", "line_punct_ratio": "lines without an end", "short_line_ratio": "short lines",
    "char_dup_ratio": "characters in repeated lines", "list_ratio": "line breaks",
}  # fmt: skip


class Filters:
    """Datatrove's filters, each with its own thresholds: `each` for itself, `pipeline` in FineWeb's order."""

    def __init__(self, language: Any = "en"):
        try:
            from datatrove.pipeline.filters import (
                C4QualityFilter,
                FineWebQualityFilter,
                GopherQualityFilter,
                GopherRepetitionFilter,
            )
        except ImportError as error:
            raise Absent("pip install 'datatrove==0.10.*' spacy nltk") from error
        repetition = GopherRepetitionFilter(language=language)
        quality = GopherQualityFilter(language=language)
        fineweb = FineWebQualityFilter(language=language)
        self.each = {
            "gopher_repetition": repetition, "gopher_quality": quality,
            "c4": C4QualityFilter(language=language), "fineweb": fineweb,
        }  # fmt: skip
        all_lines = C4QualityFilter(language=language, filter_no_terminal_punct=False)
        self.pipeline = (repetition, quality, all_lines, fineweb)


def their_verdict(steps: Iterable[Any], text: str) -> str | None:
    """Our name of the first rule of datatrove's that refuses the text, None where it is kept."""
    from datatrove.data import Document

    document = Document(text=text, id="")  # C4's rules for lines change it for the filters that follow
    for step in steps:
        answer = step.filter(document)
        if answer is not True:
            return REASONS[answer[1]]
    return None


def our_verdicts(rules: tuple[Threshold, ...], rows: Sequence[dict[str, float]]) -> list[str | None]:
    """The reason for each row of statistics, or None."""
    return verdicts(pyarrow.Table.from_pylist(list(rows)), rules, frozenset(), 0)[0]


def our_rows(texts: Iterable[str]) -> list[dict[str, float]]:
    return [statistics(text) for text in texts]


def our_words() -> Any:
    """Our words as a tokeniser of datatrove's, sentences by spaCy's own sentencizer over the same words.

    Its set of terminal signs is datatrove's, which is spaCy's brought up to date.
    """
    try:
        import spacy
        from datatrove.utils.text import TERMINAL_PUNCTUATION
        from datatrove.utils.word_tokenizers import WordTokenizer
        from spacy.pipeline import Sentencizer
        from spacy.tokens import Doc
    except ImportError as error:
        raise Absent("pip install 'datatrove==0.10.*' spacy nltk") from error
    vocabulary = spacy.blank("en").vocab
    sentencizer = Sentencizer(punct_chars=sorted(TERMINAL_PUNCTUATION))

    class OurWords(WordTokenizer):
        def word_tokenize(self, text: str) -> list[str]:
            return REGEX.split(text)

        def sent_tokenize(self, text: str) -> list[str]:
            return [sentence.text for sentence in self._sentences(text)]

        def span_tokenize(self, text: str) -> list[tuple[int, int]]:
            return [(sentence.start_char, sentence.end_char) for sentence in self._sentences(text)]

        def _sentences(self, text: str) -> list[Any]:
            return list(sentencizer(Doc(vocabulary, words=self.word_tokenize(text))).sents)

    return OurWords()
