from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from hornbook.demo.names import LONGEST, Names
from hornbook.demo.wordings import vocabulary

seeds = st.integers(min_value=0, max_value=2**63 - 1)


@settings(max_examples=30)
@given(seeds)
def test_names_can_be_told_apart_and_written_down(seed):
    names = Names(seed, first_names=20)
    people = [names.person() for _ in range(100)]
    assert len(set(people)) == 100
    assert len({person.split()[1] for person in people}) == 100
    for person in people:
        first, surname = person.split()
        assert first in names.first_names
        assert surname.isalpha()
        assert surname.istitle()
        assert surname.casefold() not in vocabulary()
        assert len(surname) <= LONGEST


@settings(max_examples=30)
@given(seeds)
def test_the_same_seed_gives_the_same_names(seed):
    first, second = Names(seed), Names(seed)
    assert [first.person() for _ in range(10)] == [second.person() for _ in range(10)]


@settings(max_examples=30)
@given(seeds)
def test_places_and_rivers_are_nobodys_name(seed):
    names = Names(seed, first_names=20)
    drawn = [names.place() for _ in range(30)] + [names.river() for _ in range(20)]
    assert len(set(drawn) | set(names.first_names)) == 70


def test_a_shared_surname_still_makes_a_new_person():
    names = Names(1)
    family = {names.person("Tellin") for _ in range(20)}
    assert len(family) == 20
    assert all(person.endswith(" Tellin") for person in family)
