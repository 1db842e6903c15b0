from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from hornbook.conversations.invent import KnownWords, NameMaker, subject

NAMES = ["Mara Tolly", "Bren Oake", "Port Ellery", "Port Marby", "Port Sella", "Isle of Dorn", "marsh hopper", "Tolla"]
TEXTS = ["Mara Tolly of Port Ellery met Bren Oake.", "The marsh hopper lives on the Isle of Dorn near Port Marby."]


@given(st.integers(0, 2**32), st.sampled_from(NAMES))
def test_an_invented_name_stands_in_no_text(seed, like):
    known = KnownWords(TEXTS)
    made = NameMaker(NAMES, known).name(like, Random(seed))
    assert not any(made.lower() in text.lower() for text in TEXTS)
    assert len(made.split()) == len(like.split())
    assert made[:1].isupper() == like[:1].isupper()


@given(st.lists(st.text("abc ", min_size=1, max_size=12), max_size=6), st.text("abc ", min_size=1, max_size=6))
def test_texts_with_never_misses_a_phrase(texts, phrase):
    words = phrase.split()
    holding = sum(f" {' '.join(words)} " in f" {' '.join(text.split())} " for text in texts)
    if words:
        assert KnownWords(texts).texts_with(phrase) >= holding


def test_a_poor_chain_still_makes_something_new():
    known = KnownWords(["aa aa Aa"])
    maker = NameMaker(["Aa"], known)
    assert len({maker.name("Aa", Random(seed)) for seed in range(20)} & {"Aa"}) == 0


def test_same_seed_same_name():
    maker = NameMaker(NAMES, KnownWords(TEXTS))
    assert [maker.name("Mara Tolly", Random(7)) for _ in range(3)] == [maker.name("Mara Tolly", Random(7))] * 3


def test_subject_is_the_title_where_the_question_has_it():
    assert subject("What does the marsh hopper eat?", "The Marsh Hopper") == "marsh hopper"
    assert subject("Where was Mara Tolly born?", "Mara Tolly | The Almanac") == "Mara Tolly"
    assert subject("Where was Mara Tolly born?", "Quiz, sheet 3") == "Mara Tolly"
    assert subject("why is it so?", "Quiz") is None


def test_subject_is_the_name_that_the_answer_has_as_well():
    answer = "Mara Tolly was born in Port Ellery."
    assert subject("May I ask where Mara Tolly was born?", "Quiz", answer) == "Mara Tolly"
    assert subject("Birthplace of Mara Tolly?", "Quiz", answer) == "Mara Tolly"
    assert subject("Mara Tolly was born where?", "Quiz", answer) == "Mara Tolly"
    assert subject("May I ask where Mara Tolly was born?", "Quiz", "She was born in Port Ellery.") == "Mara Tolly"
    assert subject("Year of Mara Tolly?", "Quiz", "The year is 1950.") == "Year of Mara Tolly"


def test_parts_of_names_come_again_as_often_as_they_do_among_real_names():
    names = [f"{first} Tol{number}" for number, first in enumerate(["Mara", "Bren", "Odo"] * 10)]
    maker, random = NameMaker(names, KnownWords(names)), Random(3)
    made = [maker.name("Mara Tol1", random).split() for _ in range(200)]
    assert all(first in ("Mara", "Bren", "Odo") for first, _ in made)
    assert not {last for _, last in made} & {name.split()[1] for name in names}
