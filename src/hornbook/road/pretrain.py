"""Step 5, pretraining: a transformer reads the tokens, from fresh weights or on from an open model's."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from pydantic import Field

from hornbook.core.errors import InputError
from hornbook.core.seeds import derive
from hornbook.pipeline.config import Dial, InputPath, StageConfig
from hornbook.pipeline.run import Run
from hornbook.pipeline.stage import stage
from hornbook.road.artifacts import Model, TokenizerArtifact, Tokens
from hornbook.road.mixture import Portions
from hornbook.road.sizes import SIZES

if TYPE_CHECKING:
    from hornbook.models.transformer import Transformer
    from hornbook.training.optimiser import Rates

HEAD_DIM = 64
BATCH_TOKENS = {"tiny": 1024, "laptop": 4096, "gpu": 524_288}  # a step
ROW_TOKENS = 65_536  # at most so many at once; the rest of a step is accumulated
SHORT_WINDOW = 512  # up to here the slowest turning pairs of a base of 10,000 hardly turn, and help nobody
TINY_TOKENS = 65_536  # the smallest size is for trying the road: its horizon is no matter of speed


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
    minutes: float | None = Field(None, gt=0, description="how long to read: `tokens` then are the plan, ended in time")
    matrix_lr: float = Field(0.02, gt=0, description="Muon's rate, for the matrices of the blocks")
    embedding_lr: float = Field(0.05, gt=0, description="AdamW's rate for the embedding")
    head_lr: float = Field(0.004, gt=0, description="AdamW's rate for the head")
    vector_lr: float = Field(0.02, gt=0, description="AdamW's rate for norms")
    weight_decay: float = Field(0.0, ge=0, description="of the matrices")
    warmup: float = Field(0.02, ge=0, le=1, description="share of the steps in which the rates climb")
    cooldown: float = Field(0.7, ge=0, le=1, description="share of the steps in which the rates fall")
    induction: bool = Field(True, description="fresh weights with heads that find again what was said before")
    init: InputPath | None = Field(None, description="a model folder to go on from; its shape then is the model's")
    mixture: Portions = Field(
        {}, description="sources by name with weights, such as {notes = 3, \"*\" = 1}; left out, all is read alike"
    )

    @classmethod
    def defaults(cls, dial: Dial) -> dict[str, Any]:
        size = SIZES.get(dial.size, SIZES["laptop"])
        width = HEAD_DIM * dial.depth
        all_rows = max(1, BATCH_TOKENS.get(dial.size, BATCH_TOKENS["laptop"]) // size.window)
        rows = min(all_rows, max(1, ROW_TOKENS // size.window))
        horizon = {} if dial.size == "tiny" else {"minutes": size.pretrain_minutes}
        return {
            "depth": dial.depth, "width": width, "heads": dial.depth, "key_value_heads": dial.depth,
            "feed_forward": 128 * math.ceil(8 / 3 * width / 128), "window": size.window,
            "rope_theta": 1000.0 if size.window <= SHORT_WINDOW else 10_000.0,
            "rows": rows, "accumulate": all_rows // rows, "induction": dial.size != "gpu", **horizon,
        }  # fmt: skip

    def settle(self, dial: Dial) -> Self:
        """Minutes alone become tokens by this machine's rate, measured in a few seconds; tokens need no minutes."""
        if self.tokens is not None or self.minutes is None:
            return self.model_copy(update={"tokens": self.tokens or TINY_TOKENS, "minutes": None})
        from hornbook.road.pace import tokens_in

        return self.model_copy(update={"tokens": tokens_in(self, self.minutes * 60)})

    @property
    def steps(self) -> int:
        """Optimiser steps: the horizon in whole global batches, at least one."""
        return max(1, round((self.tokens or TINY_TOKENS) / self.step_tokens))

    @property
    def step_tokens(self) -> int:
        """Tokens a step."""
        return self.window * self.rows * self.accumulate

    def label(self) -> str:
        return f"d{self.depth}"

    def about_seconds(self) -> float | None:
        return self.minutes * 60 if self.minutes else (self.tokens or TINY_TOKENS) / 10_000


@stage(version=6, torchrun=True)
def pretrain(config: PretrainConfig, tokens: Tokens, tokenizer: TokenizerArtifact, run: Run) -> Model:
    """Train on `tokens` and write a model folder with its tokenizer, `metrics.jsonl` and `samples.jsonl`. Where
    `minutes` were asked for the cool-down is as long as they leave.

    A killed attempt goes on from its last checkpoint bit for bit. Metrics: parameters, loss, rates, and what the
    `mixture` came to. Raises InputError when `init` has another vocabulary, RecipeError for sources that there are not.
    """
    import torch

    from hornbook.core.jsonl import write_jsonl
    from hornbook.models.device import use_processor
    from hornbook.models.kernels import has_kernels
    from hornbook.road.course import Course, Samples
    from hornbook.training.parallel.place import place
    from hornbook.training.parallel.world import World

    use_processor(run.threads, compile=run.compile, warn=run.warn)
    encoder, train = tokenizer.load(), tokens.train()
    world = World.join(run.device, tensor=run.tensor, shard=run.shard)
    model = build(config, encoder.vocab_size, seed=derive(run.seed, "weights"), device=run.device)
    place(model, world, compile=run.compile and run.device != "cpu")
    with run.progress("pretrain", config.steps * config.step_tokens, "tokens") as bar:
        course = Course(config, model, run, bar, world)
        course.read(train, Samples(run.out / "samples.jsonl", model, encoder, list(tokens.heldout()), world))
    course.save(run.out)
    if not world.first:
        world.leave()
        return Model(run.out)
    encoder.save(run.out)
    rows = list(course.rows())
    write_jsonl(run.out / "metrics.jsonl", rows)
    fast = run.compile and (run.device != "cpu" or has_kernels(model.lm_head.weight))
    run.metric(
        **_figures(model, rows), compiled=fast, threads=torch.get_num_threads(), steps=course.steps,
        skipped=sum(part.skipped for part in course.parts.values()), train_seconds=course.seconds,
    )  # fmt: skip
    read = sum(part.tokens for part in course.parts.values())
    run.count(inputs=train.total, outputs=read, tokens=read)
    world.leave()
    return Model(run.out)


def build(config: PretrainConfig, vocab_size: int, *, seed: int, device: str) -> Transformer:
    """The model to train: fresh from `seed`, or `init`'s. fp32 weights, computing in the type that is fast here."""
    from hornbook.models import Transformer, TransformerConfig, load_model, pick_dtype
    from hornbook.models.induction import lay_induction

    if config.init is None:
        shape = TransformerConfig(
            vocab_size=vocab_size, hidden_size=config.width, intermediate_size=config.feed_forward,
            num_hidden_layers=config.depth, num_attention_heads=config.heads,
            num_key_value_heads=config.key_value_heads, head_dim=HEAD_DIM,
            max_position_embeddings=config.window, rope_theta=config.rope_theta, tie_word_embeddings=config.tie,
        )  # fmt: skip
        model = Transformer(shape, seed=seed)
        if config.induction:
            lay_induction(model, derive(seed, "induction"))
        model = model.to(device)
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
