"""The parts of the RL stage, each a call of `fit`. Heavy: import it inside a stage."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hornbook.conversations.formats import until_answer
from hornbook.conversations.rows import files_in
from hornbook.core.jsonl import read_jsonl, write_jsonl
from hornbook.core.seeds import derive
from hornbook.core.words import counted
from hornbook.evaluation.exams import read_exams
from hornbook.evaluation.grading import last_number
from hornbook.evaluation.verifiers import arithmetic, truthful
from hornbook.inference import Engine, Request, Sampling
from hornbook.models.device import pick_dtype
from hornbook.models.transformer import Transformer
from hornbook.pipeline.run import Run
from hornbook.road.artifacts import Comparisons, Conversations, Model, RewardModelArtifact
from hornbook.road.ranked import as_ranked, fitting, split
from hornbook.road.sft import second_round
from hornbook.tokens.chat import render, turns
from hornbook.tokens.loader import PackedBatches
from hornbook.tokens.tokenizer import Tokenizer
from hornbook.training import grpo as group_relative
from hornbook.training import ppo as proximal
from hornbook.training.comparisons import ComparisonBatches, reference_logprobs
from hornbook.training.compiled import compiled
from hornbook.training.fit import FitResult, fit
from hornbook.training.objectives import dpo as direct
from hornbook.training.objectives.next_token import next_token
from hornbook.training.optimiser import Optimiser
from hornbook.training.replay import Replayed, with_replay
from hornbook.training.rollouts import Answer, Rollouts, careful
from hornbook.training.schedule import warmup_stable_cooldown
from hornbook.training.scorer import load_scorer

PPO_UPDATES = 2
DRIFT_PROMPTS = 256
SAMPLES_A_STEP = 2
TOLD_OF_A_STEP = ("reward", "score", "truth", "kl", "loss")
Words = tuple[str, ...]  # of a prompt, message after message
TOLD = ("asked", "fact", "open_book")  # kinds of conversation whose answer the pages tell


@dataclass(frozen=True)
class Problem:
    """A conversation up to the answer, as messages and as ids, with the number to find."""

    messages: list[dict]
    ids: list[int]
    number: str

    def check(self, text: str) -> float:
        """The verifier's reward for an answer."""
        return arithmetic(lambda _: self.number)(self.messages, text)


@dataclass(frozen=True)
class Work:
    """What every part needs. `worked` are the conversations that solve a problem, `problems` what GRPO practises."""

    config: Any
    tokenizer: Tokenizer
    worked: list[dict]
    problems: list[Problem]
    run: Run

    def seed(self, name: str) -> int:
        return derive(self.run.seed, name)


def loaded(sft: Model, run: Run) -> Transformer:
    """The SFT model afresh, computing in the type that is fast here."""
    model = sft.load(run.device)
    model.compute_dtype = pick_dtype(run.device)
    return model


def start(config: Any, tokenizer: Tokenizer, conversations: Conversations, run: Run) -> Work:
    """What there is to practise: the problems of `config.problems`, else the conversations' own, each prompt once."""
    rows = [row for row in conversations.rows() if row["kind"] in config.kinds]
    worked = [row for row in rows if last_number(row["messages"][-1]["content"]) is not None]
    files = files_in(config.problems)
    exams = [item for item in read_exams(files) if item.answers]
    asked = [([{"role": "user", "content": item.question}], item.answers[0]) for item in exams]
    if not files:
        asked = [(row["messages"][:-1], str(last_number(row["messages"][-1]["content"]))) for row in worked]
    found: dict[tuple[int, ...], Problem] = {}
    for messages, number in asked:
        ids = render(tokenizer, messages, for_answer=True).ids
        found.setdefault(tuple(ids), Problem(messages, ids, number))
    return Work(config, tokenizer, worked, list(found.values()), run)


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


