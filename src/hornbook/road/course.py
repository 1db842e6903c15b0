"""The parts of pretraining, each a call of `fit`: text, then the legs of the cool-down. Heavy: import it inside a
stage."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from hornbook.core.files import write_text
from hornbook.core.jsonl import read_jsonl, write_jsonl
from hornbook.core.progress import Bar
from hornbook.core.seeds import derive
from hornbook.inference import Completion, Engine, Request, Sampling
from hornbook.models.files import save_model
from hornbook.models.transformer import Transformer
from hornbook.pipeline.run import Run
from hornbook.road.learner import rates
from hornbook.road.mixture import mixed
from hornbook.road.pace import AROUND_SECONDS
from hornbook.road.pretrain_config import PretrainConfig
from hornbook.tokens.loader import PackedBatches, predictions
from hornbook.tokens.shards import TokenShards
from hornbook.tokens.tokenizer import Tokenizer
from hornbook.training.checkpoint import Keep
from hornbook.training.compiled import compiled
from hornbook.training.fit import Batches, FitResult, OnStep, fit
from hornbook.training.objectives.next_token import next_token
from hornbook.training.optimiser import Optimiser
from hornbook.training.parallel.world import ALONE, World, shared_rows
from hornbook.training.schedule import Schedule, warmup_stable_cooldown

SAMPLE_POINTS = (0.02, 0.1, 0.25, 0.5, 0.75, 1.0)
SAMPLE_PROMPTS, SAMPLE_PROMPT_TOKENS, SAMPLE_TOKENS = 4, 10, 40
LEGS = 4  # of a cool-down that ends in time: at each, what is left is planned anew by how fast the last part went
SHORTEST, LONGEST = 0.25, 2.0  # a new plan, as a part of the one before


@dataclass
class Course:
    """What a model reads, part after part, under one bar of progress. `parts` tell how each went."""

    config: PretrainConfig
    model: Transformer
    run: Run
    bar: Bar
    world: World = ALONE
    parts: dict[str, FitResult] = field(default_factory=dict)
    accumulate: int = 1

    @property
    def steps(self) -> int:
        """Steps made."""
        return sum(part.steps for part in self.parts.values())

    @property
    def seconds(self) -> float:
        """Seconds spent in steps, earlier attempts' counted."""
        return sum(part.seconds for part in self.parts.values())

    def read(self, train: TokenShards, samples: Samples) -> None:
        """Read the pages, each source as often as the mixture has it: the rates climb and stay, and in the second part
        fall to the floor."""
        config, seed = self.config, derive(self.run.seed, "order")
        sizes = predictions(train)
        order, shares = mixed(
            config.mixture, train.source_names, train.sources, sizes, sizes, seed=seed, section="pretrain",
            horizon=config.steps * config.step_tokens, run=self.run,
        )  # fmt: skip
        if shares:
            self.run.metric(mixture={"text": shares})
        rows, self.accumulate = shared_rows(config.rows, config.accumulate, self.world.readers)
        batches = PackedBatches(
            train, None, window=config.window, rows=rows, seed=seed, order=order,
            rank=self.world.reader, world=self.world.readers,
        )  # fmt: skip
        optimiser = Optimiser(self.model, rates(config), self.world)
        rising = round(config.warmup * config.steps)
        stable, falling_steps = config.parts

        def learn(part: str, schedule: Schedule, count: int, last: int) -> None:
            before, samples.steps = self.steps, last

            def on_step(step: int, row: dict[str, float]) -> None:
                self._tell(before + step, row)
                samples(before + step)
                if config.keep_every and (before + step) % config.keep_every == 0:
                    self.save(self.run.out / f"step-{before + step:08d}")

            self._learn(part, batches, optimiser, schedule, count, on_step)

        if stable:
            learn("text", lambda step: min(1.0, (step + 1) / max(1, rising)), stable, config.steps)
        left, height, legs = falling_steps, 1.0, LEGS if config.minutes else 1
        for leg in range(legs if left else 0):
            left = self._left(leg, left)
            count = math.ceil(left / (legs - leg))
            falling = warmup_stable_cooldown(left, cooldown=1.0, floor=config.floor / height)
            learn(f"cooldown{leg}", lambda step, of=height, by=falling: of * by(step), count, self.steps + left)
            left, height = left - count, height * falling(count)
            if not left:
                break

    def save(self, folder: Path) -> None:
        """Write the model, whole, however it lies."""
        if self.world.alone:
            return save_model(self.model, folder)
        from hornbook.training.parallel.shards import save_together

        save_together(self.model, folder, self.world)

    def rows(self) -> Iterator[dict[str, Any]]:
        """What `fit` logged of the parts, as if they were one."""
        steps = tokens = 0
        for name, part in self.parts.items():
            for row in read_jsonl(self.run.work / name / "metrics.jsonl"):
                yield row | {"step": steps + row["step"], "tokens": tokens + row["tokens"]}
            steps, tokens = steps + part.steps, tokens + part.tokens

    def _left(self, leg: int, planned: int) -> int:
        """The steps left at the beginning of a leg: as planned, or what ends with `minutes` at the pace of the part
        before; decided once."""
        if self.config.minutes is None or not self.steps:
            return planned
        decided = self.run.work / f"cooldown{leg}.json"
        if not self.world.told(decided.exists())[0] and self.world.first:
            part = list(self.parts.values())[-1]
            seconds = self.config.minutes * 60 - AROUND_SECONDS - self.seconds
            fitting = round(seconds * part.steps / max(part.seconds, 1e-9))
            steps = min(max(fitting, math.ceil(SHORTEST * planned)), round(LONGEST * planned))
            write_text(decided, json.dumps({"steps": steps, "planned": planned}))
        self.world.told(None)  # the others read it when it is there
        return json.loads(decided.read_text())["steps"]

    def _learn(
        self, part: str, batches: Batches, optimiser: Optimiser, schedule: Schedule, steps: int, on_step: OnStep
    ) -> FitResult:
        config, run = self.config, self.run
        self.parts[part] = fit(
            self.model, batches, compiled(next_token, run.device, wanted=run.compile and not self.world.parted),
            optimiser, schedule, folder=run.work / part, device=run.device, steps=steps, accumulate=self.accumulate,
            on_step=on_step, checkpoint_every=config.checkpoint_every, keep=Keep(run.checkpoints), warn=run.warn,
            world=self.world,
        )  # fmt: skip
        return self.parts[part]

    def _tell(self, step: int, row: dict[str, float]) -> None:
        if not self.bar.done and step > 1:
            self.bar.go_on_from((step - 1) * self.config.step_tokens)
        self.bar.advance(step * self.config.step_tokens - self.bar.done, f"loss {row.get('loss', math.nan):.3f}")


