"""How much island: counts for each size. `laptop` is what a model of four million parameters learns in ten minutes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class IslandSize:
    """Counts of things to invent, pages to write and questions to ask."""

    people: int
    relations_per_person: int
    places: int
    creatures: int
    dishes: int
    trades: int
    asked_share: float  # of the facts; the others are only told
    statements_asked: int  # times a fact that is asked about is told, own page included
    statements_unasked: int
    statements_number: int  # times more that a year is told: digit by digit it is the hardest to keep
    asks_on_pages: int  # wordings of an asked fact on the pages, and as many more in the chats
    asks_in_chats: float
    mixed_facts: int  # facts on one letter, newspaper, diary or almanac page
    quiz_questions: int  # questions on one quiz page
    readers: int  # pages about fresh names
    problems: int  # word problems on pages
    problems_per_page: int
    drills: int  # workings without a story, to practise sums
    tales: int
    chat_problems: int
    chat_open_book: int
    chat_small_talk: int
    exam_rows: int
    faults: float  # multiplies the planted faults


SIZES = {
    "laptop": IslandSize(
        people=160, relations_per_person=7, places=48, creatures=40, dishes=40, trades=40, asked_share=0.5,
        statements_asked=3, statements_unasked=5, statements_number=4, asks_on_pages=4, asks_in_chats=2.0,
        mixed_facts=12, quiz_questions=14,
        readers=260, problems=1000, problems_per_page=9, drills=1900, tales=50,
        chat_problems=1300, chat_open_book=600, chat_small_talk=320, exam_rows=1000, faults=1.0,
    ),
    "tiny": IslandSize(
        people=36, relations_per_person=5, places=10, creatures=6, dishes=6, trades=10, asked_share=0.6,
        statements_asked=3, statements_unasked=4, statements_number=0, asks_on_pages=3, asks_in_chats=1.5,
        mixed_facts=12, quiz_questions=14,
        readers=12, problems=60, problems_per_page=9, drills=160, tales=5,
        chat_problems=60, chat_open_book=30, chat_small_talk=20, exam_rows=40, faults=0.15,
    ),
}  # fmt: skip
