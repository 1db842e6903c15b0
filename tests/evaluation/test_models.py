"""Figures that need a model, against the same sums made by hand with a tiny random one."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch

from hornbook.conversations.from_pages import draw_page
from hornbook.conversations.page import fits, with_passages
from hornbook.core.errors import InputError
from hornbook.evaluation.base import heldout_figures, known_figures, samples
from hornbook.evaluation.bits_per_byte import bits, bits_per_byte
from hornbook.evaluation.chat import COMPARED, closed_figures, open_figures, rival_figures
from hornbook.evaluation.drawn import agrees_with_page, drawn_exam
from hornbook.evaluation.exams import Question
from hornbook.evaluation.few_shot import few_shot
from hornbook.evaluation.likelihood import choose
from hornbook.evaluation.sheet import Sheet
from hornbook.evaluation.tasks import MultipleChoice, share
from hornbook.inference.engine import Engine
from hornbook.inference.requests import Request, Sampling
from hornbook.models.config import TransformerConfig
from hornbook.models.transformer import Transformer
from hornbook.retrieval.index import Hit
from hornbook.tokens.tokenizer import Tokenizer

PAGE = """# Mara Tolly

Mara Tolly lives in Port Ellery. Her friend is Bren.

### Where does Mara Tolly live?

In Port Ellery.
"""
DOCUMENTS = [
    {"url": f"http://a/{n}", "title": f"Mara {n}", "text": PAGE + f"\nThe number is {n}.\n" * 3} for n in range(12)
]
WINDOW = 32
CHOICES = ("Port Ellery", "Marby")


@pytest.fixture(scope="module")
def engine() -> Engine:
    tokenizer = Tokenizer.train([str(row["text"]) for row in DOCUMENTS] * 3, 300)
    config = TransformerConfig(
        vocab_size=tokenizer.vocab_size, hidden_size=32, intermediate_size=48, num_hidden_layers=2,
        num_attention_heads=2, num_key_value_heads=1, head_dim=16, max_position_embeddings=256,
    )
    model = Transformer(config, seed=3)
    with torch.no_grad():  # away from the zero initial projections, so that order and context matter
        for parameter in model.parameters():
            if parameter.ndim == 2:
                parameter.add_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)) * 0.1)
    return Engine(model, tokenizer)


def by_hand(engine: Engine, ids: list[int]) -> np.ndarray:
    """-log2 p of each token but the first, by one pass a prefix."""
    found = []
    for place in range(1, len(ids)):
        with torch.no_grad():
            logits_V = engine.model(torch.tensor([ids[:place]]))[0, -1]
        found.append(-float(torch.log_softmax(logits_V.double(), -1)[ids[place]]) / math.log(2))
    return np.array(found)


def test_bits_equal_those_made_by_hand(engine):
    texts = ["Mara lives in Port Ellery.", "é", ""]
    documents = [[*engine.tokenizer.encode(text), engine.tokenizer.end_of_document] for text in texts]
    first = math.log2(engine.model.config.vocab_size)
    expected = [first + by_hand(engine, ids).sum() for ids in documents]
    assert bits(engine, documents, window=64) == pytest.approx(expected, rel=1e-5)
    size = sum(len(text.encode()) for text in texts)
    assert bits_per_byte(engine, documents, texts, window=64) == pytest.approx(sum(expected) / size, rel=1e-5)
    assert bits(engine, [[]], window=8) == pytest.approx([0.0])


def test_a_long_document_is_charged_once_a_token_in_overlapping_pieces(engine):
    ids = engine.tokenizer.encode(PAGE * 2)[:75]
    expected, end = math.log2(engine.model.config.vocab_size), WINDOW
    expected += by_hand(engine, ids[:WINDOW]).sum()
    while end < len(ids):
        after = min(end + WINDOW // 2, len(ids))
        expected += by_hand(engine, ids[after - WINDOW : after])[-(after - end) :].sum()
        end = after
    assert bits(engine, [ids], window=WINDOW) == pytest.approx([expected], rel=1e-5)


def test_the_likeliest_choice_is_the_one_made_by_hand(engine, monkeypatch):
    monkeypatch.setattr("hornbook.evaluation.likelihood.own_words", lambda engine, requests: ["", "she lives in"])
    options = ["Marby", "Port Ellery", "a house"]
    requests = [Request(messages=[{"role": "user", "content": "who?"}])] * 2
    prompt = engine.ticket(requests[0]).prompt
    encoded = [engine.tokenizer.encode(option) for option in options]
    whole = [by_hand(engine, [*prompt, *ids])[len(prompt) - 1 :].sum() for ids in encoded]
    stem = engine.tokenizer.encode("she lives in")
    after = []
    for option in options:
        ids = engine.tokenizer.encode(f"she lives in {option}")
        assert ids[: len(stem)] == stem
        after.append(by_hand(engine, [*prompt, *ids])[len(prompt) + len(stem) - 1 :].sum())
    assert choose(engine, requests, [options] * 2) == [int(np.argmin(whole)), int(np.argmin(after))]


def test_multiple_choice_needs_choices(engine):
    question = Question("q", "unasked", "Who?", answers=("Mara",))
    with pytest.raises(InputError, match="no choices"):
        MultipleChoice([question], lambda item: Request(ids=[1])).run(engine)


def test_chance_and_share():
    items = [Question("q", "u", "?", ("a",), ("a", "b", "c", "d")), Question("r", "u", "?", ("a",), ("a", "b"))]
    assert MultipleChoice(items, lambda item: Request(ids=[1])).chance == 0.375
    assert share([True, 0.5, False, False]).value == 0.375


def test_few_shot_asks_in_the_pages_own_form(engine):
    drawn = draw_page(PAGE, "Mara Tolly", "u")[1]
    ask = few_shot(drawn, engine.tokenizer, shots=1, max_tokens=5, window=256, seed=0)
    request = ask(Question("q", "qa", "Who is Bren?", answers=("x",)))
    assert engine.tokenizer.decode(request.ids) == (
        "### Where does Mara Tolly live?\n\nIn Port Ellery.\n\n### Who is Bren?\n\n"
    )
    assert request.sampling.stop == ("\n",)
    ask = few_shot([], engine.tokenizer, shots=4, max_tokens=5, window=256, seed=0)
    plain = ask(Question("q", "qa", "Who?", answers=("x",)))
    assert engine.tokenizer.decode(plain.ids) == "Q: Who?\nA:"


def test_few_shot_gives_up_examples_before_the_question(engine):
    drawn = [item for n in range(3) for item in draw_page(PAGE.replace("Mara", f"Mara{n}"), "t", "u")[1]]

    def asked(words: int) -> tuple[int, Request]:
        ask = few_shot(drawn, engine.tokenizer, shots=2, max_tokens=5, window=256, seed=0)
        request = ask(Question("q", "qa", "Who " + "or who " * words + "is Bren?", answers=("x",)))
        return engine.tokenizer.decode(request.ids).count("In Port Ellery."), request

    shots = {asked(words)[0] for words in range(0, 60, 4) if fits(engine, asked(words)[1])}
    assert shots == {2, 1, 0}, "every question that fits alone is asked, with what examples it leaves room for"
    alone = next(words for words in range(100) if asked(words)[0] == 0)
    assert fits(engine, asked(alone)[1])
    assert not fits(engine, asked(200)[1])


def exam() -> list[Question]:
    return [
        *(Question(f"qa-{n}", "qa", "Where does Mara live?", ("Port Ellery",), page="http://a/1") for n in range(5)),
        *(Question(f"u-{n}", "unasked", "Where does Mara Tolly live?", ("Port Ellery",), CHOICES, page="http://a/2")
          for n in range(4)),
        *(Question(f"a-{n}", "absent", "Where does Zorn live?", refuse=True) for n in range(3)),
    ]


def test_every_figure_of_a_base_model_is_there(engine):
    sheet = Sheet(engine, exam(), DOCUMENTS, max_tokens=4)
    train = [np.array([*engine.tokenizer.encode(str(row["text"])), 0]) for row in DOCUMENTS]
    texts = [str(row["text"]) for row in DOCUMENTS[10:]]
    heldout_figures(sheet, engine, train[:10], train[10:], texts, window=64, seed=0)
    known_figures(sheet, shots=2)
    samples(sheet, train[10:])
    assert sheet.scores["bpb"]["value"] > 0
    low, high = sheet.scores["bpb"]["interval"]
    assert low <= sheet.scores["bpb"]["value"] <= high
    assert {"bpb", "bpb_xz", "bpb_5gram", "qa"} <= set(sheet.scores)
    assert sheet.scores["qa"]["n"] == 5
    assert sum(row["figure"] == "fixed" for row in sheet.answers) == 4 + 2 + 1
    assert sum(row["figure"] == "sample" for row in sheet.answers) == 2
    sheet = Sheet(engine, [], DOCUMENTS)
    heldout_figures(sheet, engine, train, [], [], window=64, seed=0)
    known_figures(sheet, shots=2)
    missing = {name for name, row in sheet.scores.items() if row["value"] is None}
    assert missing == {"bpb", "bpb_xz", "bpb_5gram", "qa"}


def test_every_figure_of_a_chat_model_is_there(engine, tmp_path):
    sheet = Sheet(engine, exam(), DOCUMENTS, max_tokens=4)
    closed_figures(sheet)
    open_figures(sheet, tmp_path / "index", 60)
    rival_figures(sheet, lambda: engine, lambda prompt, answers, rating: [1.0, 1.0])
    assert {name: row.get("n") for name, row in sheet.scores.items()} == {
        "qa": 5, "qa_unasked": 4, "refusal_right": 3, "refusal_wrong": 5, "qa_wording": None, "math": None,
        "qa_open": 4, "search_hit": 4, "qa_change": 5, "rl_length_ratio": 8, "rl_wins": 8,
    }
    assert sheet.scores["search_hit"]["value"] == 1.0
    assert sheet.scores["qa_unasked"]["chance"] == 0.5
    assert (sheet.scores["rl_wins"]["value"], sheet.scores["qa_change"]["value"]) == (0.5, 0.0)
    assert sheet.scores["math"] == {"value": None, "why": "no exam asks for it"}


@pytest.mark.parametrize("choices", [(), ("e", "a")])
def test_what_a_rival_said_before_is_what_it_would_say(engine, choices):
    other, draw = Transformer(engine.model.config, seed=4), torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in other.parameters():
            if parameter.ndim == 2:
                parameter.add_(torch.randn(parameter.shape, generator=draw) * 0.5)
    rival = Engine(other, engine.tokenizer)
    questions = [Question(f"q-{n}", "qa", f"Who is Mara {n}?", ("e", "a"), choices) for n in range(4)]
    questions += [Question(f"a-{n}", "absent", f"Where is Zorn {n}?", refuse=True) for n in range(4)]
    before = Sheet(rival, questions, DOCUMENTS, max_tokens=4)
    closed_figures(before)
    said = {row["question"]: row["said"] for row in before.answers if row["figure"] in COMPARED}

    def figures(said: dict[str, str], rival: Callable[[], Engine]) -> tuple[dict, list[dict]]:
        sheet = Sheet(engine, questions, DOCUMENTS, max_tokens=4)
        closed_figures(sheet)
        rival_figures(sheet, rival, lambda prompt, answers, rating: [len(answer) for answer in answers], said)
        return sheet.scores, sheet.answers

    asked = figures({}, lambda: rival)
    assert asked[0]["rl_length_ratio"]["n"] == len(said) == 8
    assert len({row["rival"] for row in asked[1] if row["figure"] == "rl_wins"}) > 3
    assert figures(said, lambda: rival) == asked
    assert figures({"Where is Zorn 1?": said["Where is Zorn 1?"]}, lambda: rival) == asked
    if not choices:
        assert figures(said, lambda: pytest.fail("asked again")) == asked


def test_without_exams_one_is_drawn_from_the_pages():
    asked = "### Where does Ona{n} Berrel live?\n\nIn Port Ell{n}.\n"
    rows = [{"url": f"http://a/{n}", "title": f"Ona{n} Berrel", "text": asked.format(n=n)} for n in range(100)]
    questions = drawn_exam(rows, most=50, seed=0)
    drawn = [item for item in questions if item.kind == "drawn"]
    assert 1 <= len(drawn) <= 20
    assert all(item.page and item.answers[0].startswith("In Port") for item in drawn)
    absent = [item for item in questions if item.refuse]
    assert len(absent) == len(drawn)
    assert len(questions) == len(drawn) + len(absent)
    text = " ".join(str(row["text"]) for row in rows)
    assert not any(item.question.removeprefix("Where does ").removesuffix(" live?") in text for item in absent)


def test_headings_are_asked_about_with_their_page_alone(engine, tmp_path):
    rows = [{"url": f"http://a/{n}", "title": f"Guide {n}",
             "text": f"## Blue door {n}\n\nIt leads to hall {n}. Halls are wide.\n"} for n in range(100)]  # fmt: skip
    questions = drawn_exam(rows, most=3, seed=0)
    assert [item.kind for item in questions] == ["heading"] * 3
    assert all(item.answers[0].startswith("It leads to hall") and not item.refuse for item in questions)
    sheet = Sheet(engine, questions, rows, agrees_with_page, max_tokens=4)
    closed_figures(sheet)
    open_figures(sheet, tmp_path / "index", 60)
    assert sheet.scores["qa_open"]["n"] == 3
    assert sheet.scores["search_hit"]["value"] == 1.0
    assert {row["figure"] for row in sheet.answers} == {"qa_open"}


def test_what_does_not_fit_the_window_is_not_asked(engine):
    long = Question("q", "qa", "Where is it? " * 200, ("Marby",))
    sheet = Sheet(engine, [long, *exam()], DOCUMENTS, max_tokens=4)
    closed_figures(sheet)
    assert sheet.scores["qa"]["n"] == 6
    assert next(row for row in sheet.answers if row["id"] == "q")["said"] == ""


def test_pages_are_laid_before_the_model_and_cut_until_they_fit(engine):
    sampling, user = Sampling(max_tokens=4), [{"role": "user", "content": "Where?"}]

    def laid(*texts: str, question: list[dict] = user) -> Request | None:
        hits = [Hit(f"Mara {n}", f"u{n}", text, 1.0) for n, text in enumerate(texts)]
        return with_passages(engine, question, hits, sampling)

    short = laid("Port Ellery.", "It is far.")
    assert list(short.messages) == [{"role": "system", "content": "Mara 0\nPort Ellery. It is far."}, *user]
    long = laid("Port Ellery " * 400)
    assert fits(engine, long)
    assert len(long.messages[0]["content"]) > 200
    assert laid() is None
    assert laid("") is None
    assert laid("Port Ellery " * 400, question=[{"role": "user", "content": "Where is it? " * 20}]) is None
