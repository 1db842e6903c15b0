"""The RL stage's practice on comparisons: PPO against the reward model, DPO without it, and how far the policy went.
Heavy: import it inside a stage."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from hornbook.conversations.formats import until_answer
from hornbook.core.jsonl import read_jsonl
from hornbook.core.seeds import derive
from hornbook.evaluation.verifiers import truthful
from hornbook.inference import Engine, Request, Sampling
from hornbook.models.transformer import Transformer
from hornbook.road.artifacts import Comparisons, Conversations, RewardModelArtifact
from hornbook.road.ranked import as_ranked, fitting, split
from hornbook.road.rl_work import Work, learn
from hornbook.training import ppo as proximal
from hornbook.training.comparisons import ComparisonBatches, reference_logprobs
from hornbook.training.objectives import dpo as direct
from hornbook.training.rollouts import Answer, Rollouts, careful
from hornbook.training.scorer import load_scorer

PPO_UPDATES = 2
DRIFT_PROMPTS = 256
Words = tuple[str, ...]  # of a prompt, message after message
TOLD = ("asked", "fact", "open_book")  # kinds of conversation whose answer the pages tell


def ppo(
    work: Work, policy: Transformer, reference: Transformer, reward: RewardModelArtifact, preferences: Comparisons,
    told: Mapping[Words, str],
) -> int:  # fmt: skip
    """Please the reward model on the comparisons' prompts, tell what is true where `told` gives the answer, and keep up
    the problems; returns the tokens."""
    config = work.config
    asked = {tuple(as_ranked(row, work.tokenizer).prompt): row["prompt"] for row in split(preferences)[0]}
    # the problems come first, so that a prompt's index tells what it is
    practice = work.problems[: round(config.kept_up / (1 - config.kept_up) * len(asked))]
    prompts = [*(problem.ids for problem in practice), *asked]
    scorer = load_scorer(reward.load(work.run.device), reward.path, window=config.window)
    scorer.judge.transformer.compute_dtype = policy.compute_dtype
    critic = reward.load(work.run.device)
    critic.transformer.compute_dtype = policy.compute_dtype
    model = proximal.ActorCritic(policy, critic, mean=scorer.head_mean, deviation=scorer.deviation)
    truth = truthful(lambda messages: told.get(_words(messages)), silence=config.silence)

    def verify(answer: Answer) -> float:
        if answer.prompt < len(practice):
            return practice[answer.prompt].check(answer.completion.text)
        return config.truth * truth(asked[tuple(prompts[answer.prompt])], answer.completion.text)

    def judge(answers: Sequence[Answer]) -> list[float]:
        rewards = scorer([prompts[answer.prompt] for answer in answers], [answer.completion.ids for answer in answers])
        return [
            answer.verified if answer.prompt < len(practice) else float(score)
            for answer, score in zip(answers, rewards, strict=True)
        ]

    credit = proximal.CriticCredit(
        model, reference.requires_grad_(False), prompts, config.group, target=config.kl_target,
        horizon=10.0 * config.draws * config.group, unscored=range(len(practice)), updates=PPO_UPDATES,
        window=config.window,
    )  # fmt: skip
    rollouts = Rollouts(
        Engine(policy, work.tokenizer), prompts, judge, credit, verify=careful(verify), draws=config.draws,
        group=config.group, updates=PPO_UPDATES, max_tokens=config.max_tokens, seed=work.seed("ppo"),
        state={"beta": config.kl_weight},
    )  # fmt: skip

    def figures() -> dict[str, float]:
        scores = [answer.reward for answer in rollouts.last if answer.prompt >= len(practice)]
        truths = [answer.verified for answer in rollouts.last
                  if answer.prompt >= len(practice) and not math.isnan(answer.verified)]  # fmt: skip
        means = {"score": scores, "truth": truths}
        return rollouts.figures | credit.figures | {name: float(np.mean(of)) for name, of in means.items() if of}

    steps, lr = config.ppo_steps, config.ppo_lr
    return learn(work, "ppo", model, rollouts, proximal.ppo, steps, lr, prompts, figures).tokens


def dpo(work: Work, model: Transformer, preferences: Comparisons) -> int:
    """Learn the comparisons without a reward model; returns the tokens."""
    config = work.config
    ranked = fitting(split(preferences)[0], work.tokenizer, model.config.max_position_embeddings, work.run)
    reference = reference_logprobs(model, ranked, rows=config.dpo_rows, window=config.window)
    batches = ComparisonBatches(
        ranked, rows=config.dpo_rows, seed=work.seed("dpo"), window=config.window, reference=reference
    )
    return learn(work, "dpo", model, batches, direct.dpo, len(batches), config.dpo_lr, [], dict).tokens


def drift(work: Work, policy: Transformer, before: Transformer, preferences: Comparisons, seed: int) -> float | None:
    """rl_kl, how far the policy went from the SFT model: the mean of log p - log p_SFT of whole sampled answers to
    held-out prompts (the others' where none are held out), in nats (k1)."""
    rows, heldout = split(preferences)
    prompts = [as_ranked(row, work.tokenizer).prompt for row in (heldout or rows)[:DRIFT_PROMPTS]]
    if not prompts:
        return None
    engine = Engine(policy, work.tokenizer)
    sampled = engine.generate([
        Request(ids=ids, sampling=Sampling(1.0, max_tokens=work.config.max_tokens, seed=derive(seed, index)))
        for index, ids in enumerate(prompts)
    ])
    whole = [[*ids, *completion.ids] for ids, completion in zip(prompts, sampled, strict=True)]
    scores = (engine.score(whole), Engine(before, work.tokenizer).score(whole))
    return float(np.mean([
        (now - then)[len(ids) - 1 :].sum() for ids, now, then in zip(prompts, *scores, strict=True)
    ]))


def references(conversations: Conversations) -> dict[Words, str]:
    """The answer to every prompt that the pages answer, or that is about nothing on them, by the prompt's words."""
    rows = [row for row in conversations.rows() if row["kind"] in TOLD]
    found: dict[Words, str] = {}
    for row in [*rows, *read_jsonl(conversations.path / "invented.jsonl")]:
        asked = until_answer(row["messages"])
        found.setdefault(_words(asked), row["messages"][len(asked)]["content"])
    return found


def _words(messages: Sequence[dict]) -> Words:
    return tuple(message["content"] for message in messages)
