"""Step 11, reinforcement learning: GRPO against a verifier on word problems, then PPO against the reward model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from hornbook.core.seeds import derive
from hornbook.pipeline.config import Dial, InputPath, StageConfig
from hornbook.pipeline.run import Run
from hornbook.pipeline.stage import stage
from hornbook.road.artifacts import Comparisons, Conversations, Model, RewardModelArtifact
from hornbook.road.sft import SftConfig
from hornbook.road.sizes import SIZES

if TYPE_CHECKING:
    from hornbook.models.transformer import Transformer
    from hornbook.pipeline.recipe import Recipe

TINY = {"grpo_steps": 4, "ppo_steps": 4, "draws": 12, "max_tokens": 32, "dpo_rows": 8, "replay_rows": 4}


class RlConfig(StageConfig):
    """The section `[rl]`. A step of GRPO is one update from one rollout; PPO makes two updates from each."""

    problems: list[InputPath] = Field([], description="files of problems, as exams; else the conversations' own")
    kinds: list[str] = Field(["problem", "exercise"], description="kinds of conversations that solve problems")
    grpo_steps: int = Field(12, ge=0, description="updates against the verifier; 0 leaves GRPO out")
    ppo_steps: int = Field(12, ge=0, multiple_of=2, description="updates against the reward model, even; 0 for none")
    draws: int = Field(48, ge=1, description="prompts a rollout")
    group: int = Field(4, ge=2, description="answers to each prompt, from 2")
    max_tokens: int = Field(64, ge=1, description="the longest answer")
    window: int = Field(512, ge=16, description="tokens a row that answers are packed into")
    grpo_lr: float = Field(0.2, gt=0, le=10, description="times pretraining's learning rates")
    ppo_lr: float = Field(0.08, gt=0, le=10, description="times pretraining's learning rates")
    kl_target: float = Field(6.0, gt=0, description="how far an answer may go from the SFT model's, in nats")
    kl_weight: float = Field(0.05, gt=0, description="the KL penalty's weight at the start, moved by the target")
    replay: float = Field(0.3, ge=0, description="weight, with GRPO, of reading again what SFT taught; 0 for none")
    replay_rows: int = Field(8, ge=1, description="rows of that a step")
    refusals: float = Field(0.1, ge=0, lt=1, description="share of them that refuses, below SFT's")
    truth: float = Field(1.0, ge=0, description="weight of a right answer beside the reward model's score, in PPO")
    silence: float = Field(-0.5, ge=-1, le=1, description="worth of not knowing what is known; a wrong answer's is -1")
    kept_up: float = Field(0.1, ge=0, lt=1, description="share of PPO's prompts that are GRPO's problems, kept up")
    control: bool = Field(True, description="also go on with SFT on solved problems for GRPO's tokens")
    control_rows: int = Field(16, ge=1, description="its rows a step: SFT's")
    control_lr: float = Field(0.6, gt=0, le=10, description="SFT's learning rates, as a part of pretraining's")
    dpo: bool = Field(False, description="train a model straight from the comparisons as well, to compare with")
    dpo_lr: float = Field(0.03, gt=0, le=10, description="times pretraining's learning rates")
    dpo_rows: int = Field(32, ge=1, description="comparisons a step of DPO")

    @classmethod
    def defaults(cls, dial: Dial) -> dict[str, Any]:
        size, sft = SIZES.get(dial.size, SIZES["laptop"]), SftConfig(**SftConfig.defaults(dial))
        known = {"window": size.window, "control_rows": sft.rows, "control_lr": sft.lr}
        return known | (TINY if dial.size == "tiny" else {})

    def estimate(self, recipe: Recipe, measured: dict[str, Any], *, thorough: bool) -> None:
        from hornbook.road.room import demand_room

        ppo = {"models": 4, "trained": 2}  # policy and critic; the reward model, and the model the policy began as
        demand_room(recipe, "rl", **(ppo if self.ppo_steps else {"models": 2, "trained": 1}))

    def about_seconds(self) -> float:
        return 2.4 * self.grpo_steps + 1.8 * self.ppo_steps + 10.0 * self.control + 20.0 * self.dpo


@stage(version=10)
def rl(
    config: RlConfig,
    sft: Model,
    reward: RewardModelArtifact,
    conversations: Conversations,
    preferences: Comparisons,
    run: Run,
) -> Model:
    """GRPO on the problems, PPO from there on the comparisons' prompts; goes on where it was stopped. Beside its
    problems GRPO reads what SFT taught; PPO has some of the problems among its prompts, and counts what is true beside
    what the reward model likes: so nothing is unlearned for their sake.

    Writes the model; `grpo/` (the model between the two), `control/` (SFT continued on the solved problems for GRPO's
    tokens) and `dpo/`, each a model's folder, where they were asked for; `metrics-*.jsonl` and `samples-*.jsonl`, a row
    a step. Metric: rl_kl (nats an answer, from the SFT model) on held-out prompts. Where no conversation has a number
    to find, GRPO has nothing to practise on and is left out, with a warning.
    """
    from hornbook.models.device import use_processor
    from hornbook.models.files import save_model
    from hornbook.road import rl_preferences, rl_problems, rl_work

    use_processor(run.threads, compile=run.compile, warn=run.warn)
    tokenizer = sft.tokenizer()
    work = rl_work.start(config, tokenizer, conversations, run)
    policy = rl_work.loaded(sft, run)
    tokens = 0

    def keep(model: Transformer, name: str = "") -> None:
        save_model(model, run.out / name)
        tokenizer.save(run.out / name)

    if config.grpo_steps and work.problems:
        earlier = rl_problems.earlier(work, sft, conversations)
        tokens += (practised := rl_problems.grpo(work, policy, earlier))
        keep(policy, "grpo")
        if config.control and work.worked:
            control = rl_work.loaded(sft, run)
            rl_problems.continue_sft(work, control, practised)
            keep(control, "control")
    elif config.grpo_steps:
        run.warn(f"no conversation of the kinds {', '.join(config.kinds)} has a number to find: GRPO is left out")
    if config.ppo_steps:
        told = rl_preferences.references(conversations)
        tokens += rl_preferences.ppo(work, policy, rl_work.loaded(sft, run), reward, preferences, told)
    keep(policy)
    if config.dpo:
        chosen = rl_work.loaded(sft, run)
        tokens += rl_preferences.dpo(work, chosen, preferences)
        keep(chosen, "dpo")
    kl = rl_preferences.drift(work, policy, rl_work.loaded(sft, run), preferences, derive(run.seed, "drift"))
    run.metric(rl_kl=kl)
    run.count(inputs=len(work.problems), tokens=tokens)
    return Model(run.out)
