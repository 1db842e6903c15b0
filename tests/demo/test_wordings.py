from __future__ import annotations

import re

import pytest

from hornbook.demo.wordings import RELATIONS, fill, relation, values, with_article


@pytest.mark.parametrize("name", RELATIONS)
def test_every_relation_has_words_enough(name):
    words = relation(name)
    assert len(words.statements) >= 20
    assert len(words.questions) + len(words.framed) >= 24
    assert len(words.held_out) == 6
    everything = [*words.questions, *words.framed, *words.held_out]
    assert len({wording.casefold() for wording in everything}) == len(everything)
    assert not set(words.held_out) & (set(words.questions) | set(words.framed))


@pytest.mark.parametrize("name", RELATIONS)
def test_templates_hold_the_slots_they_need_and_no_other(name):
    words = relation(name)
    for told in (*words.statements, *words.answers):
        assert re.search(r"\{[nN]ame\}", told)
        assert re.search(r"\{(a_)?value\}", told)
    for asked in (*words.questions, *words.framed, *words.held_out):
        assert set(re.findall(r"\{\w+\}", asked)) <= {"{name}", "{Name}"}
        assert "{name}" in asked.lower()
        assert asked[-1] in "?."
    for wording in (*words.statements, *words.questions, *words.framed, *words.held_out):
        assert "{" not in fill(wording, "Ona Tellin", "baker")


def test_no_question_is_asked_of_two_relations():
    every = []
    for words in map(relation, RELATIONS):
        every += [*words.questions, *words.framed, *words.held_out]
    assert len(set(every)) == len(every)


@pytest.mark.parametrize(
    "name", ["trades", "instruments", "festivals", "products", "foods", "habitats", "spices", "dish_stuffs"]
)
def test_no_value_contains_another(name):
    listed = values(name)
    assert len(set(listed)) == len(listed)
    for value in listed:
        inside = [other for other in listed if other != value and re.search(rf"\b{re.escape(other)}\b", value)]
        assert not inside, value


def test_articles():
    assert with_article("innkeeper") == "an innkeeper"
    assert with_article("red owl") == "a red owl"
