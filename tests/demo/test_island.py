"""The island as a whole: the same for a seed, as large as promised, and no exam gives itself away."""

from __future__ import annotations

import filecmp
import re
from collections import Counter

import pytest

from hornbook.core.jsonl import read_jsonl
from hornbook.demo import exams, write_island
from hornbook.demo.problems import LARGEST
from hornbook.demo.sizes import SIZES
from hornbook.demo.wordings import RELATIONS, relation
from hornbook.demo.world import make_world
from hornbook.evaluation.exams import read_exams


@pytest.fixture(scope="module")
def papers(laptop):
    rows = exams.fact_exams(laptop.stream("exams"), laptop.world, laptop.questions, 1000, "http://site")
    return rows | {"math": exams.math_rows(laptop.exam_problems)}


@pytest.fixture(scope="module")
def training(laptop):
    """Every text a model may learn from, a line each: pages and chats."""
    chats = [message["content"] for row in laptop.chats for message in row["messages"]]
    return [line for text in [page.text for page in laptop.pages] + chats for line in text.split("\n")]


def test_counts(laptop):
    world = laptop.world
    assert len(laptop.pages) >= 1000
    assert len({page.path for page in laptop.pages}) == len(laptop.pages)
    assert len({page.title for page in laptop.pages if page.kind == "people"}) == len(world.people) == 160
    assert len(world.asked) >= 700
    assert len(world.unasked) >= 700
    assert 200_000 < sum(len(page.text.split()) for page in laptop.pages) < 420_000


def test_every_fact_is_told_on_its_own_page_and_elsewhere(laptop):
    own = Counter()
    for page in laptop.pages:
        for fact in laptop.world.of(page.title) or laptop.world.of(page.title[0].lower() + page.title[1:]):
            own[fact.key] += page.text.count(fact.value)
    everything = "\n".join(page.text for page in laptop.pages)
    assert min(own[fact.key] for fact in laptop.world.facts) >= 2
    for fact in laptop.world.facts[::40]:
        told = sum(fact.said(words) in everything for words in relation(fact.relation).statements)
        assert told >= (3 if fact.asked else 4)


def test_every_exam_has_a_thousand_questions(papers):
    assert {kind: len(rows) for kind, rows in papers.items()} == dict.fromkeys(
        ("qa", "wording", "unasked", "absent", "math"), 1000
    )
    for rows in papers.values():
        assert len({row["question"] for row in rows}) == len(rows)


def test_no_exam_question_is_in_the_training_text(papers, training):
    # A question begins its line, on a page and in a chat, and has no more than three sentences.
    begins = set()
    for line in training:
        sentences = re.split(r"(?<=[.?!]) ", line.casefold())
        begins |= {" ".join(sentences[:count]) for count in range(1, 6)}
    for rows in papers.values():
        assert not {row["question"].casefold() for row in rows} & begins


def test_no_fact_is_examined_twice_before_each_was_once(laptop, papers):
    for kind, facts in (("qa", laptop.world.asked), ("wording", laptop.world.asked), ("unasked", laptop.world.unasked)):
        times = Counter(row["pair"] for row in papers[kind])
        assert set(times) == {fact.key for fact in facts}
        assert max(times.values()) == 2


def test_unasked_facts_are_asked_nowhere(laptop, training):
    lines = [line for line in training if "?" in line or line.startswith(("Please", "I ", "Tell", "My ", "Say"))]
    by_name = {}
    for line in lines:
        for first, surname in re.findall(r"\b([A-Z][a-z]+) ([A-Z][a-z]+)", line):
            by_name.setdefault(f"{first} {surname}", []).append(line)
    people = set(laptop.world.people)
    for fact in laptop.world.unasked:
        if fact.entity not in people:
            continue
        words = relation(fact.relation)
        asked = [fact.said(wording) for wording in (*words.questions, *words.framed, *words.held_out)]
        for line in by_name.get(fact.entity, []):
            assert not any(question in line for question in asked), line


