"""Rollouts: prompts answered by the policy as it is now, judged, and handed on to be learned from."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from hornbook.core.seeds import derive
from hornbook.inference import Completion, Engine, Request, Sampling
from hornbook.tokens.batch import Batch
from hornbook.tokens.permutation import permuted

ROUNDS = 4  # how often prompts are drawn again when too few groups teach anything


@dataclass(frozen=True)
class Answer:
    """One answer of the policy: `prompt` is the index of what it answers, `reward` what it was judged to be worth.

    `verified` is what a verifier said of it. Both are NaN where nobody could judge. Answers to one draw of a prompt
    stand side by side, `group` of them.
    """

    prompt: int
    completion: Completion
    verified: float = math.nan
    reward: float = math.nan

    @property
    def truncated(self) -> bool:
        """Whether it was cut off before its end token."""
        return self.completion.finish_reason == "length"


Verify = Callable[[Answer], float]
Judge = Callable[[Sequence[Answer]], Sequence[float]]
Credit = Callable[[Sequence[Answer], dict[str, Any]], list[Batch]]
Keep = Callable[[Sequence[Answer]], list[Answer]]


@dataclass
class Rollouts:
    """An endless stream of batches for `fit`, each rollout made by the policy that the steps before it left behind.

    Draws `draws` prompts (token ids) in an order keyed by the seed, answers each `group` times, lets `verify` look at
    every answer once and `judge` give it its reward, leaves out what `keep` does not keep, drawing again up to `ROUNDS`
    times while less than half is kept, and lets `credit` make exactly `updates` batches of the rest. The stream ends
    when nothing is kept: there is nothing left to learn. `state` is a JSON object that `credit` may change (the KL
    controller's).

    `cursor` is where the next rollout begins; with the weights of that moment the same rollout comes again. It can be
    had only between rollouts, so checkpoints must fall on multiples of `updates`. `figures` tell of the last rollout:
    those of `summary`, the share kept and the tokens kept, each answer with its prompt. `last` holds its answers.
    """

    engine: Engine
    prompts: Sequence[Sequence[int]]
    judge: Judge
    credit: Credit
    keep: Keep = list
    verify: Verify = lambda answer: math.nan
    draws: int = 16
    group: int = 8
    updates: int = 1
    max_tokens: int = 64
    temperature: float = 1.0
    seed: int = 0
    state: dict[str, Any] = field(default_factory=dict)
    figures: dict[str, float] = field(default_factory=dict)
    last: list[Answer] = field(default_factory=list)
    _drawn: int = 0
    _waiting: list[Batch] = field(default_factory=list)

    @property
    def cursor(self) -> dict[str, Any]:
        if self._waiting:
            raise ValueError(f"a checkpoint inside a rollout: let it fall on a multiple of {self.updates} steps")
        return {"drawn": self._drawn, "state": dict(self.state)}

    @cursor.setter
    def cursor(self, cursor: dict[str, Any]) -> None:
        self._drawn, self.state, self._waiting = cursor["drawn"], dict(cursor["state"]), []

    def __iter__(self) -> Rollouts:
        return self

    def __next__(self) -> Batch:
        if not self._waiting:
            self._waiting = self._rollout()
        return self._waiting.pop(0)

    def _rollout(self) -> list[Batch]:
        begin, kept = self._drawn, list[Answer]()
        self.last = []
        for _ in range(ROUNDS):
            answers = self._judged(self._sampled())
            self.last += answers
            kept += self.keep(answers)
            if 2 * len(kept) >= self.draws * self.group:
                break
        told = sum(answer.completion.prompt_tokens + len(answer.completion.ids) for answer in kept)
        self.figures = summary(self.last) | {"kept": len(kept) / len(self.last), "kept_tokens": told}
        if not kept:
            self._drawn = begin  # asked again, it ends again
            raise StopIteration
        return self.credit(kept, self.state)

    def _sampled(self) -> list[Answer]:
        requests, prompts = [], []
        for draw in range(self._drawn, self._drawn + self.draws):
            epoch, place = divmod(draw, len(self.prompts))
            prompt = int(permuted(np.array([place]), len(self.prompts), self.seed, "prompts", epoch)[0])
            for answer in range(self.group):
                sampling = Sampling(self.temperature, max_tokens=self.max_tokens, seed=derive(self.seed, draw, answer))
                requests.append(Request(ids=self.prompts[prompt], sampling=sampling))
                prompts.append(prompt)
        self._drawn += self.draws
        return [Answer(*pair) for pair in zip(prompts, self.engine.generate(requests), strict=True)]

    def _judged(self, answers: list[Answer]) -> list[Answer]:
        answers = [replace(answer, verified=self.verify(answer)) for answer in answers]
        rewards = self.judge(answers)
        return [replace(answer, reward=float(reward)) for answer, reward in zip(answers, rewards, strict=True)]


def careful(verify: Verify) -> Verify:
    """`verify` with NaN, "could not be judged", wherever it raises: a verifier's fault is never a zero."""

    def verified(answer: Answer) -> float:
        try:
            return float(verify(answer))
        except Exception:
            return math.nan

    return verified


def summary(answers: Sequence[Answer]) -> dict[str, float]:
    """Means over the answers: reward of those judged, length in tokens, shares cut off and not judged, entropy in nats.

    The entropy of the policy is the mean of -log p of what it sampled, a token.
    """
    rewards = np.array([answer.reward for answer in answers])
    judged = rewards[~np.isnan(rewards)]
    logprobs = np.concatenate([answer.completion.logprobs for answer in answers])
    return {
        "reward": float(judged.mean()) if len(judged) else 0.0,
        "length": float(np.mean([len(answer.completion.ids) for answer in answers])),
        "truncated": float(np.mean([answer.truncated for answer in answers])),
        "unjudged": 1 - len(judged) / len(answers),
        "entropy": float(-logprobs.mean()),
    }
