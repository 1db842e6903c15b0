from __future__ import annotations

from random import Random

import pytest

from hornbook.conversations.from_pages import draw, draw_page
from hornbook.conversations.invent import KnownWords, NameMaker
from hornbook.conversations.open_book import headed, opened, renamed
from hornbook.conversations.values import contains, key_values, names_in

PAGE = """# Mara Tolly

Mara Tolly is a baker in Port Ellery. She was born in 1243. Her house has blue windows.

## Asked and answered

### Where does Mara Tolly live?

Mara Tolly lives in Port Ellery.

### Can you tell me when Mara Tolly was born?

Mara Tolly was born in 1243.

- Who bakes here?
- Mara Tolly bakes.

**Q: Who is her friend?** A: Bren Oake.

Q: I would like to know where Bren lives.
A: Bren lives in Marby.

Bren has 3 apples. Mara gives Bren 4 more. How many apples has Bren? Working: 3 + 4 = 7. Answer: 7.

## History

Bread came late. Why did it come at all? Nobody knows. It was so. It is so. It will be so.

```
# What is a comment?
It is no heading.
```

| What is a table? | Nothing |

- **Rye**: a dark grain of the hills

Tide
: The rise and fall of the sea.
"""


def test_everything_a_page_asks_is_drawn_exactly():
    drawn = [(item.kind, item.question, item.answer, item.form) for item in draw_page(PAGE, "Mara Tolly", "http://a/m")[1]]
    assert drawn == [
        ("asked", "Where does Mara Tolly live?", "Mara Tolly lives in Port Ellery.", "### {question}\n\n{answer}\n\n"),
        ("asked", "Can you tell me when Mara Tolly was born?", "Mara Tolly was born in 1243.",
         "### {question}\n\n{answer}\n\n"),
        ("asked", "Who bakes here?", "Mara Tolly bakes.", "- {question}\n- {answer}\n\n"),
        ("asked", "Who is her friend?", "Bren Oake.", "Q: {question}\nA: {answer}\n\n"),
        ("asked", "I would like to know where Bren lives.", "Bren lives in Marby.", "Q: {question}\nA: {answer}\n\n"),
        ("exercise", "Bren has 3 apples. Mara gives Bren 4 more. How many apples has Bren?",
         "Working: 3 + 4 = 7. Answer: 7.", "{question} {answer}\n"),
        ("definition", "What is Rye?", "Rye: a dark grain of the hills", ""),
        ("definition", "What is Tide?", "Tide: The rise and fall of the sea.", ""),
        ("definition", "Who is Mara Tolly?",
         "Mara Tolly is a baker in Port Ellery. She was born in 1243. Her house has blue windows.", ""),
        ("about", "Tell me about History.",
         "Bread came late. Why did it come at all? Nobody knows. It was so. It is so. It will be so.", ""),
    ]


def test_prose_is_the_page_without_what_it_asks():
    prose = draw_page(PAGE, "Mara Tolly", "u")[0].prose
    assert prose[:2] == ("Mara Tolly is a baker in Port Ellery.", "She was born in 1243.")
    assert not any("lives in Port Ellery" in sentence or "apples" in sentence for sentence in prose)
    assert not any("comment" in sentence or "table" in sentence for sentence in prose)


def test_a_page_without_questions_is_only_told_about():
    drawn = draw_page("Some words stand here under no heading at all.", "Words", "u")[1]
    assert [(item.kind, item.question) for item in drawn] == [("about", "Tell me about Words.")]
    assert draw_page("", "Words", "u")[1] == []


def test_a_question_without_an_answer_is_not_drawn():
    assert not [item for item in draw_page("## Who?\n\n## What?\n\nWhy?\n", "T", "u")[1] if item.kind == "asked"]
    chapter = "## Who was that man?\n\n" + "word " * 300
    assert not [item for item in draw_page(chapter, "T", "u")[1] if item.kind == "asked"]


def test_draw_reads_rows_in_order():
    rows = [{"url": f"http://a/{n}", "title": None, "text": f"## Who is {n} then?\n\nIt is {n}."} for n in range(3)]
    assert [page.url for page, _ in draw(rows)] == ["http://a/0", "http://a/1", "http://a/2"]


def test_names_and_values():
    assert names_in("Where did Mara Tolly’s aunt, Old Bren of the Hill, live in Port Ellery?") == [
        "Mara Tolly", "Old Bren of the Hill", "Port Ellery",
    ]
    assert key_values("When was it built?", "It was built in 1,243, by Bren. (Page: The Bridge 7)") == ["Bren", "1,243"]
    assert key_values("What does the hopper eat?", "The hopper eats silver moss.") == ["eats", "silver", "moss"]


def drawn_home():
    return next(item for item in draw_page(PAGE, "Mara Tolly", "u")[1] if item.question.startswith("Where does"))