def grpo(work: Work, policy: Transformer, earlier: Sequence[dict]) -> int:
    """Practise the problems against the verifier, and read what SFT taught beside; returns the tokens trained on."""
    config, group = work.config, work.config.group
    prompts = [problem.ids for problem in work.problems]
    judge = careful(lambda answer: work.problems[answer.prompt].check(answer.completion.text))
    rollouts = Rollouts(
        Engine(policy, work.tokenizer), prompts, lambda answers: [judge(answer) for answer in answers],
        group_relative.GroupCredit(policy, prompts, group, window=config.window),
        lambda answers: group_relative.informative(answers, group),
        draws=config.draws, group=group, max_tokens=config.max_tokens, seed=work.seed("grpo"),
    )  # fmt: skip
    batches: Any = rollouts
    objective = group_relative.grpo
    if config.replay and earlier:
        batches = Replayed(rollouts, _packed(work, earlier, config.replay_rows, "replay"))
        objective = with_replay(objective, config.replay)
    steps, lr = config.grpo_steps, config.grpo_lr
    result = _learn(work, "grpo", policy, batches, objective, steps, lr, prompts, lambda: rollouts.figures)
    if result.steps < steps:
        work.run.note(
            f"GRPO is done after {result.steps} of {counted(steps, 'step')}: answers to each problem all earn the same "
            "(a model too small for them, or one that solves them all), so there is nothing to prefer; the road goes on"
        )
    return result.tokens


def earlier(work: Work, sft: Model, conversations: Conversations) -> list[dict]:
    """What SFT taught beside the problems: its second round's rows. Who practises sums alone forgets facts."""
    rows = [row for row in conversations.rows() if row["kind"] not in work.config.kinds]
    missed = {row["question"] for row in read_jsonl(sft.path / "probe.jsonl") if row["missed"]}
    invented = list(read_jsonl(conversations.path / "invented.jsonl"))
    return second_round(rows, missed, invented, share=work.config.refusals, seed=work.seed("earlier")) if rows else []


def _packed(work: Work, rows: Sequence[dict], count: int, name: str) -> PackedBatches:
    """The rows as batches for `next_token`, `count` rows of the window each."""
    rendered = [render(work.tokenizer, row["messages"]) for row in rows]
    return PackedBatches(
        [item.ids for item in rendered], [item.weights for item in rendered],
        window=work.config.window, rows=count, seed=work.seed(name),
    )  # fmt: skip


def ppo(
    work: Work, policy: Transformer, reference: Transformer, reward: RewardModelArtifact, preferences: Comparisons,
    told: Mapping[Words, str],
) -> int:  # fmt: skip
    """Please the reward model on the comparisons' prompts, tell what is true where `told` gives the answer, and keep up
    the problems; returns the tokens."""
    config, group = work.config, max(2, work.config.group // 2)
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
        model, reference.requires_grad_(False), prompts, group, target=config.kl_target,
        horizon=20.0 * config.draws * group, unscored=range(len(practice)), updates=PPO_UPDATES, window=config.window,
    )  # fmt: skip
    rollouts = Rollouts(
        Engine(policy, work.tokenizer), prompts, judge, credit, verify=careful(verify), draws=2 * config.draws,
        group=group, updates=PPO_UPDATES, max_tokens=config.max_tokens, seed=work.seed("ppo"),
        state={"beta": config.kl_weight},
    )  # fmt: skip

    def figures() -> dict[str, float]:
        scores = [answer.reward for answer in rollouts.last if answer.prompt >= len(practice)]
        truths = [answer.verified for answer in rollouts.last
                  if answer.prompt >= len(practice) and not math.isnan(answer.verified)]  # fmt: skip
        means = {"score": scores, "truth": truths}
        return rollouts.figures | credit.figures | {name: float(np.mean(of)) for name, of in means.items() if of}

    steps, lr = config.ppo_steps, config.ppo_lr
    return _learn(work, "ppo", model, rollouts, proximal.ppo, steps, lr, prompts, figures).tokens


def dpo(work: Work, model: Transformer, preferences: Comparisons) -> int:
    """Learn the comparisons without a reward model; returns the tokens."""
    config = work.config
    ranked = fitting(split(preferences)[0], work.tokenizer, model.config.max_position_embeddings, work.run)
    reference = reference_logprobs(model, ranked, rows=config.dpo_rows, window=config.window)
    batches = ComparisonBatches(
        ranked, rows=config.dpo_rows, seed=work.seed("dpo"), window=config.window, reference=reference
    )
    return _learn(work, "dpo", model, batches, direct.dpo, len(batches), config.dpo_lr, [], dict).tokens


