"""Step 5, pretraining: a transformer reads the tokens, from fresh weights or on from an open model's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hornbook.core.seeds import derive
from hornbook.pipeline.run import Run
from hornbook.pipeline.stage import stage
from hornbook.road.artifacts import Model, TokenizerArtifact, Tokens
from hornbook.road.learner import build
from hornbook.road.open_model import demand_tokens_of
from hornbook.road.pretrain_config import PretrainConfig

if TYPE_CHECKING:
    from hornbook.models.transformer import Transformer
    from hornbook.training.parallel.world import World


@stage(version=7, torchrun=True)
def pretrain(config: PretrainConfig, tokens: Tokens, tokenizer: TokenizerArtifact, run: Run) -> Model:
    """Train on `tokens` and write a model folder with its tokenizer, `metrics.jsonl` and `samples.jsonl`. Where
    `minutes` were asked for the cool-down is as long as they leave.

    A killed attempt goes on from its last checkpoint bit for bit. Metrics: parameters, loss, rates, and what the
    `mixture` came to. Raises InputError when `init` has other tokens, RecipeError for sources that there are not.
    """
    import torch

    from hornbook.core.jsonl import write_jsonl
    from hornbook.models.counts import flops_a_token
    from hornbook.models.device import use_processor
    from hornbook.models.kernels import has_kernels
    from hornbook.models.peak import peak_flops
    from hornbook.road.course import Course, Samples
    from hornbook.training.parallel.place import place
    from hornbook.training.parallel.world import World

    use_processor(run.threads, compile=run.compile, warn=run.warn)
    encoder, train = tokenizer.load(), tokens.train()
    if config.init is not None:
        demand_tokens_of(config.init, encoder)
    world = World.join(run.device, tensor=run.tensor, shard=run.shard)
    model = build(config, encoder.vocab_size, seed=derive(run.seed, "weights"), device=run.device)
    place(model, world, compile=run.compile and run.device != "cpu")
    _recompute_by_need(model, config, run, world)
    with run.progress("pretrain", config.steps * config.step_tokens, "tokens") as bar:
        course = Course(config, model, run, bar, world)
        course.read(train, Samples(run.out / "samples.jsonl", model, encoder, list(tokens.heldout()), world))
    course.save(run.out)
    if not world.first:
        world.leave()
        return Model(run.out)
    encoder.save(run.out)
    peak = peak_flops(run.device, model.compute_dtype or torch.float32)
    share = None if peak is None else flops_a_token(model.config, config.window) / (peak * world.size)
    rows = [row if share is None else row | {"mfu": row["tokens_per_second"] * share} for row in course.rows()]
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


def _figures(model: Transformer, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Parameters, the loss over the last twentieth of the steps in nats a token, the usual rate, and which share of the
    device's that makes."""
    from statistics import fmean, median

    losses = [row["loss"] for row in rows[-max(1, len(rows) // 20) :] if "loss" in row]
    return {
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "loss": fmean(losses) if losses else None,
        "tokens_per_second": median(row["tokens_per_second"] for row in rows),
        "dtype": str(model.compute_dtype).removeprefix("torch."),
        **({"mfu": median(row["mfu"] for row in rows)} if "mfu" in rows[0] else {}),
    }


def _recompute_by_need(model: Transformer, config: PretrainConfig, run: Run, world: World) -> None:
    """On a GPU whose memory the activations would not fit, have some blocks computed again on the way back."""
    from dataclasses import replace

    from hornbook.core.words import counted
    from hornbook.road.here import batching_of, fitted
    from hornbook.training.parallel.world import shared_rows

    if world.parted:  # what a part of a model needs is not reckoned
        return
    rows, accumulate = shared_rows(config.rows, config.accumulate, world.readers)
    batching = batching_of(config, run.device, run.compile)
    batching = replace(batching, rows=rows // world.readers, accumulate=accumulate)
    model.recomputed = fitted(model.config, batching, run.device).recomputed
    if model.recomputed:
        run.note(f"the activations do not fit the GPU's memory: those of {counted(model.recomputed, 'block')} of "
                 f"{model.config.num_hidden_layers} are computed again on the way back")  # fmt: skip
