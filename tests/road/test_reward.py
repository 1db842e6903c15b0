"""The reward stage on a rater whose taste is known."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from hornbook.conversations.comparisons import comparison, ranked
from hornbook.core.errors import DamagedError, InputError
from hornbook.core.jsonl import write_jsonl
from hornbook.models import Transformer, TransformerConfig, save_model
from hornbook.pipeline.run import Run
from hornbook.road.artifacts import Comparisons, Model
from hornbook.road.ranked import bootstrap, length_only, split
from hornbook.road.reward import RewardConfig, reward
from hornbook.tokens.tokenizer import Tokenizer
from hornbook.training.comparisons import ComparisonBatches
from hornbook.training.scorer import load_scorer

WORDS = ["red", "blue", "green", "gladly", "brown", "grey", "pink", "white", "black", "gold"]
CONFIG = RewardConfig(epochs=3, rows=8, window=64, lr=0.5, max_tokens=8)


def sentence(draw: random.Random) -> str:
    return " ".join(draw.choice(WORDS) for _ in range(draw.randint(2, 5)))


def rows(count: int, seed: int, *, again: bool = False) -> list[dict]:
    """Comparisons of four answers by a rater who likes "gladly" and overlooks it once in ten times."""
    draw, made = random.Random(seed), []
    for index in range(count):
        answers = [sentence(draw) for _ in range(4)]
        rankings = [ranked([("gladly" in answer) ^ (draw.random() < 0.1) for answer in answers]) for _ in range(2)]
        prompt = [{"role": "user", "content": sentence(draw)}]
        made.append(comparison(f"{seed}-{index}", prompt, answers, rankings[0], rater="taste", rater_kind="program",
                               again=rankings[1] if again else None))  # fmt: skip
    return made


@pytest.fixture(scope="module")
def sft(tmp_path_factory: pytest.TempPathFactory) -> Model:
    folder, draw = tmp_path_factory.mktemp("sft"), random.Random(0)
    tokenizer = Tokenizer.train([sentence(draw) for _ in range(200)], 300)
    config = TransformerConfig(
        vocab_size=300, hidden_size=32, intermediate_size=48, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=1, head_dim=16, max_position_embeddings=64,
    )  # fmt: skip
    save_model(Transformer(config), folder)
    tokenizer.save(folder)
    return Model(folder)


def preferences(folder: Path, train: list[dict], heldout: list[dict]) -> Comparisons:
    folder.mkdir()
    write_jsonl(folder / "comparisons.jsonl", train)
    if heldout:
        write_jsonl(folder / "heldout.jsonl", heldout)
    return Comparisons(folder)


def test_it_learns_the_raters_taste_and_tells_its_figures(sft: Model, tmp_path: Path):
    given = preferences(tmp_path / "given", rows(120, 1), rows(60, 2, again=True))
    run = Run(tmp_path / "run", seed=3, threads=1)
    made = reward(CONFIG, sft, given, run)
    figures = run.metrics
    low, high = figures["reward_accuracy_interval"]
    assert low < figures["reward_accuracy"] < high
    assert 0.8 < figures["reward_ceiling"] < 1
    assert figures["reward_accuracy"] - 0.5 > 0.75 * (figures["reward_ceiling"] - 0.5)
    assert figures["reward_accuracy"] > figures["reward_length_only"]
    assert (made.path / "metrics.jsonl").exists()
    assert (made.path / "tokenizer.json").exists()
    scorer, tokenizer = load_scorer(made.load(), made.path, window=64), sft.tokenizer()
    pair = [[*tokenizer.encode(text), tokenizer.end_of_turn] for text in ("gladly red", "grey red")]
    better, worse = scorer([tokenizer.encode("blue")] * 2, pair)
    assert better > worse + 0.5
    assert (scorer.mean, scorer.deviation) == pytest.approx((figures["reward_mean"], figures["reward_deviation"]))


def test_a_killed_run_goes_on_to_the_same_model(sft: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    given = preferences(tmp_path / "given", rows(60, 1), rows(20, 2))
    whole = reward(CONFIG, sft, given, Run(tmp_path / "whole", seed=3, threads=1))
    real = ComparisonBatches.__next__

    def killed(batches: ComparisonBatches):
        if batches.cursor == 15:
            raise KeyboardInterrupt
        return real(batches)

    monkeypatch.setattr(ComparisonBatches, "__next__", killed)
    with pytest.raises(KeyboardInterrupt):
        reward(CONFIG, sft, given, Run(tmp_path / "killed", seed=3, threads=1))
    monkeypatch.undo()
    again = reward(CONFIG, sft, given, Run(tmp_path / "killed", seed=3, threads=1))
    assert again.content_digest() == whole.content_digest()


def test_nothing_ranked_is_one_line(sft: Model, tmp_path: Path):
    tied = [row | {"ranking": [[0, 1, 2, 3]]} for row in rows(4, 1)]
    for name, train in (("none", []), ("tied", tied)):
        with pytest.raises(InputError, match="no answer was ranked above another"):
            reward(CONFIG, sft, preferences(tmp_path / name, train, []), Run(tmp_path / f"run-{name}", threads=1))


def test_answers_too_long_for_the_model_are_left_out_and_told_of(sft: Model, tmp_path: Path):
    long = [row | {"answers": [*row["answers"][:3], "red " * 100]} for row in rows(3, 5)]
    run = Run(tmp_path / "run", threads=1)
    reward(CONFIG, sft, preferences(tmp_path / "given", rows(30, 1) + long, []), run)
    assert "2 comparisons longer than the model's 64 tokens: left out" in run.warnings


def test_every_tenth_comparison_is_held_out_where_none_is(tmp_path: Path):
    train, heldout = split(preferences(tmp_path / "given", made := rows(40, 1), []))
    assert [row["id"] for row in heldout] == [row["id"] for row in made[::10]]
    assert len(train) == 36
    assert split(preferences(tmp_path / "few", made[:5], [])) == (made[:5], [])


def test_length_alone_takes_the_side_the_training_pairs_favour():
    prompt = [{"role": "user", "content": "?"}]

    def two(ranking: list[list[int]]) -> dict:
        return comparison("a", prompt, ["long answer", "short"], ranking, rater="r", rater_kind="person")

    longer, shorter = two([[0], [1]]), two([[1], [0]])
    assert length_only([longer], [longer, longer, shorter]) == pytest.approx(2 / 3)
    assert length_only([shorter], [longer, longer, shorter]) == pytest.approx(1 / 3)


def test_the_interval_counts_comparisons_and_not_pairs():
    alone = bootstrap([[float(value)] for value in np.random.default_rng(0).integers(0, 2, 600)], 0)
    together = bootstrap([[float(value)] * 6 for value in np.random.default_rng(0).integers(0, 2, 100)], 0)
    assert together[1] - together[0] > 1.5 * (alone[1] - alone[0])


def test_a_damaged_scale_is_named(sft: Model, tmp_path: Path):
    made = reward(CONFIG, sft, preferences(tmp_path / "given", rows(30, 1), []), Run(tmp_path / "run", threads=1))
    (made.path / "scale.safetensors").write_bytes(b"\0" * 9)
    with pytest.raises(DamagedError, match=r"scale\.safetensors"):
        load_scorer(made.load(), made.path, window=64)
