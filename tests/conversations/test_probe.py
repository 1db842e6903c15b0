from __future__ import annotations

from types import SimpleNamespace

import pytest

from hornbook.conversations.matching import agrees
from hornbook.conversations.probe import Probed, missed_questions, probe
from hornbook.conversations.refusals import REFUSALS, is_refusal


class Parrot:
    """An engine that knows one thing, and says it when greedy or when its seed is even."""

    def __init__(self):
        self.asked = []

    def generate(self, requests):
        self.asked += requests
        return [SimpleNamespace(text=self.say(request)) for request in requests]

    def say(self, request):
        question = request.messages[0]["content"]
        return "Mara lives in Port Ellery." if "Mara" in question else "Bren lives in Marby."


def test_the_probe_tells_what_is_known_from_what_is_not():
    engine = Parrot()
    asked = [
        ("Where does Mara live?", "Mara lives in Port Ellery.", "/mara"),
        ("Where does Bren live?", "Bren lives in Sella.", "/bren"),
    ]
    known, missed = probe(engine, asked, samples=2, seed=3)
    assert (known.knows, known.share, missed.knows, missed.share) == (True, 1.0, False, 0.0)
    assert len(engine.asked) == 6
    assert [request.sampling.temperature for request in engine.asked[:3]] == [0.0, 0.7, 0.7]
    assert len({request.sampling.seed for request in engine.asked}) == 6
    assert known.said == ("Mara lives in Port Ellery.",) * 3


def test_what_is_answered_in_other_words_is_not_missed():
    answer = "Bren lives in Sella."
    probed = [
        Probed("Where does Bren live?", answer, "/bren", ("No.",), 0.0),
        Probed("Bren's home?", answer, "/bren", ("In Sella.",), 1.0),
        Probed("What is Bren's trade?", "Bren is a miller.", "/bren", ("No.",), 0.0),
        Probed("Where does Hild live?", "Hild lives in Sella.", "/hild", ("No.",), 0.0),
    ]
    assert missed_questions(probed) == {"What is Bren's trade?", "Where does Hild live?"}


@pytest.mark.parametrize(("answer", "said", "right"), [
    ("She lives in Port Ellery.", "In Port Ellery, I think.", True),
    ("She lives in Port Ellery.", "In Port Marby.", False),
    ("She lives in Port Ellery.", "I don't know whether it is Port Ellery.", False),
    ("She is a basket weaver.", "a weaver of wool", True),
    ("She is a basket weaver.", "a miller", False),
    ("She lives in Marby.", "Gladly. (Page: Marby)", False),
])  # fmt: skip
def test_probe_grading(answer, said, right):
    assert agrees("Where does she live, and as what?", answer, said) is right


@pytest.mark.parametrize("text", [*REFUSALS, "I do not know who that is.", "Sorry, I couldn\u2019t find that.",
                                  "I've never heard of her."])
def test_refusals_are_seen(text):
    assert is_refusal(text)


@pytest.mark.parametrize("text", ["Mara Tolly lives in Port Ellery.", "Gladly. She knows Bren.", "", "No.",
                                  "She was afraid of the sea.", "Working: 3 + 4 = 7. Answer: 7."])
def test_answers_are_no_refusals(text):
    assert not is_refusal(text)
