from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hornbook.corpus.tagging.toxicity import ALWAYS, BITS, WEIGHTS, classifier, toxicity_score, word_score


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
    assert word_score(text) < 0.2


PROSE = (  # one word tells less of a page than of a line
    "The harbour of the village was built of stone in the last century, and the boats that lie in it are painted blue. "
    "Every morning the fishermen walk down to the water, mend what the storm has torn, and speak about the price of "
    "herring. In the evening they sit in the inn by the church, and the old ones tell how it was before the road came. "
)
PAGES = [
    "Kill the process with signal nine when it does not answer, then its children die and the zombie is reaped by "
    "init. A dirty page is written back before; garbage collection runs later, and the master tells the slaves.",
    "The complete idiot's guide to gardening has a chapter on weeds and one on slugs. It says when to sow, when to cut "
    "the roses, and how a lawn survives a dry summer. My neighbour, who knows more than I do, likes the pictures best.",
    "She is a Muslim lawyer from a black family in Leeds; her brother, who is gay, teaches Jewish history at the "
    "school in our street. Both of them came to dinner on Sunday, and we talked about the election and their garden.",
    "The breeder told us that the bitch had six puppies in her litter, and that two of them would be shown next "
    "spring. Pigs and monkeys are kept on the farm as well. The dyke behind the house was raised after the flood.",
]  # fmt: skip


@pytest.mark.parametrize("text", PAGES)
def test_pages_of_innocent_words_stay(text: str) -> None:
    assert toxicity_score(PROSE + text) <= 0.5


@pytest.mark.parametrize(
    "text",
    [
        "Go back to your hole, pathetic little man, everybody here is sick of your lies.",
        "What a bunch of morons. Only a brainless clown could believe such rubbish, and you do.",
        "These people are scum and this whole town of losers would be better off without them.",
    ],
)  # fmt: skip
def test_the_classifier_knows_abuse(text: str) -> None:
    assert classifier().scores([text])[0] > 0.5


def test_the_weights_are_small_and_in_the_package() -> None:
    assert WEIGHTS.stat().st_size <= 300_000
    assert classifier().bits == BITS


def test_a_long_text_is_not_judged_by_one_word() -> None:
    prose = "The harbour is old and the boats are blue. " * 50
    assert word_score(prose + "Oh shit, he said.") < 0.1
    assert word_score(prose) == 0
    assert toxicity_score(prose) < toxicity_score(prose + "Oh shit, he said.") < 0.5


def test_other_languages_score_nothing() -> None:
    assert toxicity_score("You are an idiot, you fucking bastard.", "da") == 0
    assert toxicity_score("Dette fag er kort.", "da") == 0


@given(st.text(max_size=200), st.sampled_from(ALWAYS[1.0].split()))
def test_a_score_is_a_share(text: str, word: str) -> None:
    both = (word_score(text), classifier().scores([text])[0])
    assert toxicity_score(text) == round(max(both), 4)
    assert 0 <= min(both) <= max(both) <= 1
    assert toxicity_score(f"{word} {word} {word} {word}") > 0.5
