"""The RL stage's practice of problems: GRPO against the verifier, and SFT continued to compare with. Heavy: import it
inside a stage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hornbook.core.jsonl import read_jsonl
from hornbook.core.words import counted
from hornbook.inference import Engine
from hornbook.models.kernels import has_kernels
from hornbook.models.transformer import Transformer
from hornbook.road.artifacts import Conversations, Model
from hornbook.road.rl_work import Work, learn
from hornbook.road.sft import second_round
from hornbook.tokens.chat import render
from hornbook.tokens.loader import PackedBatches
from hornbook.training import grpo as group_relative
from hornbook.training.compiled import compiled
from hornbook.training.objectives.next_token import next_token
from hornbook.training.replay import Replayed, with_replay
from hornbook.training.rollouts import Rollouts, careful


def grpo(work: Work, policy: Transformer, earlier: Sequence[dict]) -> int:
    """Practise the problems against the verifier, and read what SFT taught beside; returns the tokens of the answers
    learned from, each with its prompt: as many as SFT would read, though here a prompt is read once."""
    config, group = work.config, work.config.group
    prompts = [problem.ids for problem in work.problems]
    judge = careful(lambda answer: work.problems[answer.prompt].check(answer.completion.text))
    small = has_kernels(policy.lm_head.weight)  # without them the cache is fp32: too much to keep beside training
    rollouts = Rollouts(
        Engine(policy, work.tokenizer, keeps_memory=small), prompts,
        lambda answers: [judge(answer) for answer in answers],
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
    result = learn(work, "grpo", policy, batches, objective, steps, lr, prompts, lambda: rollouts.figures)
    if result.steps < steps:
        work.run.note(
            f"GRPO is done after {result.steps} of {counted(steps, 'step')}: answers to each problem all earn the same "
            "(a model too small for them, or one that solves them all), so there is nothing to prefer; the road goes on"
        )
    rows = read_jsonl(work.run.out / "metrics-grpo.jsonl") if result.steps else ()
    return sum(int(row["kept_tokens"]) for row in rows)


def earlier(work: Work, sft: Model, conversations: Conversations) -> list[dict]:
    """What SFT taught beside the problems: its second round's rows. Who practises sums alone forgets facts."""
    rows = [row for row in conversations.rows() if row["kind"] not in work.config.kinds]
    missed = {row["question"] for row in read_jsonl(sft.path / "probe.jsonl") if row["missed"]}
    invented = list(read_jsonl(conversations.path / "invented.jsonl"))
    return second_round(rows, missed, invented, share=work.config.refusals, seed=work.seed("earlier")) if rows else []


def continue_sft(work: Work, model: Transformer, tokens: int) -> None:
    """What GRPO is compared with: the SFT model fine-tuned for as many tokens on the problems that people solved."""
    config = work.config
    batches = _packed(work, work.worked, config.control_rows, "control")
    objective = compiled(next_token, work.run.device, wanted=work.run.compile)
    steps = max(1, round(tokens / (config.window * config.control_rows)))
    learn(work, "control", model, batches, objective, steps, config.control_lr, [], dict)


def _packed(work: Work, rows: Sequence[dict], count: int, name: str) -> PackedBatches:
    """The rows as batches for `next_token`, `count` rows of the window each."""
    rendered = [render(work.tokenizer, row["messages"]) for row in rows]
    return PackedBatches(
        [item.ids for item in rendered], [item.weights for item in rendered],
        window=work.config.window, rows=count, seed=work.seed(name),
    )  # fmt: skip
