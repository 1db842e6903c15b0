"""What every part of the RL stage needs: the problems, the model to start from, and one call of `fit`. Heavy: import it
inside a stage."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hornbook.conversations.rows import files_in
from hornbook.core.jsonl import read_jsonl, write_jsonl
from hornbook.core.seeds import derive
from hornbook.evaluation.exams import read_exams
from hornbook.evaluation.grading import last_number
from hornbook.evaluation.verifiers import arithmetic
from hornbook.models.device import pick_dtype
from hornbook.models.transformer import Transformer
from hornbook.pipeline.run import Run
from hornbook.road.artifacts import Conversations, Model
from hornbook.tokens.chat import render, turns
from hornbook.tokens.tokenizer import Tokenizer
from hornbook.training.checkpoint import Keep
from hornbook.training.fit import FitResult, fit
from hornbook.training.optimiser import Optimiser
from hornbook.training.replay import Replayed
from hornbook.training.rollouts import Answer, Rollouts
from hornbook.training.schedule import warmup_stable_cooldown

SAMPLES_A_STEP = 2
TOLD_OF_A_STEP = ("reward", "score", "truth", "kl", "loss")


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


def loaded(sft: Model, run: Run) -> Transformer:
    """The SFT model afresh, computing in the type that is fast here."""
    model = sft.load(run.device)
    model.compute_dtype = pick_dtype(run.device)
    return model


def learn(
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
            device=run.device, steps=steps, checkpoint_every=4 * max(2, steps // 16), keep=Keep(run.checkpoints),
            warn=run.warn, on_step=on_step,
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
