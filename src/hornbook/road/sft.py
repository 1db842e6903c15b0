"""Step 8, fine-tuning: from a model that goes on with text to one that answers, in two rounds.

The first round learns the conversations. Then the knowledge probe asks the model what its pages ask, and the second
round adds "I don't know" for what it misses, and for what does not exist.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from hornbook.core.errors import InputError
from hornbook.core.seeds import derive
from hornbook.pipeline.config import Dial, Estimate, StageConfig
from hornbook.pipeline.run import Run
from hornbook.pipeline.stage import stage
from hornbook.road.artifacts import Conversations, Model
from hornbook.road.mixture import Portions
from hornbook.road.sizes import SIZES, rows_of

if TYPE_CHECKING:
    from hornbook.conversations.probe import Probed
    from hornbook.models.transformer import Transformer
    from hornbook.pipeline.recipe import Recipe
    from hornbook.tokens.tokenizer import Tokenizer

TOKENS = {"tiny": (40_000, 20_000), "laptop": (200_000, 700_000)}  # of the two rounds
BEYOND = (40_000_000, 16_000_000)


class SftConfig(StageConfig):
    """The section `[sft]`. Weights are learned on the assistant's words and the end of its turn alone."""

    later: ClassVar = ("accumulate",)

    tokens: int = Field(200_000, ge=1, description="tokens of the first round, padding counted")
    second_tokens: int = Field(700_000, ge=1, description="tokens of the second round")
    window: int = Field(512, ge=32, description="tokens a row; pretraining's, so that on a GPU one graph serves both")
    rows: int = Field(8, ge=1, description="rows a batch; pretraining's too")
    accumulate: int = Field(1, ge=1, description="batches a step")
    lr: float = Field(0.6, gt=0, description="the learning rates, as a part of pretraining's")
    refusals: float = Field(0.2, ge=0, lt=1, description="share of the second round that refuses, below 1")
    mixture: Portions = Field(
        {}, description="sources of conversations with weights, such as {chats = 3, pages = 1}; left out, as they come"
    )
    samples: int = Field(2, ge=0, description="answers sampled for each question of the probe, beside the likeliest")

    @classmethod
    def defaults(cls, dial: Dial) -> dict[str, Any]:
        first, second = TOKENS.get(dial.size, BEYOND)
        size = SIZES.get(dial.size, SIZES["laptop"])
        rows, accumulate = rows_of(size.batch_tokens, size.window)
        sizes = {"window": size.window, "rows": rows, "accumulate": accumulate}
        return {"tokens": first, "second_tokens": second, **sizes}

    def estimate(self, recipe: Recipe, measured: dict[str, Any], *, thorough: bool) -> Estimate | None:
        from hornbook.road.room import room_to_tune

        return room_to_tune(recipe, "sft", rows=self.rows, window=self.window)

    def about_seconds(self) -> float:
        return (self.tokens + self.second_tokens) / 9_000


@stage(version=4)
def sft(config: SftConfig, pretrain: Model, conversations: Conversations, run: Run) -> Model:
    """Fine-tune the base model in two rounds, with the probe between them; goes on where it was stopped.

    Writes the model, `probe.jsonl` (what it was asked, said and missed) and `metrics.jsonl`. Raises InputError when
    there is no conversation, RecipeError for sources that there are not.
    """
    from hornbook.conversations.probe import missed_questions
    from hornbook.core.jsonl import read_jsonl, write_jsonl
    from hornbook.models.device import pick_dtype, use_processor
    from hornbook.models.files import save_model

    use_processor(run.threads, compile=run.compile, warn=run.warn)
    rows = list(conversations.rows())
    if not rows:
        raise InputError("there is no conversation to learn from", where=conversations.path,
                         fix="import some: conversations.imports in the recipe, or `hornbook conversations --write`")
    model, tokenizer = pretrain.load(run.device), pretrain.tokenizer()
    model.compute_dtype = pick_dtype(run.device)
    _learn(config, model, tokenizer, rows, config.tokens, "round1", run)
    probed = _probed(config, model, tokenizer, list(read_jsonl(conversations.path / "probe.jsonl")), run)
    missed = missed_questions(probed)
    invented = list(read_jsonl(conversations.path / "invented.jsonl"))
    second = second_round(rows, missed, invented, share=config.refusals, seed=derive(run.seed, "second"))
    _learn(config, model, tokenizer, second, config.second_tokens, "round2", run)
    save_model(model, run.out)
    tokenizer.save(run.out)
    write_jsonl(run.out / "probe.jsonl", (vars(item) | {"missed": item.question in missed} for item in probed))
    logs = [(number, run.work / f"round{number}" / "metrics.jsonl") for number in (1, 2)]
    write_jsonl(run.out / "metrics.jsonl", ({"round": number} | row for number, log in logs for row in read_jsonl(log)))
    run.metric(probed=len(probed), known=sum(item.knows for item in probed), missed=len(missed),
               refusals=_refusing(second), conversations=len(rows),
               simulated=sum(bool(row.get("simulated")) for row in rows))
    run.count(inputs=len(rows), outputs=len(second), tokens=config.tokens + config.second_tokens)
    return Model(run.out)


