"""Step 10, the reward model: which of two answers the rater would like better, learned from the comparisons."""

from __future__ import annotations

import math
import shutil
from typing import TYPE_CHECKING, Any

from pydantic import Field

from hornbook.core.seeds import derive
from hornbook.pipeline.config import Dial, StageConfig
from hornbook.pipeline.run import Run
from hornbook.pipeline.stage import stage
from hornbook.road.artifacts import Comparisons, Model, RewardModelArtifact
from hornbook.road.ranked import bootstrap, fitting, length_only, right_pairs, split
from hornbook.road.sizes import SIZES

if TYPE_CHECKING:
    from hornbook.pipeline.recipe import Recipe
    from hornbook.training.comparisons import Ranked
    from hornbook.training.fit import FitResult
    from hornbook.training.judge import Judge
    from hornbook.training.scorer import Scorer

SCALE_PROMPTS = 256


class RewardConfig(StageConfig):
    """The section `[reward]`."""

    epochs: int = Field(1, ge=1, le=20, description="times each comparison is read, from 1")
    rows: int = Field(32, ge=1, description="comparisons a step")
    window: int = Field(512, ge=16, description="tokens a row that answers are packed into")
    lr: float = Field(0.25, gt=0, le=10, description="times pretraining's learning rates")
    max_tokens: int = Field(64, ge=1, description="the longest answer sampled to find the rewards' scale")

    @classmethod
    def defaults(cls, dial: Dial) -> dict[str, Any]:
        size = SIZES.get(dial.size)
        return {"window": size.window if size else 512, "rows": 8 if dial.size == "tiny" else 32}

    def estimate(self, recipe: Recipe, measured: dict[str, Any], *, thorough: bool) -> None:
        from hornbook.road.room import demand_room

        demand_room(recipe, "reward", models=1, trained=1)

    def about_seconds(self) -> float:
        return 40.0


@stage(version=4)
def reward(config: RewardConfig, sft: Model, preferences: Comparisons, run: Run) -> RewardModelArtifact:
    """From the SFT model with a scalar head, Bradley-Terry over the derived pairs (Ouyang et al., arXiv:2203.02155).

    The answer's likelihood under the model's own language head counts as well (`training/judge.py`). The scalar head
    starts at zero: few comparisons do not unlearn a random start of deviation 1 / sqrt(D + 1), which costs accuracy.
    The rewards are brought to mean 0 and deviation 1 on fresh answers of the SFT model; that scale lies beside the
    weights (`scale.safetensors`). Metrics, on held-out pairs: reward_accuracy with its interval (bootstrap over
    comparisons), reward_ceiling (the rater's second ranking against his first; None where nobody ranked twice),
    reward_length_only ("longer wins" or "shorter wins", whichever the training pairs favour).
    Raises InputError when no answer was ranked above another.
    """
    from hornbook.models import pick_dtype, save_reward_model
    from hornbook.models.device import use_processor
    from hornbook.training.judge import Judge

    use_processor(run.threads, compile=run.compile, warn=run.warn)
    tokenizer = sft.tokenizer()
    rows, heldout = split(preferences)
    model = Judge(sft.load(run.device)).to(run.device)
    model.transformer.compute_dtype = pick_dtype(run.device)
    longest = model.transformer.config.max_position_embeddings
    learned = fitting(rows, tokenizer, longest, run)
    result = _trained(config, model, learned, run)
    scorer = _scaled(config, sft, model, learned, run)
    save_reward_model(model, run.out)
    scorer.save_scale(run.out)
    tokenizer.save(run.out)
    weight = model.likelihood.item()
    run.metric(reward_mean=scorer.mean, reward_deviation=scorer.deviation, reward_likelihood=weight)
    run.metric(**_judged(scorer, fitting(heldout, tokenizer, longest, run), rows, heldout, run))
    run.count(inputs=len(rows), outputs=sum(len(item.pairs) for item in learned), tokens=result.tokens)
    return RewardModelArtifact(run.out)


def _trained(config: RewardConfig, model: Judge, learned: list[Ranked], run: Run) -> FitResult:
    from hornbook.training.checkpoint import Keep
    from hornbook.training.comparisons import ComparisonBatches
    from hornbook.training.fit import fit
    from hornbook.training.objectives.reward import reward as objective
    from hornbook.training.optimiser import Optimiser, Rates
    from hornbook.training.schedule import warmup_stable_cooldown

    order = derive(run.seed, "order")
    batches = ComparisonBatches(learned, rows=config.rows, seed=order, epochs=config.epochs, window=config.window)
    height = warmup_stable_cooldown(len(batches), warmup=0.1, cooldown=0.6)
    with run.progress("reward", len(batches), "steps") as bar:
        result = fit(
            model, batches, objective, Optimiser(model, Rates()), lambda step: config.lr * height(step),
            folder=run.work / "fit", device=run.device, steps=len(batches),
            checkpoint_every=max(10, len(batches) // 4), keep=Keep(run.checkpoints), warn=run.warn,
            on_step=lambda step, row: bar.advance(1, f"loss {row.get('loss', math.nan):.3f}"),
        )  # fmt: skip
    shutil.copy(run.work / "fit" / "metrics.jsonl", run.out / "metrics.jsonl")
    return result


def _scaled(config: RewardConfig, sft: Model, model: Judge, learned: list[Ranked], run: Run) -> Scorer:
    """The reward model on the scale of fresh answers of the SFT model to some of the prompts."""
    from hornbook.inference import Engine, Request, Sampling
    from hornbook.models import pick_dtype
    from hornbook.training.scorer import Scorer

    policy = sft.load(run.device)
    policy.compute_dtype = pick_dtype(run.device)
    prompts = [item.prompt for item in learned[:: max(1, len(learned) // SCALE_PROMPTS)]]
    requests = [
        Request(ids=ids, sampling=Sampling(1.0, max_tokens=config.max_tokens, seed=derive(run.seed, "scale", index)))
        for index, ids in enumerate(prompts)
    ]
    answers = [completion.ids for completion in Engine(policy, sft.tokenizer()).generate(requests)]
    return Scorer(model, config.window).scaled_on(prompts, answers)


def _judged(scorer: Scorer, ranked: list[Ranked], rows: list[dict], heldout: list[dict], run: Run) -> dict[str, Any]:
    """The figures on the held-out comparisons."""
    from hornbook.conversations.comparisons import agreement

    n = sum(len(item.pairs) for item in ranked)
    if not n:
        run.warn("no comparison is held out: the reward model's accuracy is not known")
        return {"reward_accuracy": None, "reward_ceiling": None, "reward_length_only": None, "reward_pairs": 0}
    prompts = [item.prompt for item in ranked for _ in item.answers]
    found = scorer(prompts, [answer for item in ranked for answer in item.answers])
    right = right_pairs(ranked, found.tolist())
    twice = [row for row in heldout if "again" in row]
    ceiling, ceiling_pairs = agreement([row["ranking"] for row in twice], [row["again"] for row in twice])
    return {
        "reward_accuracy": sum(map(sum, right)) / n,
        "reward_accuracy_interval": bootstrap(right, derive(run.seed, "bootstrap")),
        "reward_pairs": n,
        "reward_ceiling": ceiling if ceiling_pairs else None,
        "reward_length_only": length_only(rows, heldout),
    }
