"""Packed sequences are the sequences: the same log-probabilities, scores and pairs as one by one."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch.nn.functional import logsigmoid

from hornbook.core.errors import InputError
from hornbook.models import Transformer, TransformerConfig
from hornbook.training.batch import on_device
from hornbook.training.comparisons import ComparisonBatches, Ranked, ranked_batch, reference_logprobs
from hornbook.training.fit import fit
from hornbook.training.judge import Judge
from hornbook.training.objectives.dpo import dpo
from hornbook.training.objectives.reward import KEPT_WEIGHT, bradley_terry, reward
from hornbook.training.optimiser import Optimiser
from hornbook.training.schedule import constant
from hornbook.training.sequences import answer_logprobs, pack_answers, padded

VOCABULARY = 50


def random_model(seed: int = 0, deviation: float = 0.3) -> Transformer:
    config = TransformerConfig(
        vocab_size=VOCABULARY, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, head_dim=16,
    )  # fmt: skip
    model, generator = Transformer(config), torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * deviation)
    return model


def random_sequences(count: int, seed: int = 0) -> tuple[list[list[int]], list[list[int]]]:
    generator = np.random.default_rng(seed)

    def some() -> list[list[int]]:
        return [generator.integers(0, VOCABULARY, generator.integers(1, 9)).tolist() for _ in range(count)]

    return some(), some()


@pytest.mark.parametrize("window", [5, 20, 64])
def test_packed_logprobs_are_those_of_each_sequence_alone(window: int):
    model, (prompts, answers) = random_model(), random_sequences(12)
    prompts = [prompts[index // 3 * 3] for index in range(12)]  # three answers to each
    batch = pack_answers(prompts, answers, window=window)
    packed_N = answer_logprobs(model, on_device(batch, "cpu"))
    alone = []
    for prompt, answer in zip(prompts, answers, strict=True):
        logprobs_TV = torch.log_softmax(model(torch.tensor([prompt + answer]))[0], -1)
        alone += [logprobs_TV[len(prompt) - 1 + index, token] for index, token in enumerate(answer)]
    torch.testing.assert_close(packed_N, torch.stack(alone), atol=1e-5, rtol=0)
    weights_N = torch.randn(len(alone), generator=torch.Generator().manual_seed(1))
    both = [torch.autograd.grad((said_N * weights_N).sum(), [*model.parameters()])
            for said_N in (packed_N, torch.stack(alone))]  # fmt: skip
    for packed, single in zip(*both, strict=True):
        torch.testing.assert_close(packed, single, atol=1e-5, rtol=1e-3)
    assert batch.extra["targets_N"].tolist() == [token for answer in answers for token in answer]
    assert batch.ids_BT.reshape(-1)[batch.extra["last_S"]].tolist() == [answer[-1] for answer in answers]


def test_a_prompt_is_read_once_for_all_its_answers():
    prompts, answers = [[1, 2, 3]] * 3 + [[4]], [[5, 6], [7], [8, 9], [5]]
    batch = pack_answers(prompts, answers, window=10)
    assert batch.ids_BT.tolist() == [[1, 2, 3, 5, 6, 7, 8, 9, 4, 5]]
    assert batch.positions_BT.tolist() == [[0, 1, 2, 3, 4, 3, 3, 4, 0, 1]]
    assert batch.documents_BT.tolist() == [[4, 4, 4, 0, 0, 1, 2, 2, 5, 3]]
    assert batch.extra["prefixes_BT"].tolist() == [[4] * 8 + [5] * 2]
    assert batch.extra["places_N"].tolist() == [2, 3, 2, 2, 6, 8]
    assert batch.extra["last_S"].tolist() == [4, 5, 7, 9]


def test_where_a_row_cannot_hold_all_answers_the_prompt_comes_again():
    batch = pack_answers([[1, 2, 3]] * 3, [[5, 6], [7], [8, 9]], window=6)
    assert sorted(batch.ids_BT.tolist()) == [[1, 2, 3, 5, 6, 7], [1, 2, 3, 8, 9, 0]]


def test_padded_gives_each_sequence_its_row():
    values, mask = padded(np.array([1.0, 2.0, 3.0]), np.array([0, 2, 2]), 3)
    assert values.tolist() == [[1, 0], [0, 0], [2, 3]]
    assert mask.tolist() == [[True, False], [False, False], [True, True]]


@pytest.mark.parametrize(("prompts", "answers"), [([[]], [[1]]), ([[1]], [[]])])
def test_an_empty_side_is_an_error(prompts: list, answers: list):
    with pytest.raises(InputError, match="is empty"):
        pack_answers(prompts, answers, window=8)


def comparisons(count: int, seed: int = 0) -> list[Ranked]:
    generator = np.random.default_rng(seed)
    return [
        Ranked(prompt, generator.integers(0, VOCABULARY, (3, 4)).tolist(), [(0, 1), (0, 2), (1, 2)])
        for prompt in random_sequences(count, seed)[0]
    ]


def test_the_reward_objective_scores_each_answer_by_its_last_token_and_its_likelihood():
    model, ranked = Judge(random_model()), comparisons(4)
    torch.nn.init.normal_(model.head.weight, generator=torch.Generator().manual_seed(0))
    model.likelihood.data = torch.tensor(0.7)
    batch = on_device(ranked_batch(ranked, 24), "cpu")
    heads, alone, told = [], [], []
    for comparison in ranked:
        for answer in comparison.answers:
            ids = torch.tensor([[*comparison.prompt, *answer]])
            heads.append(model.head(model.transformer.hidden(ids)[0, -1]))
            logprobs = torch.log_softmax(model.transformer(ids)[0, :-1], -1).gather(1, ids[0, 1:, None])[:, 0]
            said = logprobs[len(comparison.prompt) - 1 :]
            told.append(said)
            alone.append(heads[-1] - 0.7 * torch.log1p(-said.sum()))
    scores = torch.stack(alone)
    found_S, head_S, logprobs_S = model.judged(batch)
    torch.testing.assert_close(found_S, scores, atol=1e-3, rtol=1e-4)
    torch.testing.assert_close(head_S, torch.stack(heads), atol=1e-4, rtol=0)
    torch.testing.assert_close(logprobs_S, torch.stack([said.sum() for said in told]), atol=1e-3, rtol=1e-4)
    better = [0, 0, 1, 3, 3, 4, 6, 6, 7, 9, 9, 10]
    worse = [1, 2, 2, 4, 5, 5, 7, 8, 8, 10, 11, 11]
    plain = bradley_terry(scores[better], scores[worse])
    kept = -torch.cat(told[::3]).mean()  # the first answer of each prompt is the best
    loss = reward(model, batch)
    torch.testing.assert_close(loss.total, plain.total + KEPT_WEIGHT * 12 * kept, atol=1e-2, rtol=1e-3)
    loss.total.backward()
    assert model.transformer.lm_head.weight.grad is None  # it judges, and is not taught
    assert model.transformer.model.embed_tokens.weight.grad is not None


def test_the_reward_objective_of_one_batch_is_as_it_was_bit_for_bit():
    """The mean of the kept loss written out with the batch's own counts: what reward models were trained with."""
    model, batch = judge(), cast(Any, on_device(ranked_batch(comparisons(5), 24), "cpu"))
    loss = reward(model, batch)
    rewards_S, _, logprobs_S = model.judged(batch)
    better_P, worse_P = batch.extra["pairs_P2"].unbind(1)
    best_S = torch.ones(15, dtype=torch.bool)
    best_S[worse_P] = False
    lengths_S = torch.bincount(batch.extra["sequences_N"], minlength=15)
    told = -logprobs_S[best_S].sum() / lengths_S[best_S].sum()
    total = -logsigmoid(rewards_S[better_P] - rewards_S[worse_P]).sum() + KEPT_WEIGHT * 15.0 * told
    assert torch.equal(loss.total, total)
    assert torch.equal(loss.metrics["told"], 15.0 * told)
    assert loss.weight == 15
    for one, other in zip(gradients(model, loss.total), gradients(model, total), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_the_reward_objective_of_pieces_adds_up_to_that_of_the_batch(rows: int):
    ranked = [  # of unlike lengths and numbers of pairs, so that no piece has the means of another
        Ranked(one.prompt, [*one.answers, [7] * (2 * index + 1)], one.pairs[: 1 + index % 3])
        for index, one in enumerate(comparisons(6))
    ]
    model, whole = judge(), on_device(ranked_batch(ranked, 48), "cpu")
    pieces = [ranked_batch(ranked[first : first + rows], 48) for first in range(0, 6, rows)]
    assert whole.counts == {name: sum(piece.counts[name] for piece in pieces) for name in whole.counts}
    losses = [reward(model, on_device(replace(piece, counts=whole.counts), "cpu")) for piece in pieces]
    loss, total = reward(model, whole), sum((piece.total for piece in losses), torch.zeros(()))
    torch.testing.assert_close(total, loss.total, rtol=1e-6, atol=0)
    assert sum(piece.weight for piece in losses) == loss.weight
    for name, found in loss.metrics.items():
        torch.testing.assert_close(sum(piece.metrics[name] for piece in losses), found, rtol=1e-6, atol=1e-6)
    for one, other in zip(gradients(model, total), gradients(model, loss.total), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6 * float(other.abs().max()))


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_a_step_of_several_batches_is_that_of_one(rows: int):
    """The loop gives each the counts of them all."""
    ranked = comparisons(6)
    for index, one in enumerate(ranked):
        one.answers[0].extend([7] * index)  # pyright: ignore[reportAttributeAccessIssue]

    def step(rows: int) -> dict[str, float]:
        batches, model = ComparisonBatches(ranked, rows=rows, seed=0, window=48), judge()
        return fit(model, batches, reward, Optimiser(model), constant, folder=None, device="cpu", steps=1,
                   accumulate=6 // rows).metrics  # fmt: skip

    parts, whole = step(rows), step(6)
    for name in ("loss", "told", "accuracy", "gap", "gradient_norm", "weight"):
        assert parts[name] == pytest.approx(whole[name], rel=1e-6 if name != "gradient_norm" else 1e-5)


def judge() -> Judge:
    model = Judge(random_model(deviation=0.1))
    torch.nn.init.normal_(model.head.weight, generator=torch.Generator().manual_seed(0))
    return model


def gradients(model: Judge, total: torch.Tensor) -> tuple[torch.Tensor, ...]:
    return torch.autograd.grad(total, [p for p in model.parameters() if p is not model.transformer.lm_head.weight])


def test_dpo_of_the_reference_itself_is_ln_2():
    model, ranked = random_model(), comparisons(5)
    reference = reference_logprobs(model, ranked, rows=2, window=24)
    assert [len(part) for part in reference] == [3] * 5
    for batch in ComparisonBatches(ranked, rows=2, seed=0, window=24, reference=reference):
        loss = dpo(model, on_device(batch, "cpu"))
        assert loss.total.item() / loss.weight == pytest.approx(math.log(2), abs=1e-5)


def test_comparison_batches_give_all_once_an_epoch_and_go_on_from_a_cursor():
    ranked = [*comparisons(7), Ranked([1], [[2], [3]], [])]
    whole = list(ComparisonBatches(ranked, rows=3, seed=1, epochs=2))
    assert len(whole) == 6
    assert [len(batch.extra["pairs_P2"]) for batch in whole] == [9, 9, 3] * 2
    assert sum(batch.ids_BT.sum() for batch in whole[:3]) == sum(batch.ids_BT.sum() for batch in whole[3:])
    later = list(ComparisonBatches(ranked, rows=3, seed=1, epochs=2, cursor=4))
    for one, other in zip(whole[4:], later, strict=True):
        np.testing.assert_array_equal(one.ids_BT, other.ids_BT)


def test_comparisons_without_a_pair_are_an_error():
    with pytest.raises(InputError, match="no answer was ranked above another"):
        ComparisonBatches([Ranked([1], [[2], [3]], [])], rows=2, seed=0)
