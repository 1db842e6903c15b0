from __future__ import annotations

import random
import re

import pytest
from benchmarks import webspam
from hypothesis import given, settings
from hypothesis import strategies as st

from hornbook.corpus.tagging.spam import BITS, WEIGHTS, classifier, phrase_score, spam_score
from hornbook.demo import rubbish

PROSE = (
    "The harbour of the village was built of stone in the last century, and the boats that lie in it are painted blue. "
    "Every morning the fishermen walk down to the water, mend what the storm has torn, and speak about the price of "
    "herring. In the evening they sit in the inn by the church, and the old ones tell how it was before the road came."
)
MANUAL = (
    "The function returns a list of all matches. If the flag is set, an empty match is allowed after another match; "
    "otherwise it raises an error. Order now matters: call it first, then read the result. See also the section on "
    "memory. The default is free of charge on most systems, and 100% of the tests pass. Click here for the index."
)


@pytest.mark.parametrize("kind", webspam.KINDS)
def test_web_spam_is_refused(kind: str) -> None:
    pages = [webspam.spam_page(random.Random(f"test {kind} {seed}"), kind) for seed in range(60)]
    assert sum(spam_score(page) > 0.5 for page in pages) >= 54


def test_all_spam_of_the_demo_is_refused() -> None:
    for seed in range(300):
        page = re.sub(r"<[^>]*>", " ", "\n".join(rubbish.spam_page(random.Random(f"demo {seed}"))))
        assert spam_score(page) > 0.5, page


@pytest.mark.parametrize(
    "text",
    [
        PROSE, MANUAL, "", "Welcome!", "Coming soon.", "Loading...", "No entries yet.",
        "The casino of the island is a small house where old men play poker for shells.",
        "Die Fischer der Insel fahren jeden Morgen hinaus, und abends verkaufen sie ihren Fang auf dem Markt.",
        "老人與海的故事，講述了一位漁夫。", "Αλιεία και ναυσιπλοΐα στο νησί.",
        "Add to basket. Free delivery on orders over 50 pounds. Size 42, black leather. Returns within 30 days.",
    ],
)  # fmt: skip
def test_what_is_no_spam_stays(text: str) -> None:
    assert spam_score(text) <= 0.5


def test_pages_of_other_languages_stay() -> None:
    for number in range(40):
        _, page = rubbish.foreign_page(random.Random(number), number, ["Kanak"])
        assert spam_score(re.sub(r"<[^>]*>", " ", page)) < 0.5


def test_the_weights_are_small_and_in_the_package() -> None:
    assert WEIGHTS.stat().st_size <= 300_000
    assert classifier().bits == BITS


@settings(max_examples=60)
@given(st.text(max_size=300))
def test_a_score_is_a_share_and_the_higher_of_both(text: str) -> None:
    both = (phrase_score(text), classifier().scores([text])[0])
    assert spam_score(text) == round(max(both), 4)
    assert 0 <= min(both) <= max(both) <= 1
