"""What pretraining will take on this machine: tokens for a horizon, parameters, FLOPs, memory, minutes, threads."""

from __future__ import annotations

import math
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from hornbook.core.digest import digest_json
from hornbook.core.errors import InputError
from hornbook.core.processes import cores
from hornbook.core.progress import progress_bar
from hornbook.core.words import counted, size
from hornbook.pipeline.config import Estimate
from hornbook.road.here import batching_of, document_tokens, fitted, machine_of, memory_of, processor, vocabulary
from hornbook.road.learner import shape_of
from hornbook.road.pace import AROUND_SECONDS, Pace, measured_pace

if TYPE_CHECKING:
    from hornbook.models import TransformerConfig
    from hornbook.pipeline.recipe import Recipe
    from hornbook.road.pretrain_config import PretrainConfig
    from hornbook.training.memory import Batching

START_SECONDS = 2.0  # tokens read and checked, a model built, and at the end written and digested
DOUBT = "other programs took {:.0%} of the machine while its pace was measured: it is measured again when next asked"
WORTH = 5e12  # FLOPs from which on it pays to look for the best number of threads without being asked


def tokens_in_time(config: PretrainConfig, recipe: Recipe, measured: dict[str, Any]) -> int:
    """The tokens that `pretrain` reads here in its minutes: whole batches, at least one."""
    seconds = (config.minutes or 0.0) * 60
    step = pace_of(config, recipe, measured).step(config.accumulate)
    return max(1, round(max(seconds - AROUND_SECONDS, seconds / 4) / step)) * config.step_tokens


def tokens_for_parameters(config: PretrainConfig, recipe: Recipe) -> int:
    """So many tokens for each parameter of blocks and head: whole batches, at least one."""
    from hornbook.models.counts import parameters

    wanted = (config.tokens_a_parameter or 0.0) * parameters(shape_of(config, vocabulary(recipe))).multiplying
    return max(1, round(wanted / config.step_tokens)) * config.step_tokens


def estimate(config: PretrainConfig, recipe: Recipe, measured: dict[str, Any], *, thorough: bool) -> Estimate:
    """What the training will take. Raises InputError where it cannot fit into a processor's memory."""
    from hornbook.models.counts import flops_a_token, newton_schulz_flops, parameters
    from hornbook.models.float8 import demand_float8
    from hornbook.training.optimiser import NEWTON_SCHULZ_STEPS

    device, compile = machine_of(recipe)
    if config.fp8:
        demand_float8(device, "[pretrain] fp8")
    shape = shape_of(config, vocabulary(recipe))
    batching = fitted(shape, batching_of(config, device, compile), device)
    memory, limit = demand_memory(config, vocabulary(recipe), device=device, compile=compile), memory_of(device)
    count, a_token = parameters(shape), flops_a_token(shape, config.window)
    tokens = config.steps * config.step_tokens
    figures = {
        "parameters": count.total, "in_blocks": count.matrices, "in_embedding": count.embedding,
        "in_head": 0 if count.tied else count.head, "vocabulary": shape.vocab_size, "flops_a_token": a_token,
        "flops": a_token * tokens, "optimiser_flops": config.steps * newton_schulz_flops(shape, NEWTON_SCHULZ_STEPS),
        "tokens": tokens, "steps": config.steps, "step_tokens": config.step_tokens,
        "rows": config.rows, "window": config.window, "accumulate": config.accumulate, "device": device,
        "recomputed": batching.recomputed,
    }  # fmt: skip
    known = kept_pace(config, recipe, measured) is not None
    if not (thorough or known or (recipe.machine.threads is None and a_token * tokens > WORTH)):
        return Estimate(memory, limit, figures, _lines(figures))
    from hornbook.road.course import sample_steps

    pace = pace_of(config, recipe, measured)
    samples = len(sample_steps(config.steps)) * pace.sample
    around = START_SECONDS + samples + _checkpoints(config) * pace.checkpoint
    training = config.steps * pace.step(config.accumulate)
    low, high = (around + training * part for part in pace.spread)
    seconds = around + training
    if config.minutes:  # the cool-down ends in time
        seconds = low = high = config.minutes * 60
    figures |= {"tokens_per_second": round(config.step_tokens / pace.step(config.accumulate))}
    between = (round(low, 2), round(high, 2))
    doubt = DOUBT.format(pace.others) if pace.busy else None
    return Estimate(memory, limit, figures, _lines(figures), round(seconds, 2), between, pace.threads, doubt)


def demand_memory(config: PretrainConfig, vocabulary: int, *, device: str, compile: bool) -> dict[str, int]:
    """Bytes at the peak by part. Raises InputError where a processor has not so many."""
    from hornbook.training.memory import peak_memory

    shape = shape_of(config, vocabulary)
    batching = fitted(shape, batching_of(config, device, compile), device)
    memory, limit = peak_memory(shape, batching), memory_of(device)
    if device == "cpu" and sum(memory.values()) > limit:
        raise _refusal(config, shape, batching, sum(memory.values()), limit)
    return memory


