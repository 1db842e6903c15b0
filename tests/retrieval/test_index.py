from __future__ import annotations

import asyncio

import pytest

from hornbook.core.errors import DamagedError, InputError
from hornbook.retrieval import Index, Passage
from hornbook.retrieval.index import ranked

FIRST, LAST = ("Edda", "Tomas", "Mara", "Ivo"), ("Rowan", "Vell", "Tolly", "Ashe")
PEOPLE = [f"{first} {last}" for first in FIRST for last in LAST]
PLACES = ["Port Ellery", "Marrow Point", "Saltmere", "the old mill"]


@pytest.fixture(scope="module")
def index(tmp_path_factory) -> Index:
    passages = [
        Passage(name, f"https://isle.example/{number}", f"{name} was born in {1900 + number} and lives in "
                f"{PLACES[number % 4]}. {name.split()[0]} keeps bees and mends café chairs.", "Life")
        for number, name in enumerate(PEOPLE)
    ]  # fmt: skip
    return Index.build(tmp_path_factory.mktemp("index"), passages)


def test_the_page_of_the_one_asked_about_comes_first(index):
    for number, name in enumerate(PEOPLE):
        hits = index.search(f"Where does {name} live?", 3)
        assert (hits[0].title, hits[0].url) == (name, f"https://isle.example/{number}")
        assert hits[0].score > hits[1].score >= hits[2].score > 0
        assert hits[0].text.startswith(name)


def test_names_asked_about_count_more_than_other_words():
    def row(number: int, title: str, text: str, score: float) -> dict:
        return {"_rowid": number, "title": title, "url": "u", "text": text, "_score": score}

    rows = [row(0, "Ivo Ashe", "Would you tell the class what his trade is?", 5.0), row(1, "A fair", "Mara came.", 3.0),
            row(2, "Mara Tolly", "She keeps bees.", 2.5), row(3, "A mill", "Mara Tolly came.", 2.6)]  # fmt: skip
    hits = ranked("Would you tell the class what trade Mara Tolly has?", rows, 3)
    assert [hit.title for hit in hits] == ["Mara Tolly", "A mill", "Ivo Ashe"]
    assert [hit.score for hit in hits] == [6.25, 5.2, 5.0]
    assert [hit.title for hit in ranked("what is a mill for?", rows, 1)] == ["Ivo Ashe"]


def test_many_searches_are_as_many_single_ones(index):
    queries = [f"Who is {name}, born in {1900 + number}?" for number, name in enumerate(PEOPLE)]
    expected = [index.search(query, 2) for query in queries]
    assert index.search_many(queries, 2) == expected
    assert asyncio.run(_inside_a_loop(index, queries)) == expected
    assert index.search_many([]) == []


async def _inside_a_loop(index: Index, queries: list[str]):
    return index.search_many(queries, 2)


def test_equal_scores_stand_in_the_order_given(tmp_path):
    same = [Passage(f"Page {number}", "u", "Nothing but bees.") for number in (7, 3, 5)]
    index = Index.build(tmp_path, same)
    assert [hit.title for hit in index.search("bees", 3)] == ["Page 7", "Page 3", "Page 5"]


def test_stems_case_and_accents_are_folded(index):
    assert index.search("CAFE", 1)
    assert index.search("MENDING chair", 1)


def test_words_that_are_nowhere_find_nothing(index):
    assert index.search("zeppelin", 3) == []
    assert index.search("?! ...", 3) == []
    assert index.search('"unclosed AND (OR) body:* ~ ^2', 3) == []


@pytest.mark.parametrize("query", ["", "  \n"])
def test_an_empty_query_is_refused(index, query):
    with pytest.raises(InputError, match="the query is empty"):
        index.search(query)
    with pytest.raises(InputError, match="the query is empty"):
        index.search_many(["bees", query])


def test_opened_again_it_is_the_same(index):
    assert Index(index.folder).search("Mara Tolly", 3) == index.search("Mara Tolly", 3)
    assert Index(index.folder).size == len(PEOPLE)


def test_what_is_missing_empty_or_damaged_is_said_in_a_line(tmp_path, index):
    with pytest.raises(InputError, match="no index of pages here"):
        Index(tmp_path)
    with pytest.raises(InputError, match="no page to index"):
        Index.build(tmp_path / "new", [])
    (tmp_path / "passages.lance").mkdir()
    with pytest.raises(DamagedError, match="not a whole index"):
        Index(tmp_path)
