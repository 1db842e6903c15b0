from __future__ import annotations

import json
import random
import re
from pathlib import Path

import pytest

from hornbook.core.errors import InputError
from hornbook.corpus.tagging.judgements import (
    LEAST,
    Judgement,
    gather_judgements,
    learn_judgements,
    load_judge,
    read_judgements,
    save_judge,
)

GOOD = "a proof explains why the angle of the circle equals half of its arc because the lines are equal"
BAD = "click here for more photos of the stars and their new shoes in our shop of the week"


def some(rng: random.Random, words: str, count: int) -> str:
    return " ".join(rng.choices(words.split(), k=count))


def pages(count: int, seed: int = 0) -> dict[str, str]:
    """Half of them worth reading, and those only have "p" in their id."""
    rng = random.Random(seed)
    return {f"{'pn'[number % 2]}{number:03d}": some(rng, (GOOD, BAD)[number % 2], 40) for number in range(count)}


def judged(count: int, seed: int = 0) -> list[Judgement]:
    labels = {"p": 5.0, "n": 1.0}
    return [Judgement(page, text, labels[page[0]], "me", "") for page, text in pages(count, seed).items()]


def test_what_a_person_likes_is_learnt() -> None:
    model, agreement = learn_judgements(judged(100))
    assert agreement.judgements == 100
    assert agreement.share > 0.95
    assert agreement.kappa > 0.9
    assert agreement.correlation > 0.8
    scores = model.scores(list(pages(40, seed=5).values()))
    assert min(scores[::2]) > max(scores[1::2])


def test_judgements_without_sense_agree_with_nothing() -> None:
    rng = random.Random(3)
    senseless = [Judgement(str(number), some(rng, f"{GOOD} {BAD}", 40), rng.choice((0.0, 5.0)), "", "")
                 for number in range(120)]  # fmt: skip
    _, agreement = learn_judgements(senseless)
    assert abs(agreement.kappa) < 0.3


def test_labels_from_0_to_5_are_learnt_as_degrees() -> None:
    rng = random.Random(1)
    shares = [number % 6 for number in range(150)]
    graded = [Judgement(str(number), some(rng, GOOD, 12 * share) + " " + some(rng, BAD, 60 - 12 * share),
                        float(share), "", "") for number, share in enumerate(shares)]  # fmt: skip
    model, agreement = learn_judgements(graded)
    assert agreement.correlation > 0.8
    poor, fair, good = (sum(model.scores([row.text for row in graded if row.label == label])) for label in (0, 3, 5))
    assert poor < fair < good


def test_too_few_or_one_sided_judgements_are_refused() -> None:
    with pytest.raises(InputError, match="49 judgements"):
        learn_judgements(judged(LEAST - 1))
    with pytest.raises(InputError, match="80 of them good"):
        learn_judgements([row for row in judged(160) if row.label == 5])


def test_a_judge_comes_back_from_its_folder(tmp_path) -> None:
    model, agreement = learn_judgements(judged(60))
    save_judge(tmp_path, model, agreement)
    kept = list(pages(10, seed=2).values())
    assert load_judge(tmp_path)(kept) == pytest.approx(model.scores(kept), abs=0.02)
    assert json.loads((tmp_path / "judge.json").read_text())["judgements"] == 60


def test_files_of_judgements(tmp_path) -> None:
    path = tmp_path / "judged.jsonl"
    path.write_text('{"id": "a", "text": "x", "label": "good", "judge": "me", "time": "now"}\n'
                    '{"id": "b", "text": "y", "label": 2}\n{"id": "a", "text": "x", "label": "0"}\n')  # fmt: skip
    assert [(row.id, row.label) for row in read_judgements(path)] == [("a", 0), ("b", 2)]
    for bad in ('{"id": "a", "text": "x", "label": 6}', '{"id": "a", "text": "x", "label": "fine"}',
                '{"id": "a", "text": "x", "label": true}', '{"id": "a", "text": "x"}',
                '{"id": 1, "text": "x", "label": 1}',
                '{"id": "a", "label": 1}', '{"id": "a", "text": "x", "label": [1]}'):  # fmt: skip
        path.write_text('{"id": "a", "text": "x", "label": 1}\n' + bad + "\n")
        with pytest.raises(InputError, match="judgement 2"):
            read_judgements(path)


class Person:
    """Answers by the rule, and remembers what was asked."""

    def __init__(self, ends_after: int = 10**6):
        self.asked: list[str] = []
        self.ends_after = ends_after

    def __call__(self, text: str, done: int, count: int) -> str | None:
        if len(self.asked) == self.ends_after:
            return None
        self.asked.append(text)
        return "good" if "proof" in text or "angle" in text else "1"


def test_judging_goes_on_where_it_ended(tmp_path) -> None:
    path, every = tmp_path / "judged.jsonl", pages(300)
    first = Person(ends_after=23)
    assert gather_judgements(every, path, first, judge="me", count=80) == 23
    assert len(path.read_text().splitlines()) == 23
    second = Person()
    assert gather_judgements(every, path, second, judge="me", count=80) == 80
    assert not {*first.asked} & {*second.asked}
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert {row["judge"] for row in rows} == {"me"}
    assert all(every[row["id"]] == row["text"] and re.match(r"\d{4}-", row["time"]) for row in rows)
    assert gather_judgements(every, path, second, judge="me", count=80) == 80
    learn_judgements(read_judgements(path))


def test_half_of_the_pages_are_those_the_model_is_unsure_of(tmp_path) -> None:
    every = pages(160)
    rng = random.Random(9)
    mixed = {f"m{number}": some(rng, GOOD, 20) + " " + some(rng, BAD, 20) for number in range(40)}
    middle, asked = {*mixed.values()}, []

    def ask(text: str, done: int, count: int) -> str:
        asked.append(text)
        return rng.choice(("good", "bad")) if text in middle else "good" if "proof" in text else "bad"

    gather_judgements(every | mixed, tmp_path / "judged.jsonl", ask, judge="me", count=100)
    before, after = asked[:LEAST], asked[LEAST:]
    assert sum(text in middle for text in after) > 1.4 * sum(text in middle for text in before)


def test_a_page_may_be_passed_over_and_all_pages_may_be_judged(tmp_path) -> None:
    every = pages(12)
    answers = iter(["", "3", *["good"] * 20])
    asked = []

    def ask(text: str, done: int, count: int) -> str | None:
        asked.append(text)
        return next(answers)

    assert gather_judgements(every, tmp_path / "judged.jsonl", ask, judge="me", count=50) == 11
    assert len(asked) == len({*asked}) == 12


def test_a_wrong_answer_is_said_and_not_kept(tmp_path) -> None:
    with pytest.raises(InputError, match="no label"):
        gather_judgements(pages(3), tmp_path / "judged.jsonl", lambda *_: "maybe", judge="me")
    assert not Path(tmp_path / "judged.jsonl").exists()