def pace_of(config: PretrainConfig, recipe: Recipe, measured: dict[str, Any]) -> Pace:
    """The pace of this shape here: looked up in `measured`, or measured and kept there.

    What was measured while others kept the machine busy is only the best that is known: it is measured again by whoever
    asks next, until once the machine is quiet. Raises InputError for what does not fit into the memory.
    """
    key = _key(config, recipe)
    kept = kept_pace(config, recipe, measured)
    if kept is None or kept.busy:
        device, compile = machine_of(recipe)
        demand_memory(config, vocabulary(recipe), device=device, compile=compile)
        with progress_bar("measuring this machine's pace", None, "tokens") as bar:
            found = measured_pace(
                config, vocabulary(recipe), device=device, compile=compile, threads=recipe.machine.threads,
                document=document_tokens(recipe, config.window), told=bar.advance,
            )  # fmt: skip
        if kept is None or not found.busy or found.step(config.accumulate) < kept.step(config.accumulate):
            kept = found
        measured[key] = asdict(kept)
    return kept


def kept_pace(config: PretrainConfig, recipe: Recipe, measured: dict[str, Any]) -> Pace | None:
    """The pace of this shape here, where it was measured."""
    kept = measured.get(_key(config, recipe))
    return None if kept is None else Pace(**{**kept, "spread": tuple(kept["spread"])})


def _lines(of: dict[str, Any]) -> tuple[str, ...]:
    """The figures for people."""
    kinds = (("in_blocks", "in blocks"), ("in_embedding", "embedding"), ("in_head", "head"))
    parts = ", ".join(f"{_millions(of[key])} {name}" for key, name in kinds if of[key])
    batch = f"{of['rows']} rows of {of['window']}" + (f", {of['accumulate']} times" if of["accumulate"] > 1 else "")
    rate = f" at {of['tokens_per_second']:,} a second" if "tokens_per_second" in of else ""
    again = counted(of["recomputed"], "block")
    return (
        f"{_millions(of['parameters'])} parameters: {parts} (vocabulary of {of['vocabulary']:,})",
        f"reads {of['tokens']:,} tokens{rate} in {counted(of['steps'], 'step')} of {of['step_tokens']:,} ({batch})",
        f"computes {of['flops_a_token'] / 1e6:,.1f} MFLOP a token on {of['device']}, {of['flops']:.2e} FLOP in all, "
        f"and {of['optimiser_flops'] / of['flops']:.0%} of that more in the optimiser",
        *([f"computes {again} again on the way back, for want of memory"] if of["recomputed"] else []),
    )


def _millions(count: int) -> str:
    return f"{count / 1e6:,.1f}M" if count < 1e9 else f"{count / 1e9:,.2f}B"


def _checkpoints(config: PretrainConfig) -> float:
    """How many are written: some on the way, and one at the end of each part. A model that is kept is a third of one:
    weights without what the optimiser remembers."""
    from hornbook.road.course import LEGS

    stable, falling = config.parts
    legs = LEGS if config.minutes else 1
    parts = [stable, *([math.ceil(falling / legs)] * legs if falling else [])]
    kept = config.steps // config.keep_every / 3 if config.keep_every else 0
    return sum(math.ceil(part / config.checkpoint_every) for part in parts) + kept


def _key(config: PretrainConfig, recipe: Recipe) -> str:
    """What the pace depends on, the machine with it; not how much is read."""
    shape = shape_of(config, vocabulary(recipe))
    device, compile = machine_of(recipe)
    here = [device, compile, recipe.machine.threads, cores(), processor(), *(["fp8"] if config.fp8 else [])]
    document = document_tokens(recipe, config.window)
    return digest_json([shape.model_dump(), config.rows, config.window, document, *here])


def _refusal(
    config: PretrainConfig, shape: TransformerConfig, batching: Batching, needed: int, limit: int
) -> InputError:
    """What would fit: fewer rows at once, and so more batches a step; or, where one row is too much, another shape."""
    from hornbook.training.memory import peak_memory

    rows_a_step, fix = config.rows * config.accumulate, None
    for rows in (rows for rows in range(config.rows - 1, 0, -1) if rows_a_step % rows == 0):
        fewer = sum(peak_memory(shape, replace(batching, rows=rows, accumulate=rows_a_step // rows)).values())
        if fewer <= limit:
            times = rows_a_step // rows
            fix = f"set pretrain.rows = {rows} and pretrain.accumulate = {times}: that needs {size(fewer)}"
            break
    what = f"it needs {size(needed)} of memory at its peak, and there are {size(limit)}"
    return InputError(what, where="[pretrain]", fix=fix or "lower depth, pretrain.window or tokenizer.vocab_size")
