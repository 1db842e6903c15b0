from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hornbook.corpus.tagging.toxicity import ALWAYS, toxicity_score


@pytest.mark.parametrize(
    "text",
    [
        "You are such an idiot, go kill yourself.", "I will find you and kill you.",
        "They are all vermin and should be shot.",
        "What a stupid fucking bitch.", "You f*cking moron, you sh1t.", "Shut up, a$$hole.",
        "All of them deserve to die.",
        "you worthless pathetic loser",
    ],
)  # fmt: skip
def test_abuse_scores_high(text: str) -> None:
    assert toxicity_score(text) > 0.5


@pytest.mark.parametrize(
    "text",
    [
        "Kill the process, then its children die and the zombie is reaped.", "The complete idiot's guide to Python.",
        "The bitch had six puppies in her litter.", "The bastard sword of the king hung on the wall.",
        "Offa's Dyke is an earth wall.",
        "The farmer's pigs and monkeys are animals.", "You should execute the master; the slave follows.",
        "Garbage collection of dirty pages.",
        "He was a dumb witness, and they fed the pig.", "Scunthorpe, Essex, analysis and cockpit are assessed.",
        "You can shoot photographs of them.", "Faggots and peas are eaten with gravy.",
        "The fool in King Lear speaks wisely.", "",
    ],
)  # fmt: skip
def test_innocent_words_score_low(text: str) -> None:
    assert toxicity_score(text) < 0.2


def test_a_long_text_is_not_judged_by_one_word() -> None:
    prose = "The harbour is old and the boats are blue. " * 50
    assert toxicity_score(prose + "Oh shit, he said.") < 0.1
    assert toxicity_score(prose) == 0


def test_other_languages_score_nothing() -> None:
    assert toxicity_score("You are an idiot, you fucking bastard.", "da") == 0
    assert toxicity_score("Dette fag er kort.", "da") == 0


@given(st.text(max_size=200), st.sampled_from(ALWAYS[1.0].split()))
def test_a_score_is_a_share(text: str, word: str) -> None:
    assert 0 <= toxicity_score(text) <= 1
    assert toxicity_score(f"{word} {word} {word} {word}") > 0.5