def sample_steps(steps: int) -> set[int]:
    """After which of so many steps the model is asked to go on with text."""
    return {max(1, round(part * steps)) for part in SAMPLE_POINTS}


def say(model: Transformer, tokenizer: Tokenizer, prompts: list[list[int]]) -> list[Completion]:
    """What the model says to beginnings of pages."""
    requests = [Request(ids=ids, sampling=Sampling(max_tokens=SAMPLE_TOKENS)) for ids in prompts]
    return Engine(model, tokenizer).generate(requests)


class Samples:
    """What the model says at a few points of its training, to the beginnings of the same held-out pages.

    `steps` is how many there will be, and may be set anew as training goes on.
    """

    def __init__(
        self, path: Path, model: Transformer, tokenizer: Tokenizer, heldout: list[np.ndarray], world: World = ALONE
    ):
        self.path, self.model, self.tokenizer, self.steps, self.world = path, model, tokenizer, 0, world
        self.prompts = [ids[:SAMPLE_PROMPT_TOKENS].tolist() for ids in heldout[:SAMPLE_PROMPTS]]

    def __call__(self, step: int) -> None:
        if step not in sample_steps(self.steps) or not self.prompts:
            return
        model = self._whole()
        if model is None:
            return
        said = say(model, self.tokenizer, self.prompts)
        rows = [
            {"step": step, "prompt": self.tokenizer.decode(ids), "said": completion.text}
            for ids, completion in zip(self.prompts, said, strict=True)
        ]
        # a killed attempt may have written these and later ones already
        earlier = [row for row in read_jsonl(self.path) if row["step"] < step] if self.path.exists() else []
        write_jsonl(self.path, earlier + rows)

    def _whole(self) -> Transformer | None:
        """The model to ask; None in processes that do not."""
        if self.world.alone:
            return self.model
        from hornbook.training.parallel.shards import whole

        return whole(self.model, self.world)