def second_round(rows: Sequence[dict], missed: set[str], invented: Sequence[dict], *, share: float,
                 seed: int) -> list[dict]:
    """The first round's rows, those that ask what the model misses now answered by a refusal, and refusals of what does
    not exist until `share` of all refuse. Only what is missed is refused: every other row stays as it is."""
    from random import Random

    from hornbook.conversations.formats import conversation, exchange
    from hornbook.conversations.refusals import REFUSALS

    random = Random(seed)
    kept = [row for row in rows if row["messages"][0]["content"] not in missed]
    refusing = [
        conversation(exchange(question, random.choice(REFUSALS)), origin="page", kind="missed")
        for question in sorted(missed)
    ]
    # Missed questions have names that exist: more of them than of invented ones would teach to refuse whoever is asked.
    wanted = round(share * len(kept) / (1 - share))
    refusing = random.sample(refusing, min(len(refusing), wanted // 2))
    invented = random.sample(list(invented), min(len(invented), wanted - len(refusing)))
    return [*kept, *refusing, *invented]


def _refusing(rows: Sequence[dict]) -> dict[str, int]:
    return {kind: sum(row["kind"] == kind for row in rows) for kind in ("missed", "absent")}


def _learn(config: SftConfig, model: Transformer, tokenizer: Tokenizer, rows: Sequence[dict], tokens: int, name: str,
           run: Run) -> None:
    """One round: `tokens` tokens of the rows, in an order keyed by the seed, from fresh momenta."""
    import numpy as np

    from hornbook.conversations.formats import source_of
    from hornbook.road.mixture import mixed
    from hornbook.tokens.chat import render
    from hornbook.tokens.loader import PackedBatches
    from hornbook.training.checkpoint import Keep
    from hornbook.training.compiled import compiled
    from hornbook.training.fit import fit
    from hornbook.training.objectives.next_token import next_token
    from hornbook.training.optimiser import Optimiser
    from hornbook.training.schedule import warmup_stable_cooldown

    rendered = [render(tokenizer, row["messages"]) for row in rows]
    step_tokens = config.window * config.rows * config.accumulate
    steps, seed = max(1, tokens // step_tokens), derive(run.seed, name)
    names, sources = np.unique([source_of(row) for row in rows], return_inverse=True)
    sizes, gains = np.array([[len(item.ids) - 1, sum(item.weights[1:])] for item in rendered]).T
    order, shares = mixed(
        config.mixture, names.tolist(), sources, sizes, gains, horizon=steps * step_tokens, seed=seed, section="sft",
        run=run,
    )
    if shares:
        run.metric(mixture=run.metrics.get("mixture", {}) | {name: shares})
    batches = PackedBatches(
        [item.ids for item in rendered], [item.weights for item in rendered], window=config.window, rows=config.rows,
        seed=seed, order=order,
    )
    schedule = warmup_stable_cooldown(steps, warmup=0.05, cooldown=0.7)
    with run.progress(f"sft: {name}", steps * step_tokens, "tokens") as bar:
        fit(
            model, batches, compiled(next_token, run.device, wanted=run.compile), Optimiser(model),
            lambda step: config.lr * schedule(step), folder=run.work / name, device=run.device, steps=steps,
            on_step=lambda step, row: bar.advance(step_tokens, f"loss {row.get('loss', 0.0):.3f}"),
            checkpoint_every=max(10, steps // 4), accumulate=config.accumulate, keep=Keep(run.checkpoints),
            warn=run.warn,
        )


def _probed(
    config: SftConfig, model: Transformer, tokenizer: Tokenizer, rows: Sequence[dict], run: Run
) -> list[Probed]:
    """The probe's findings; kept in the work folder, so that a second attempt need not ask again."""
    from hornbook.conversations.page import fits
    from hornbook.conversations.probe import Probed, probe
    from hornbook.core.jsonl import read_jsonl, write_jsonl
    from hornbook.inference.engine import Engine
    from hornbook.inference.requests import Request

    found: Path = run.work / "probe.jsonl"
    if not found.exists():
        engine = Engine(model, tokenizer)
        asked = [(row["messages"][0]["content"], row["messages"][-1]["content"], row["url"]) for row in rows
                 if fits(engine, Request(messages=row["messages"][:1]))]
        write_jsonl(found, map(vars, probe(engine, asked, samples=config.samples, seed=derive(run.seed, "probe"))))
    return [Probed(**{**row, "said": tuple(row["said"])}) for row in read_jsonl(found)]