def test_held_out_wordings_are_used_nowhere(training):
    text = "\n".join(training)
    for name in RELATIONS:
        for wording in relation(name).held_out:
            longest = max(re.split(r"\{[nN]ame\}", wording), key=len).strip()
            found = re.search(
                re.escape(wording).replace(r"\{name\}", "[^\n?.]{2,40}").replace(r"\{Name\}", "[^\n?.]{2,40}"), text
            ) if longest in text else None
            assert found is None, wording


def test_seen_exam_wordings_were_asked_of_others_and_not_of_this_fact(laptop):
    trained = {}
    own_page = [ask for asks in laptop.questions.own_page.values() for ask in asks]
    for ask in [*own_page, *laptop.questions.quizzes, *laptop.questions.chats]:
        trained.setdefault(ask.wording, set()).add(ask.fact.key)
    for ask in laptop.questions.exam_seen:
        assert trained[ask.wording] - {ask.fact.key}
        assert ask.fact.key not in trained[ask.wording]
    for fact in laptop.world.asked[::20]:
        assert sum(fact.key in keys for keys in trained.values()) == 6


def test_absent_people_are_nowhere(laptop, training, papers):
    words = {word for line in training for word in re.findall(r"\w+", line)}
    for row in papers["absent"]:
        names = re.findall(rf"\b(?:{'|'.join(laptop.world.names.first_names)}) ([A-Z][a-z]+)", row["question"])
        assert len(names) >= 1
        assert not words & set(names)


def test_problems_are_right_and_small_and_an_exam_has_its_own(laptop):
    problems = laptop.problems.made
    assert len(problems) >= 3000 + 1000
    exam = {problem.key for problem in laptop.exam_problems}
    assert len(exam) == 1000
    assert not exam & {problem.key for problem in problems[len(laptop.exam_problems) :]}
    for problem in problems:
        for a, sign, b, result in re.findall(r"(\d+) ([-+x]) (\d+) = (\d+)\.", problem.working):
            assert {"+": int(a) + int(b), "-": int(a) - int(b), "x": int(a) * int(b)}[sign] == int(result)
            assert int(result) <= LARGEST
        assert problem.working.endswith(f"= {problem.answer}.")


def test_choices_hold_the_right_value_once(papers):
    for row in papers["unasked"]:
        assert len(set(row["choices"])) == 4
        assert row["answers"][0] in row["choices"]


def test_chats_are_marked_and_mixed(laptop):
    assert all(row["simulated"] and row["origin"] == "import" for row in laptop.chats)
    facts = [row["messages"][1]["content"] for row in laptop.chats if row["kind"] == "fact"]
    assert sum("(Page: " in text for text in facts) / len(facts) == pytest.approx(0.35, abs=0.04)
    sums = [row["messages"][1]["content"] for row in laptop.chats if row["kind"] == "problem"]
    assert sum(text.startswith("Answer:") for text in sums) / len(sums) == pytest.approx(0.7, abs=0.05)
    opened = [row["messages"] for row in laptop.chats if row["kind"] == "open_book"]
    assert all(messages[0]["role"] == "system" for messages in opened)


def test_the_same_seed_writes_the_same_bytes_and_another_does_not(tmp_path):
    for name, seed in (("a", 4), ("b", 4), ("c", 5)):
        write_island(tmp_path / name, seed, "tiny")
    files = [path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*") if path.is_file()]
    assert len(files) > 150
    _, different, missing = filecmp.cmpfiles(tmp_path / "a", tmp_path / "b", files, shallow=False)
    assert not different
    assert not missing
    people = [{row["entity"] for row in read_jsonl(tmp_path / name / "truth" / "facts.jsonl")} for name in "ac"]
    assert not people[0] & people[1]


def test_exams_are_read_by_the_room_that_sets_them(tiny):
    folder, island, _ = tiny
    questions = read_exams(sorted((folder / "exams").glob("*.jsonl")))
    assert Counter(question.kind for question in questions)["absent"] == island.size.exam_rows
    assert all(row["kind"] == "practice" for row in read_jsonl(folder / "practice.jsonl"))


def test_islands_of_other_seeds_do_as_well():
    world = make_world(11, SIZES["laptop"])
    assert len(world.asked) >= 700
    assert len(world.unasked) >= 700
