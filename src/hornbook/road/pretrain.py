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


@stage(version=7, torchrun=True)
def pretrain(config: PretrainConfig, tokens: Tokens, tokenizer: TokenizerArtifact, run: Run) -> Model:
    """Train on `tokens` and write a model folder with its tokenizer, `metrics.jsonl` and `samples.jsonl`. Where
    `minutes` were asked for the cool-down is as long as they leave.

    A killed attempt goes on from its last checkpoint bit for bit. Metrics: parameters, loss, rates, and what the
    `mixture` came to. Raises InputError when `init` has other tokens, RecipeError for sources that there are not.
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
    if config.init is not None:
        demand_tokens_of(config.init, encoder)
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