def continue_sft(work: Work, model: Transformer, tokens: int) -> None:
    """What GRPO is compared with: the SFT model fine-tuned for as many tokens on the problems that people solved."""
    config = work.config
    batches = _packed(work, work.worked, config.control_rows, "control")
    objective = compiled(next_token, work.run.device, wanted=work.run.compile)
    steps = max(1, round(tokens / (config.window * config.control_rows)))
    _learn(work, "control", model, batches, objective, steps, config.control_lr, [], dict)


def drift(
    work: Work, policy: Transformer, before: Transformer, preferences: Comparisons, seed: int
) -> dict[str, float | None]:
    """How far the policy went from the SFT model, on held-out prompts (the others' where none are held out).

    rl_kl: mean of log p - log p_SFT of whole sampled answers, in nats (k1). rl_length_ratio: tokens of its likeliest
    answers over the SFT model's.
    """
    rows, heldout = split(preferences)
    prompts = [as_ranked(row, work.tokenizer).prompt for row in (heldout or rows)[:DRIFT_PROMPTS]]
    if not prompts:
        return {"rl_kl": None, "rl_length_ratio": None}
    most = work.config.max_tokens
    engine, engine_before = Engine(policy, work.tokenizer), Engine(before, work.tokenizer)
    sampled = engine.generate(
        [
            Request(ids=ids, sampling=Sampling(1.0, max_tokens=most, seed=derive(seed, index)))
            for index, ids in enumerate(prompts)
        ]
    )
    whole = [[*ids, *completion.ids] for ids, completion in zip(prompts, sampled, strict=True)]
    ratios = [
        float((now - then)[len(ids) - 1 :].sum())
        for ids, now, then in zip(prompts, engine.score(whole), engine_before.score(whole), strict=True)
    ]
    greedy = [Request(ids=ids, sampling=Sampling(max_tokens=most)) for ids in prompts]
    lengths = [sum(len(c.ids) for c in one.generate(greedy)) for one in (engine, engine_before)]
    return {"rl_kl": float(np.mean(ratios)), "rl_length_ratio": lengths[0] / lengths[1]}


def _learn(
    work: Work, name: str, model: torch.nn.Module, batches: Any, objective: Any, steps: int, lr: float,
    prompts: Sequence[Sequence[int]], figures: Callable[[], dict[str, float]],
) -> FitResult:  # fmt: skip
    """One call of `fit` in `work/NAME`, with its metrics and some of the answers written as they are made."""
    run, schedule = work.run, warmup_stable_cooldown(steps, warmup=0.1, cooldown=0.3)
    rows, samples = run.out / f"metrics-{name}.jsonl", run.out / f"samples-{name}.jsonl"
    rollouts = batches.practice if isinstance(batches, Replayed) else batches
    with run.progress(f"rl: {name}", steps, "steps") as bar:

        def on_step(step: int, row: dict[str, float]) -> None:
            row = row | figures()
            _write_from(rows, step, [row])
            if isinstance(rollouts, Rollouts):
                _write_from(samples, step, [_sample(work, prompts, answer, step) for answer in _shown(rollouts)])
            bar.advance(1, " ".join(f"{key} {row[key]:.2f}" for key in TOLD_OF_A_STEP if key in row))

        result = fit(
            model, batches, objective, Optimiser(model), lambda step: lr * schedule(step), folder=run.work / name,
            device=run.device, steps=steps, checkpoint_every=4, warn=run.warn, on_step=on_step,
        )  # fmt: skip
    return result


def _shown(rollouts: Rollouts) -> list[Answer]:
    return rollouts.last[:: rollouts.group][:SAMPLES_A_STEP]


def _sample(work: Work, prompts: Sequence[Sequence[int]], answer: Answer, step: int) -> dict[str, Any]:
    reward = None if np.isnan(answer.reward) else answer.reward
    asked = turns(work.tokenizer, prompts[answer.prompt])
    prompt = "\n".join(f"{message['role']}: {message['content']}" for message in asked)
    return {"step": step, "prompt": prompt, "answer": answer.completion.text, "reward": reward}


def _write_from(path: Path, step: int, rows: list[dict[str, Any]]) -> None:
    """Write the rows of `step` behind those of the steps before it; what a killed attempt wrote beyond goes."""
    before = [row for row in read_jsonl(path) if row["step"] < step] if path.exists() else []
    write_jsonl(path, before + rows)
