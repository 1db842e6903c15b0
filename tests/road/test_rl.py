"""The RL stage end to end on a tiny model that was taught to answer at random, and what a kill leaves of it."""

from __future__ import annotations

import random
from pathlib import Path
from statistics import fmean

import pytest
import torch

from hornbook.conversations.comparisons import comparison
from hornbook.conversations.formats import conversation, exchange
from hornbook.core.jsonl import read_jsonl, write_jsonl
from hornbook.models import Transformer, TransformerConfig, load_model, save_model
from hornbook.pipeline.run import Run
from hornbook.road import rl_preferences, rl_work
from hornbook.road.artifacts import Comparisons, Conversations, Model, RewardModelArtifact
from hornbook.road.reward import RewardConfig, reward
from hornbook.road.rl import RlConfig, rl
from hornbook.tokens.chat import render
from hornbook.tokens.loader import PackedBatches
from hornbook.tokens.tokenizer import Tokenizer
from hornbook.training.fit import fit
from hornbook.training.objectives.next_token import next_token
from hornbook.training.optimiser import Optimiser
from hornbook.training.rollouts import Rollouts
from hornbook.training.schedule import constant

NUMBERS, THINGS = "1234", ["cat", "dog", "hen", "fox", "owl", "eel"]
CONFIG = RlConfig(
    grpo_steps=6, ppo_steps=12, draws=8, group=4, max_tokens=8, window=64, grpo_lr=0.5, ppo_lr=0.3,
    dpo=True, dpo_rows=6,
)  # fmt: skip


def problem(question: str, number: str) -> dict:
    return conversation(exchange(question, f"Answer: {number}."), origin="import", kind="problem")


def question(draw: random.Random) -> dict:
    answer = draw.choice(["yes.", "gladly, yes."])
    return conversation(exchange(f"is the {draw.choice(THINGS)} here?", answer), origin="import", kind="asked")


def given(folder: Path, rows: list[dict]) -> Conversations:
    folder.mkdir(exist_ok=True)
    write_jsonl(folder / "conversations.jsonl", rows)
    absent = exchange("where is the gnu?", "I don't know.")
    write_jsonl(folder / "invented.jsonl", [conversation(absent, origin="page", kind="absent")])
    return Conversations(folder)


@pytest.fixture(scope="module")
def sft(tmp_path_factory: pytest.TempPathFactory) -> Model:
    folder, draw = tmp_path_factory.mktemp("sft"), random.Random(0)
    rows = [problem(f"how many is the {draw.choice(THINGS)}?", draw.choice(NUMBERS)) for _ in range(200)]
    rows += [question(draw) for _ in range(100)]
    texts = [message["content"] for row in rows for message in row["messages"]] * 4
    tokenizer = Tokenizer.train(texts, 300)
    config = TransformerConfig(
        vocab_size=300, hidden_size=32, intermediate_size=64, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=1, head_dim=16, max_position_embeddings=64,
    )  # fmt: skip
    model = Transformer(config)
    rendered = [render(tokenizer, row["messages"]) for row in rows]
    batches = PackedBatches(
        [item.ids for item in rendered], [item.weights for item in rendered], window=64, rows=8, seed=0
    )
    fit(model, batches, next_token, Optimiser(model), constant, folder=None, device="cpu", steps=60)
    save_model(model, folder)
    tokenizer.save(folder)
    probed = {"question": "where is the cat?", "answer": "In Vellport.", "said": ["In Vellport."], "share": 1.0}
    write_jsonl(folder / "probe.jsonl", [probed | {"missed": False}, probed | {"question": "why?", "missed": True}])
    return Model(folder)


@pytest.fixture(scope="module")
def conversations(tmp_path_factory: pytest.TempPathFactory) -> Conversations:
    folder, draw = tmp_path_factory.mktemp("conversations"), random.Random(1)
    rows = [problem(f"how many is the {thing}?", "3") for thing in THINGS]
    return given(folder, [*rows, *(question(draw) for _ in range(5))])


@pytest.fixture(scope="module")
def preferences(tmp_path_factory: pytest.TempPathFactory) -> Comparisons:
    folder = tmp_path_factory.mktemp("preferences")
    rows = [
        comparison(str(index), [{"role": "user", "content": f"is the {thing} here?"}], ["yes.", "gladly, yes."],
                   [[1], [0]], rater="taste", rater_kind="program")
        for index, thing in enumerate(THINGS * 4)
    ]  # fmt: skip
    write_jsonl(folder / "comparisons.jsonl", rows[6:])
    write_jsonl(folder / "heldout.jsonl", rows[:6])
    return Comparisons(folder)


@pytest.fixture(scope="module")
def judge(sft: Model, preferences: Comparisons, tmp_path_factory: pytest.TempPathFactory) -> RewardModelArtifact:
    config = RewardConfig(epochs=4, rows=4, window=64, lr=0.3, max_tokens=8)
    return reward(config, sft, preferences, Run(tmp_path_factory.mktemp("reward"), threads=1))


@pytest.fixture(scope="module")
def whole(sft, judge, conversations, preferences, tmp_path_factory: pytest.TempPathFactory) -> tuple[Model, Run]:
    run = Run(tmp_path_factory.mktemp("whole"), seed=2, threads=1)
    return rl(CONFIG, sft, judge, conversations, preferences, run), run


def metrics(folder: Path, name: str) -> list[dict]:
    return list(read_jsonl(folder / f"metrics-{name}.jsonl"))