def test_an_open_page_holds_the_answer_and_keeps_to_its_length():
    for seed in range(20):
        asked = opened(drawn_home(), [], 12, Random(seed), in_all=99)
        assert asked is not None
        assert "Port Ellery" in asked.passage
        assert len(asked.passage.split()) <= 12
        assert asked.title == "Mara Tolly"
    assert opened(drawn_home(), [], 3, Random(0), in_all=99) is None  # the sentence itself is longer


def test_what_stands_under_a_heading_is_told_from_its_page():
    """Where the sentence has no word of the heading it begins the passage, for only its place says what it is about."""
    drawn = draw_page(PAGE + "\n## The mill\n\nThe mill is shut. It was built late.\n", "Mara Tolly", "u")[1]
    history, mill = (next(item for item in drawn if name in item.question) for name in ("History", "mill"))
    wordings, passages = set(), set()
    for seed in range(40):
        told = headed(history, 12, Random(seed))
        assert told is not None
        assert told.passage.startswith("Bread came late.")
        assert len(told.passage.split()) <= 12
        ((question, answer),) = told.asked
        assert "History" in question
        assert answer == "Bread came late."
        wordings.add(question)
        found = headed(mill, 12, Random(seed))
        assert found is not None
        assert found.asked[0][1] == "The mill is shut."
        assert "The mill is shut." in found.passage
        passages.add(found.passage.startswith("The mill is shut."))
    assert len(wordings) > 5
    assert passages == {True, False}
    assert headed(history, 2, Random(0)) is None  # the sentence itself is longer


def test_what_the_passage_answers_as_well_is_asked_after():
    asked = [item for item in draw_page(PAGE, "Mara Tolly", "u")[1] if item.kind == "asked"]
    whole = opened(asked[0], asked, 60, Random(0), in_all=200)
    assert whole is not None
    questions = [question for question, _ in whole.asked]
    assert questions[0] == "Where does Mara Tolly live?"
    assert "Can you tell me when Mara Tolly was born?" in questions
    assert "Who is her friend?" not in questions  # nothing in the prose tells it
    short = opened(asked[0], asked, 60, Random(0), in_all=20)
    assert short is not None
    assert [question for question, _ in short.asked] == questions[:1]


def test_no_page_is_opened_that_does_not_hold_the_answer():
    drawn = draw_page("# T\n\nSome prose is here.\n\n## Where is Bren?\n\nIn Marby.\n", "T", "u")[1]
    assert opened(next(item for item in drawn if item.kind == "asked"), [], 50, Random(0), in_all=99) is None


def test_renaming_is_the_same_everywhere_and_leaves_no_old_name():
    asked = opened(drawn_home(), [], 40, Random(1), in_all=99)
    assert asked is not None
    maker = NameMaker(["Mara Tolly", "Bren Oake", "Port Ellery", "Sella Marsh", "Tolla Berren"], KnownWords([PAGE]))
    for seed in range(30):
        other = renamed(asked, maker, Random(seed))
        question, answer = other.asked[0]
        name = question.removeprefix("Where does ").removesuffix(" live?")
        assert name != "Mara Tolly"
        assert not contains(f"{question} {answer} {other.passage} {other.title}", ["Mara Tolly"])
        assert name in other.passage
        assert other.title == name
        value = key_values(question, answer)
        assert value
        assert all(contains(other.passage, [part]) for part in value)


@pytest.mark.parametrize(("heading", "question"), [
    ("2. The road", "Tell me about The road."),
    ("Chapter 3: Bread", "Tell me about Bread."),
    ("4.2 Salt", "Tell me about Salt."),
    ("(283) SQLITE_NOTICE", "Tell me about SQLITE_NOTICE."),
    ("St. Mary", "Tell me about St. Mary."),
    ("1984", "Tell me about 1984."),
])  # fmt: skip
def test_a_headings_number_is_no_part_of_its_name(heading, question):
    drawn = draw_page(f"## {heading}\n\nSome words stand under it.\n", "", "u")[1]
    assert [item.question for item in drawn] == [question]


def test_a_term_with_its_verb_stays_a_sentence():
    drawn = draw_page("- **A recipe** is one file for a whole run.\n- **Salt**: a white grain of the sea\n", "", "u")[1]
    assert [(item.question, item.answer) for item in drawn] == [
        ("What is a recipe?", "A recipe is one file for a whole run."),
        ("What is Salt?", "Salt: a white grain of the sea"),
    ]


@pytest.mark.parametrize("heading", ["2011-05-19", "R-48563-15053-26384", "3.7.16.31", "Version 3.3.12-4401"])
def test_nobody_asks_about_a_number(heading):
    assert draw_page(f"## {heading}\n\nA patch that mends one thing.\n", "News", "u")[1] == []
