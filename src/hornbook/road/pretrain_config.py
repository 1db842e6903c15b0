"""The section `[pretrain]`, and what the dial `depth` derives of it: shape, batch, rates, horizon."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from hornbook.pipeline.config import Dial, Estimate, InputPath, StageConfig
from hornbook.road.mixture import Portions
from hornbook.road.sizes import SIZES, Size, rows_of

if TYPE_CHECKING:
    from hornbook.pipeline.recipe import Recipe

Memory = Annotated[float, Field(ge=0, lt=1)]  # the share of a running mean that stays
HEAD_DIM = 64
SHORT_WINDOW = 512  # up to here the slowest turning pairs of a base of 10,000 hardly turn, and help nobody
TINY_TOKENS = 65_536  # the smallest size is for trying the road: its horizon is no matter of speed
# Of the parameters that multiply: what nanochat measured for Muon at 1e18 to 1e19 FLOPs (its dev/LOG.md, January 2026);
# Hoffmann et al. found 20 for AdamW, all parameters counted (arXiv:2203.15556).
TOKENS_A_PARAMETER = 10.5
BATCH_POWER = 0.383  # the best batch grows so with the tokens that are read (Bergsma et al., arXiv:2505.13738)
MOST_ROWS, MOST_TOKENS, MOST_MINUTES = 2**20, 10**15, 10**7  # what is above is a slip of the hand
TUNED_WIDTH = 256  # where the rates below were found


class PretrainConfig(StageConfig):
    """The section `[pretrain]`. `depth` derives what is not said: width, heads, feed-forward width, rows, rates."""

    ways: ClassVar = ("tokens", "minutes", "tokens_a_parameter")
    later: ClassVar = ("cautious_decay", "normuon_beta2", "keep_every")
    settled_by: ClassVar = ("tokenizer",)

    depth: int = Field(4, ge=1, description="layers")
    width: int = Field(256, ge=64, multiple_of=HEAD_DIM, description="hidden size, a multiple of 64")
    heads: int = Field(4, ge=1, description="attention heads of 64 each")
    key_value_heads: int = Field(4, ge=1, description="heads of keys and values, which groups of heads share")
    feed_forward: int = Field(768, ge=64, description="inner width of the feed-forward layers")
    tie: bool = Field(False, description="one matrix for embedding and head")
    rope_theta: float = Field(10_000.0, gt=1, description="the base of the rotary positions; small for short windows")
    window: int = Field(512, ge=32, description="tokens a row")
    rows: int = Field(8, ge=1, le=MOST_ROWS, description="rows a batch")
    accumulate: int = Field(1, ge=1, le=MOST_ROWS, description="batches a step")
    tokens: int | None = Field(
        None, ge=1, le=MOST_TOKENS, description="how many tokens to read; from the two below when left out"
    )
    minutes: float | None = Field(
        None, gt=0, le=MOST_MINUTES, description="how long to read: `tokens` then are the plan, ended in time"
    )
    tokens_a_parameter: float | None = Field(
        None, gt=0, description="or how many tokens for each parameter of blocks and head; 10.5 are best"
    )
    matrix_lr: float = Field(0.02, gt=0, description="Muon's rate, for the matrices of the blocks")
    embedding_lr: float = Field(0.05, gt=0, description="AdamW's rate for the embedding")
    head_lr: float = Field(0.004, gt=0, description="AdamW's rate for the head")
    vector_lr: float = Field(0.02, gt=0, description="AdamW's rate for norms")
    betas: tuple[Memory, Memory] = Field((0.8, 0.95), description="AdamW's memory of gradients and of their squares")
    weight_decay: float = Field(0.0, ge=0, description="of the matrices")
    cautious_decay: bool = Field(
        False, description="decay only the weights that the update makes smaller too (arXiv:2510.12402)"
    )
    normuon_beta2: float = Field(
        0.0, ge=0, lt=1, description="NorMuon's memory of the sizes of an update's rows, such as 0.95; 0 is plain Muon"
    )
    warmup: float = Field(0.02, ge=0, le=1, description="share of the steps in which the rates climb")
    cooldown: float = Field(0.7, ge=0, le=1, description="share of the steps in which the rates fall")
    floor: float = Field(0.1, ge=0, le=1, description="what the rates fall to, as a part of their height")
    keep_every: int | None = Field(
        None, ge=1, description="keep the model of every so-manieth step for good, in folders called step-…"
    )
    fp8: bool = Field(False, description="multiply in eight-bit floats inside the blocks: faster on H100, less exact")
    induction: bool = Field(True, description="fresh weights with heads that find again what was said before")
    init: InputPath | None = Field(None, description="a model folder to go on from; its shape then is the model's")
    longer: Literal["yarn", "base", "linear"] = Field(
        "yarn", description="how the positions of `init` are stretched where `window` is longer than its own"
    )
    mixture: Portions = Field(
        {}, description="sources by name with weights, such as {notes = 3, \"*\" = 1}; left out, all is read alike"
    )

    @model_validator(mode="after")
    def _decay_is_there(self) -> Self:
        if self.cautious_decay and not self.weight_decay:
            raise ValueError("cautious_decay says which weights decay, and weight_decay is 0: none does")
        return self

    @classmethod
    def defaults(cls, dial: Dial) -> dict[str, Any]:
        size = SIZES.get(dial.size, SIZES["laptop"])
        width = HEAD_DIM * dial.depth
        batch = _batch_tokens(size, dial.depth)
        rows, accumulate = rows_of(batch, size.window)
        horizon: dict[str, Any] = {"minutes": size.pretrain_minutes}
        if size.pretrain_minutes is None:
            horizon = {"tokens_a_parameter": TOKENS_A_PARAMETER}
        return {
            "depth": dial.depth, "width": width, "heads": dial.depth, "key_value_heads": dial.depth,
            "feed_forward": 128 * math.ceil(8 / 3 * width / 128), "window": size.window,
            "rope_theta": 1000.0 if size.window <= SHORT_WINDOW else 10_000.0,
            "rows": rows, "accumulate": accumulate, "induction": dial.size != "gpu",
            **_rates(width, batch / size.batch_tokens), **({} if dial.size == "tiny" else horizon),
        }  # fmt: skip

    def settle(self, recipe: Recipe, measured: dict[str, Any]) -> Self:
        """A horizon becomes tokens: minutes by this machine's rate, measured in a few seconds, tokens a parameter by
        the parameters. Tokens need neither."""
        from hornbook.road import forecast

        tokens = self.tokens
        if tokens is None and self.minutes is not None:
            return self.model_copy(update={"tokens": forecast.tokens_in_time(self, recipe, measured)})
        if tokens is None and self.tokens_a_parameter is not None:
            tokens = forecast.tokens_for_parameters(self, recipe)
        return self.model_copy(update={"tokens": tokens or TINY_TOKENS, "minutes": None, "tokens_a_parameter": None})

    def sure(self, recipe: Recipe, measured: dict[str, Any]) -> bool:
        from hornbook.road import forecast

        pace = forecast.kept_pace(self, recipe, measured) if self.minutes else None
        return pace is None or not pace.busy

    def estimate(self, recipe: Recipe, measured: dict[str, Any], *, thorough: bool) -> Estimate:
        from hornbook.road import forecast

        return forecast.estimate(self, recipe, measured, thorough=thorough)

    @property
    def steps(self) -> int:
        """Optimiser steps: the horizon in whole global batches, at least one."""
        return max(1, round((self.tokens or TINY_TOKENS) / self.step_tokens))

    @property
    def parts(self) -> tuple[int, int]:
        """Steps while the rates climb and stay, and steps while they fall, as planned."""
        stable = max(round(self.warmup * self.steps), self.steps - round(self.cooldown * self.steps))
        return stable, self.steps - stable

    @property
    def step_tokens(self) -> int:
        """Tokens a step."""
        return self.window * self.rows * self.accumulate

    @property
    def checkpoint_every(self) -> int:
        """Steps between two checkpoints."""
        return max(10, self.steps // 16)

    def label(self) -> str:
        return f"d{self.depth}"

    def about_seconds(self) -> float | None:
        return self.minutes * 60 if self.minutes else (self.tokens or TINY_TOKENS) / 10_000


def _batch_tokens(size: Size, depth: int) -> int:
    """Tokens a step: the size's own at its own depth. Where the depth says how much is read it grows with that, in
    powers of two; where minutes do, a deeper model reads less and not more."""
    if size.pretrain_minutes is not None:
        return size.batch_tokens
    grown = (_multiplying(depth, size.vocabulary) / _multiplying(size.depth, size.vocabulary)) ** BATCH_POWER
    return max(size.window, round(size.batch_tokens * 2 ** round(math.log2(grown))))


def _multiplying(depth: int, vocabulary: int) -> int:
    """Parameters of blocks and head, about: 12 D^2 a block."""
    width = HEAD_DIM * depth
    return 12 * depth * width**2 + vocabulary * width


def _rates(width: int, batch: float) -> dict[str, float]:
    """The rates for a model wider than the one they were found with: AdamW's fall with the root of the width, as in
    Yang et al. (arXiv:2203.03466) and nanochat; Muon's need not, for its updates have a size of their own. All grow
    with the root of the batch (Malladi et al., arXiv:2205.10330), which counts against the size's own."""
    fields, root = PretrainConfig.model_fields, batch**0.5
    narrow = (max(width, TUNED_WIDTH) / TUNED_WIDTH) ** -0.5
    found = {"matrix_lr": root, "embedding_lr": root * narrow, "head_lr": root * narrow, "vector_lr": root * narrow}
    return {name: float(f"{fields[name].default * by:.4g}") for name, by in found.items()}
