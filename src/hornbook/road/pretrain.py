"""Step 5, pretraining: a transformer reads the tokens, from fresh weights or on from an open model's."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from pydantic import Field

from hornbook.core.errors import InputError
from hornbook.core.seeds import derive
from hornbook.pipeline.config import Dial, InputPath, StageConfig
from hornbook.pipeline.run import Run
from hornbook.pipeline.stage import stage
from hornbook.road.artifacts import Model, TokenizerArtifact, Tokens
from hornbook.road.sizes import SIZES

if TYPE_CHECKING:
    from hornbook.core.progress import Bar
    from hornbook.models.transformer import Transformer
    from hornbook.tokens.shards import TokenShards
    from hornbook.tokens.tokenizer import Tokenizer
    from hornbook.training.fit import Batches, FitResult, OnStep
    from hornbook.training.optimiser import Rates

HEAD_DIM = 64
BATCH_TOKENS = {"tiny": 1024, "laptop": 4096, "gpu": 524_288}  # a step
COPYING = {"tiny": 8_192, "laptop": 620_000}  # the sizes beyond read so much that copying comes by itself
COPIED = 0.5  # nats a token: whoever copies as well as this has learned it
ROW_TOKENS = 65_536  # at most so many at once; the rest of a step is accumulated
SHORT_WINDOW = 512  # up to here the slowest turning pairs of a base of 10,000 hardly turn, and help nobody
TINY_TOKENS = 65_536  # the smallest size is for trying the road: its horizon is no matter of speed
SAMPLE_POINTS = (0.02, 0.1, 0.25, 0.5, 0.75, 1.0)
SAMPLE_PROMPTS, SAMPLE_PROMPT_TOKENS, SAMPLE_TOKENS = 4, 10, 40


class PretrainConfig(StageConfig):
    """The section `[pretrain]`. `depth` derives what is not said: width, heads, feed-forward width, rows."""

    depth: int = Field(4, ge=1, description="layers")
    width: int = Field(256, ge=64, multiple_of=HEAD_DIM, description="hidden size, a multiple of 64")
    heads: int = Field(4, ge=1, description="attention heads of 64 each")
    key_value_heads: int = Field(4, ge=1, description="heads of keys and values, which groups of heads share")
    feed_forward: int = Field(768, ge=64, description="inner width of the feed-forward layers")
    tie: bool = Field(False, description="one matrix for embedding and head")
    rope_theta: float = Field(10_000.0, gt=1, description="the base of the rotary positions; small for short windows")
    window: int = Field(512, ge=32, description="tokens a row")
    rows: int = Field(8, ge=1, description="rows a batch")
    accumulate: int = Field(1, ge=1, description="batches a step")
    tokens: int | None = Field(None, ge=1, description="how many tokens to read; from `minutes` when left out")
    minutes: float | None = Field(None, gt=0, description="how long to read: becomes `tokens` on this machine, once")
    copying: int = Field(620_000, ge=0, description="of the tokens at most so many, the first, teach to copy; 0: none")
    matrix_lr: float = Field(0.02, gt=0, description="Muon's rate, for the matrices of the blocks")
    embedding_lr: float = Field(0.03, gt=0, description="AdamW's rate for the embedding")
    head_lr: float = Field(0.004, gt=0, description="AdamW's rate for the head")
    vector_lr: float = Field(0.02, gt=0, description="AdamW's rate for norms")
    weight_decay: float = Field(0.0, ge=0, description="of the matrices")
    warmup: float = Field(0.02, ge=0, le=1, description="share of the steps in which the rates climb")
    cooldown: float = Field(0.5, ge=0, le=1, description="share of the steps in which the rates fall")
    init: InputPath | None = Field(None, description="a model folder to go on from; its shape then is the model's")

    @classmethod
    def defaults(cls, dial: Dial) -> dict[str, Any]:
        size = SIZES.get(dial.size, SIZES["laptop"])
        width = HEAD_DIM * dial.depth
        all_rows = max(1, BATCH_TOKENS.get(dial.size, BATCH_TOKENS["laptop"]) // size.window)
        rows = min(all_rows, max(1, ROW_TOKENS // size.window))
        horizon = {"tokens": TINY_TOKENS} if dial.size == "tiny" else {"minutes": size.pretrain_minutes}
        return {
            "depth": dial.depth, "width": width, "heads": dial.depth, "key_value_heads": dial.depth,
            "feed_forward": 128 * math.ceil(8 / 3 * width / 128), "window": size.window,
            "rope_theta": 1000.0 if size.window <= SHORT_WINDOW else 10_000.0,
            "rows": rows, "accumulate": all_rows // rows, "copying": COPYING.get(dial.size, 0), **horizon,
        }  # fmt: skip

    def settle(self, dial: Dial) -> Self:
        """Minutes become tokens by this machine's rate, measured in a few seconds."""
        if self.tokens is not None or self.minutes is None:
            return self.model_copy(update={"tokens": self.tokens or TINY_TOKENS, "minutes": None})
        from hornbook.road.pace import tokens_in

        return self.model_copy(update={"tokens": tokens_in(self, self.minutes * 60), "minutes": None})

    @property
    def steps(self) -> int:
        """Optimiser steps: the horizon in whole global batches, at least one."""
        return max(1, round((self.tokens or TINY_TOKENS) / self.step_tokens))

    @property
    def step_tokens(self) -> int:
        """Tokens a step."""
        return self.window * self.rows * self.accumulate

    @property
    def copying_steps(self) -> int:
        """The most steps before the pages: at most a quarter, and none for a model that has read already."""
        return 0 if self.init else min(self.copying // self.step_tokens, self.steps // 4)

    def label(self) -> str:
        return f"d{self.depth}"

    def about_seconds(self) -> float | None:
        return self.minutes * 60 if self.minutes else (self.tokens or TINY_TOKENS) / 10_000


@stage(version=3)
def pretrain(config: PretrainConfig, tokens: Tokens, tokenizer: TokenizerArtifact, run: Run) -> Model:
    """Train on `tokens` and write a model folder with its tokenizer, `metrics.jsonl` and `samples.jsonl`. Before the
    pages a small model practises copying (`tokens/copies.py`), with `metrics-copying.jsonl`.

    A killed attempt goes on from its last checkpoint bit for bit. Raises InputError when `init` has another vocabulary.
    """
    import torch

    from hornbook.core.jsonl import read_jsonl, write_jsonl
    from hornbook.models.device import use_processor
    from hornbook.models.files import save_model
    from hornbook.models.kernels import has_kernels

    use_processor(run.threads, compile=run.compile, warn=run.warn)
    encoder, train = tokenizer.load(), tokens.train()
    model = build(config, encoder.vocab_size, seed=derive(run.seed, "weights"), device=run.device)
    with run.progress("pretrain", config.steps * config.step_tokens, "tokens") as bar:
        course = _Course(config, model, run, bar)
        copied = course.copying(train) if config.copying_steps else None
        steps = config.steps - (copied.steps if copied else 0)
        samples = _Samples(run.out / "samples.jsonl", model, encoder, list(tokens.heldout()), steps)
        result = course.text(train, steps, samples)
    save_model(model, run.out)
    encoder.save(run.out)
    rows = list(read_jsonl(run.work / "metrics.jsonl"))
    write_jsonl(run.out / "metrics.jsonl", rows)
    if copied:
        logged = read_jsonl(run.work / "copying" / "metrics.jsonl")
        write_jsonl(run.out / "metrics-copying.jsonl", ({"part": "copying"} | row for row in logged))
    fast = run.compile and (run.device != "cpu" or has_kernels(model.lm_head.weight))
    parts = [part for part in (copied, result) if part]
    run.metric(
        **_figures(model, rows), compiled=fast, threads=torch.get_num_threads(),
        steps=sum(part.steps for part in parts), skipped=sum(part.skipped for part in parts),
        train_seconds=sum(part.seconds for part in parts), copying_loss=copied.loss if copied else None,
    )  # fmt: skip
    read = sum(part.tokens for part in parts)
    run.count(inputs=train.total, outputs=read, tokens=read)
    return Model(run.out)


def build(config: PretrainConfig, vocab_size: int, *, seed: int, device: str) -> Transformer:
    """The model to train: fresh from `seed`, or `init`'s. fp32 weights, computing in the type that is fast here."""
    from hornbook.models import Transformer, TransformerConfig, load_model, pick_dtype

    if config.init is None:
        shape = TransformerConfig(
            vocab_size=vocab_size, hidden_size=config.width, intermediate_size=config.feed_forward,
            num_hidden_layers=config.depth, num_attention_heads=config.heads,
            num_key_value_heads=config.key_value_heads, head_dim=HEAD_DIM,
            max_position_embeddings=config.window, rope_theta=config.rope_theta, tie_word_embeddings=config.tie,
        )  # fmt: skip
        model = Transformer(shape, seed=seed).to(device)
    else:
        model = load_model(Path(config.init), device=device)
        if model.config.vocab_size != vocab_size:
            what = f"its vocabulary has {model.config.vocab_size} tokens, the tokenizer here {vocab_size}"
            raise InputError(what, where=config.init, fix="go on from a model that was made with this tokenizer")
    model.compute_dtype = pick_dtype(device)
    return model


def rates(config: PretrainConfig) -> Rates:
    """The optimiser's rates in the configuration."""
    from hornbook.training.optimiser import Rates

    return Rates(
        matrices=config.matrix_lr, embedding=config.embedding_lr, head=config.head_lr, vectors=config.vector_lr,
        weight_decay=config.weight_decay,
    )  # fmt: skip


def copying_rates(config: PretrainConfig) -> Rates:
    """The rates to learn copying with: what has nothing to remember bears more, and shorter momenta (docs/log.md)."""
    return replace(
        rates(config), matrices=2 * config.matrix_lr, vectors=2 * config.vector_lr, momentum=0.85, betas=(0.8, 0.95)
    )


@dataclass
class _Course:
    """What is learned in turn, each part a call of `fit`, under one bar of progress."""

    config: PretrainConfig
    model: Transformer
    run: Run
    bar: Bar

    def copying(self, train: TokenShards) -> FitResult:
        """Practise until it is learned, or until `copying` tokens are spent."""
        from hornbook.tokens.copies import Copies

        config, seed = self.config, derive(self.run.seed, "copies")
        copies = Copies(train, window=config.window, rows=config.rows, seed=seed)

        def on_step(step: int, row: dict[str, float]) -> None:
            loss = row.get("loss", math.inf)
            copies.finished = loss < COPIED
            self._tell(step, f"copying: loss {loss:.3f}")

        return self._learn(copies, copying_rates(config), config.copying_steps, 0.0, "copying", on_step)

    def text(self, train: TokenShards, steps: int, samples: _Samples) -> FitResult:
        """Read for so many steps."""
        from hornbook.tokens.loader import PackedBatches

        config, seed = self.config, derive(self.run.seed, "order")
        batches = PackedBatches(train, None, window=config.window, rows=config.rows, seed=seed)

        def on_step(step: int, row: dict[str, float]) -> None:
            self._tell(config.steps - steps + step, f"loss {row.get('loss', math.nan):.3f}")
            samples(step)

        cooldown = min(1 - config.warmup, config.cooldown * config.steps / steps)  # a share of all the steps
        return self._learn(batches, rates(config), steps, cooldown, "", on_step)

    def _learn(
        self, batches: Batches, learning_rates: Rates, steps: int, cooldown: float, folder: str, on_step: OnStep
    ) -> FitResult:
        from hornbook.training.compiled import compiled
        from hornbook.training.fit import fit
        from hornbook.training.objectives.next_token import next_token
        from hornbook.training.optimiser import Optimiser
        from hornbook.training.schedule import warmup_stable_cooldown

        config, run = self.config, self.run
        schedule = warmup_stable_cooldown(steps, warmup=config.warmup, cooldown=cooldown)
        return fit(
            self.model, batches, compiled(next_token, run.device, wanted=run.compile),
            Optimiser(self.model, learning_rates), schedule, folder=run.work / folder, device=run.device, steps=steps,
            accumulate=config.accumulate, on_step=on_step, checkpoint_every=max(10, config.steps // 16), warn=run.warn,
        )  # fmt: skip

    def _tell(self, step: int, text: str) -> None:
        self.bar.advance(step * self.config.step_tokens - self.bar.done, text)


class _Samples:
    """What the model says at a few points of its training, to the beginnings of the same held-out pages."""

    def __init__(self, path: Path, model: Transformer, tokenizer: Tokenizer, heldout: list[Any], steps: int):
        self.path, self.model, self.tokenizer = path, model, tokenizer
        self.points = {max(1, round(part * steps)) for part in SAMPLE_POINTS}
        self.prompts = [ids[:SAMPLE_PROMPT_TOKENS].tolist() for ids in heldout[:SAMPLE_PROMPTS]]

    def __call__(self, step: int) -> None:
        from hornbook.core.jsonl import read_jsonl, write_jsonl
        from hornbook.inference import Engine, Request, Sampling

        if step not in self.points or not self.prompts:
            return
        sampling = Sampling(max_tokens=SAMPLE_TOKENS)
        requests = [Request(ids=ids, sampling=sampling) for ids in self.prompts]
        said = Engine(self.model, self.tokenizer).generate(requests)
        rows = [
            {"step": step, "prompt": self.tokenizer.decode(ids), "said": completion.text}
            for ids, completion in zip(self.prompts, said, strict=True)
        ]
        # a killed attempt may have written these and later ones already
        earlier = [row for row in read_jsonl(self.path) if row["step"] < step] if self.path.exists() else []
        write_jsonl(self.path, earlier + rows)


def _figures(model: Transformer, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Parameters, the loss over the last twentieth of the steps in nats a token, and the usual rate."""
    from statistics import fmean, median

    losses = [row["loss"] for row in rows[-max(1, len(rows) // 20) :] if "loss" in row]
    return {
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "loss": fmean(losses) if losses else None,
        "tokens_per_second": median(row["tokens_per_second"] for row in rows),
        "dtype": str(model.compute_dtype).removeprefix("torch."),
    }
