"""The published filters' verdicts, each for itself and in FineWeb's order, with datatrove 0.10 as the oracle."""

from __future__ import annotations

from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hornbook.corpus.extraction.plain import plain_text
from hornbook.corpus.tagging.filters import C4, FINEWEB, GOPHER_QUALITY, GOPHER_REPETITION, PRESETS
from hornbook.corpus.tagging.statistics import COLUMNS, statistics

pytest.importorskip("datatrove")
pytest.importorskip("spacy")
fineweb = pytest.importorskip("benchmarks.corpus.fineweb")
OURS = {"gopher_repetition": GOPHER_REPETITION, "gopher_quality": GOPHER_QUALITY, "c4": C4, "fineweb": FINEWEB}
PROSE = (
    "The harbour of Mell was built by a mason who lived there with her sister. It has a long wall of grey stone, and "
    "in the winter the boats are drawn up behind it. Fish are sold on the quay each morning, and people come from the "
    "hills to buy them. Nobody remembers when the lamp was first lit, but it has burned ever since. Who knows? Not we!"
)
LINES = [
    PROSE, PROSE[:200], "Short line", "- a bullet", "• another bullet", "And so on ...", "And so on…", "", "", "   ",
    "We use cookies on this site.", "Please enable JavaScript now.", "A { bracket } of code.", "if (x) { return; }",
    "Lorem ipsum dolor sit amet.", "lorem ipsum without an end", "A fact[12] that is cited[citation needed].",
    "[1] [2] [3]", "java[1]script is joined by a citation.", "x" * 1001 + " one two three.", "### # # heading",
    "word " * 30,
    "他们每天早上出海。晚上卖鱼。", "हिन्दी में लिखा है।", "Ελληνικά γράμματα.", "1 2 3 4 5 6 7 8 9 10.", "\x0c", "\x85",
    "a b c d e f g h i j", "ab c d e f g h i j k", "Tab\tand\u2028separator.", "_ __ ___ ~ = +", "۔ ؟ ।",
]  # fmt: skip
PAGES = st.lists(st.sampled_from(LINES) | st.text(max_size=40), min_size=1, max_size=14)
TEXTS = st.builds(str.join, st.sampled_from(["\n", "\n\n", "\n\n\n", " ", "\r\n"]), PAGES)


@pytest.fixture(scope="module")
def filters():
    return fineweb.Filters(fineweb.our_words())


def compare(filters, text: str) -> None:
    row = statistics(text)
    for name, step in filters.each.items():
        assert fineweb.our_verdicts(OURS[name], [row]) == [fineweb.their_verdict([step], text)], name
    assert fineweb.our_verdicts(PRESETS["web"], [row]) == [fineweb.their_verdict(filters.pipeline, text)]


@settings(max_examples=400)
@given(text=TEXTS.filter(bool))
def test_any_text(filters, text: str) -> None:
    compare(filters, text)


@pytest.mark.parametrize("line", LINES)
def test_a_good_page_with_one_more_line(filters, line: str) -> None:
    for count in (1, 4, 40):
        compare(filters, f"{PROSE}\n\n{PROSE[::-1]}\n" + f"{line}\n" * count)


def test_real_pages(filters) -> None:
    from benchmarks.texts import pages

    from hornbook.corpus.extraction.extract import extract

    bodies = [body for _, body, media in islice(pages(), 200) if media == "text/html" and len(body) < 50_000]
    if not bodies:
        pytest.skip("no documentation here")
    for body in bodies[::10]:
        compare(filters, plain_text(extract(body, "text/html").text) or " ")


def test_a_text_of_nothing() -> None:
    assert statistics("") == dict.fromkeys(COLUMNS, 0.0)
    assert fineweb.our_verdicts(PRESETS["web"], [statistics("")]) == ["thin"]