def test_both_algorithms_raise_what_they_are_paid_for(whole: tuple[Model, Run]):
    made, run = whole
    grpo, ppo = metrics(made.path, "grpo"), metrics(made.path, "ppo")
    assert [row["step"] for row in grpo] == [1, 2, 3, 4, 5, 6]
    assert grpo[-1]["reward"] > grpo[0]["reward"] + 0.1
    assert grpo[0]["old_kl"] == 0.0
    scores = [row["score"] for row in ppo]
    assert fmean(scores[-4:]) > fmean(scores[:4])
    assert {"kl", "beta", "entropy", "length", "truncated", "value_error"} <= ppo[0].keys()
    assert run.metrics["rl_kl"] > 0
    assert run.counts["tokens"] > 0


def test_the_models_on_the_way_are_kept_and_open_as_they_are(whole: tuple[Model, Run], sft: Model):
    made, _ = whole
    folders = ["", "grpo", "control", "dpo"]
    heads = [load_model(made.path / name).lm_head.weight for name in folders] + [sft.load().lm_head.weight]
    assert all((made.path / name / "tokenizer.json").exists() for name in folders)
    assert not any(torch.equal(heads[i], heads[j]) for i in range(len(heads)) for j in range(i))


def test_dpo_starts_at_ln_2(whole: tuple[Model, Run]):
    first, *_, last = metrics(whole[0].path, "dpo")
    assert first["loss"] == pytest.approx(0.6931, abs=2e-2)  # bf16: the reference was read in other rows
    assert last["loss"] < first["loss"]


def test_samples_are_written_with_what_they_earned(whole: tuple[Model, Run]):
    samples = whole[0].samples()
    assert {row["step"] for row in samples} >= {1, 6}
    assert all(row["prompt"] and "answer" in row and "reward" in row for row in samples)


@pytest.mark.parametrize(("part", "rollout"), [("grpo", 5), ("ppo", 8)])
def test_a_killed_run_goes_on_to_the_same_model(
    part: str, rollout: int, sft, judge, conversations, preferences, whole, tmp_path: Path, monkeypatch
):
    real, count = Rollouts._rollout, 0

    def killed(rollouts: Rollouts):
        nonlocal count
        count += 1
        if count == rollout:
            raise KeyboardInterrupt
        return real(rollouts)

    monkeypatch.setattr(Rollouts, "_rollout", killed)
    with pytest.raises(KeyboardInterrupt):
        rl(CONFIG, sft, judge, conversations, preferences, Run(tmp_path, seed=2, threads=1))
    monkeypatch.undo()
    again = rl(CONFIG, sft, judge, conversations, preferences, Run(tmp_path, seed=2, threads=1))
    assert again.content_digest() == whole[0].content_digest()
    assert [row["step"] for row in metrics(again.path, part)] == [row["step"] for row in metrics(whole[0].path, part)]


def test_without_a_problem_grpo_is_left_out_with_a_warning(sft, judge, preferences, tmp_path: Path):
    conversations = given(tmp_path / "given", [question(random.Random(0))])
    run = Run(tmp_path / "run", threads=1)
    config = CONFIG.model_copy(update={"ppo_steps": 2, "dpo": False})
    made = rl(config, sft, judge, conversations, preferences, run)
    assert "GRPO is left out" in run.warnings[0]
    assert not (made.path / "grpo").exists()


def test_where_no_answer_is_better_grpo_says_so_calmly(sft, judge, preferences, tmp_path: Path):
    conversations = given(tmp_path / "given", [problem("say 1", "999999")])
    run = Run(tmp_path / "run", threads=1)
    config = CONFIG.model_copy(update={"ppo_steps": 0, "dpo": False, "control": False})
    rl(config, sft, judge, conversations, preferences, run)
    assert run.warnings == []
    assert run.notes[0].startswith("GRPO is done after 0 of 6 steps: answers to each problem all earn the same")


def test_what_the_pages_tell_is_known_by_its_prompt(tmp_path: Path):
    rows = [
        conversation(exchange("where is the cat?", "In Vellport."), origin="page", kind="asked"),
        conversation(exchange("how are you?", "Well."), origin="import", kind="talk"),
    ]
    told = rl_preferences.references(given(tmp_path, rows))
    assert told == {("where is the cat?",): "In Vellport.", ("where is the gnu?",): "I don't know."}


def test_samples_are_told_as_people_read_them(whole: tuple[Model, Run]):
    for part in ("grpo", "ppo"):
        rows = list(read_jsonl(whole[0].path / f"samples-{part}.jsonl"))
        assert all(row["prompt"].startswith("user: ") and "assistant" not in row["prompt"] for row in rows)


def test_problems_are_the_conversations_own_or_those_of_a_file(sft: Model, tmp_path: Path):
    rows = [
        problem("say 1", "1"),
        problem("say 1", "2"),
        problem("say cat", "cat"),
        problem("say 3", "3") | {"kind": "talk"},
    ]
    write_jsonl(tmp_path / "conversations.jsonl", rows)
    run, tokenizer = Run(tmp_path / "run"), sft.tokenizer()
    work = rl_work.start(CONFIG, tokenizer, Conversations(tmp_path), run)
    assert [item.number for item in work.problems] == ["1.0"]
    assert len(work.worked) == 2
    write_jsonl(tmp_path / "practice.jsonl", [{"id": "a", "kind": "practice", "question": "say 7", "answers": ["7"]}])
    config = RlConfig(problems=[tmp_path / "practice.jsonl"])
    work = rl_work.start(config, tokenizer, Conversations(tmp_path), run)
    assert [item.number for item in work.problems] == ["7"]
    assert len(work.worked) == 2
