"""The small models of `hornbook scaling`: trained on the run's own tokens, by the recipe's own way of pretraining.

Each leaves one row in `scaling/trials.jsonl` beside the run's steps, so that a killed call goes on, a larger grid
trains what it lacks, and another fit trains nothing.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hornbook.core.digest import digest_json
from hornbook.core.errors import RecipeError
from hornbook.core.jsonl import read_jsonl, write_jsonl
from hornbook.core.processes import cores
from hornbook.core.seeds import derive
from hornbook.evaluation.scaling.grid import Shape, Trial
from hornbook.pipeline.config import Dial
from hornbook.pipeline.recipe import Recipe
from hornbook.pipeline.run import Run
from hornbook.pipeline.workspace import Workspace
from hornbook.road.artifacts import TokenizerArtifact, Tokens
from hornbook.road.learner import shape_of
from hornbook.road.pretrain_config import HEAD_DIM, PretrainConfig
from hornbook.road.runs import this_machine, workspace_of

if TYPE_CHECKING:
    from hornbook.evaluation.completion import Item
    from hornbook.inference.engine import Engine
    from hornbook.models.transformer import Transformer

VERSION = 1  # of a trial: by hand, when what it would come to changes
LARGEST = 24  # widths in heads that a grid may reach
LOSS_TOKENS = 1 << 16  # of held-out text by which models are compared
ITEMS, PROMPT, ANSWER = 256, 24, 8  # completions, and their tokens


@dataclass(frozen=True)
class Bench:
    """What every trial shares: the recipe's way of pretraining, the run's tokens, and where trials are kept."""

    recipe: Recipe

    @property
    def workspace(self) -> Workspace:
        return workspace_of(self.recipe)

    @property
    def folder(self) -> Path:
        """Where findings lie, beside the run's steps."""
        return self.workspace.folder / "scaling"

    @cached_property
    def base(self) -> PretrainConfig:
        """The section `[pretrain]`. Raises RecipeError where it goes on from a model: that has no size to vary."""
        config = self.recipe.configs["pretrain"]
        assert isinstance(config, PretrainConfig)
        if config.init is not None:
            what = "[pretrain] goes on from a model, whose size is what it is"
            raise RecipeError(what, where=self.recipe.path, fix="leave out init")
        return config

    @cached_property
    def tokens(self) -> Tokens:
        """The run's tokens. Raises InputError where it has none yet."""
        return self.workspace.current("tokens", Tokens)

    @cached_property
    def tokenizer(self) -> TokenizerArtifact:
        return self.workspace.current("tokenizer", TokenizerArtifact)

    @cached_property
    def vocabulary(self) -> int:
        return self.tokenizer.load().vocab_size

    @cached_property
    def machine(self) -> dict[str, Any]:
        """What changes no result: threads, device, and whether to compile."""
        asked, here = self.recipe.machine, this_machine()
        return {
            "threads": asked.threads or cores(),
            "device": here.pick_device(asked.device),
            "compile": here.can_compile() if asked.compile == "auto" else asked.compile,
        }

    @cached_property
    def shapes(self) -> list[Shape]:
        """What could be trained, by size: as many layers as heads, or one more. One layer alone cannot hold what copies
        (models/induction.py), and thin models of many layers are worse than their size: they follow other laws."""
        pairs = [(2, 1), *((depth, heads) for heads in range(2, LARGEST) for depth in (heads, heads + 1))]
        return sorted((self._shape(*pair) for pair in pairs), key=lambda shape: shape.parameters)

    def config(self, trial: Trial) -> PretrainConfig:
        """How a trial is trained: as the recipe says, of another shape and for so many tokens."""
        changes = _shaped(trial.shape.depth, trial.shape.width) | {"tokens": trial.tokens, "minutes": None}
        return self.base.model_copy(update=changes)

    def identity(self, trial: Trial) -> str:
        """What names a trial: equal ones are trained once."""
        asked = self.config(trial).model_dump(mode="json")
        return digest_json({"version": VERSION, "config": asked, "seed": trial.seed, "tokens": self.tokens.digest,
                            "recipe": self.recipe.dial.seed})

    def _shape(self, depth: int, heads: int) -> Shape:
        from hornbook.models.counts import flops_a_token, parameters

        config = self.base.model_copy(update=_shaped(depth, HEAD_DIM * heads))
        made = shape_of(config, self.vocabulary)
        return Shape(depth, config.width, parameters(made).multiplying, flops_a_token(made, config.window))


def kept(bench: Bench) -> dict[str, dict[str, Any]]:
    """The rows of the trials that were trained already, by identity."""
    path = bench.folder / "trials.jsonl"
    return {row["identity"]: row for row in read_jsonl(path)} if path.exists() else {}


def trained(bench: Bench, trials: Sequence[Trial], *, told: Callable[[Trial, dict[str, Any]], None]) -> list[dict]:
    """The rows of the trials in order, each trained unless its row is kept already; `told` hears of each. A killed
    trial goes on from its checkpoint."""
    rows = kept(bench)
    for trial in trials:
        identity = bench.identity(trial)
        if identity not in rows:
            rows[identity] = {"identity": identity, **_trained(bench, trial, identity)}
            write_jsonl(bench.folder / "trials.jsonl", rows.values())
        told(trial, rows[identity])
    return [rows[bench.identity(trial)] for trial in trials]


def _trained(bench: Bench, trial: Trial, identity: str) -> dict[str, Any]:
    from hornbook.models.device import use_processor
    from hornbook.road.course import Course, Samples
    from hornbook.road.learner import build

    partial = bench.workspace.partial / f"scaling~{identity[:16]}"
    run = Run(partial, step="scaling", seed=derive(bench.recipe.dial.seed, "scaling", trial.seed), **bench.machine)
    use_processor(run.threads, compile=run.compile, warn=run.warn)
    config, encoder = bench.config(trial), bench.tokenizer.load()
    model = build(config, encoder.vocab_size, seed=derive(run.seed, "weights"), device=run.device)
    label = f"{trial.shape.depth} layers of {trial.shape.width}"
    with run.progress(label, config.steps * config.step_tokens, "tokens") as bar:
        course = Course(config, model, run, bar)
        course.read(bench.tokens.train(), Samples(run.out / "samples.jsonl", model, encoder, []))
    row = {
        "depth": trial.shape.depth, "width": trial.shape.width, "parameters": trial.shape.parameters,
        "tokens": sum(part.tokens for part in course.parts.values()), "seed": trial.seed,
        "flops": trial.shape.flops * trial.tokens, "seconds": round(course.seconds, 2),
        "skipped": sum(part.skipped for part in course.parts.values()), **_measured(bench, model, config),
    }  # fmt: skip
    shutil.rmtree(partial)
    return row


def _measured(bench: Bench, model: Transformer, config: PretrainConfig) -> dict[str, Any]:
    """The loss on held-out text in nats a token, in fp32, and how completions fare."""
    import numpy as np

    from hornbook.evaluation.completion import complete, measures, next_tokens, spans
    from hornbook.inference.engine import Engine

    model.compute_dtype = None
    engine = Engine(model, bench.tokenizer.load())
    heldout, seed = list(bench.tokens.heldout()), derive(0, "scaling")
    length = min(config.window, max(map(len, heldout)))
    read = spans(heldout, length, most=max(1, LOSS_TOKENS // length), seed=seed)
    loss = -float(np.concatenate(engine.score([ids.tolist() for ids in read])).astype(np.float64).mean())
    text = next_tokens(spans(heldout, min(PROMPT + ANSWER, length), most=ITEMS, seed=seed), ANSWER)
    found = {"loss": loss, "text": measures(complete(engine, text))}
    questions = _questions(bench, engine)
    return found | ({"questions": measures(complete(engine, questions))} if questions else {})


def _questions(bench: Bench, engine: Engine) -> list[Item]:
    """The questions of the recipe's exams, asked as a base model is asked; none where it names no exam."""
    from hornbook.conversations.from_pages import draw
    from hornbook.conversations.rows import files_in
    from hornbook.evaluation.completion import Item
    from hornbook.evaluation.exams import read_exams
    from hornbook.evaluation.few_shot import few_shot
    from hornbook.road.artifacts import Corpus
    from hornbook.road.evaluate import EvaluateConfig

    config = bench.recipe.configs.get("evaluate")
    if not isinstance(config, EvaluateConfig) or not config.exams:
        return []
    documents = bench.workspace.current("corpus", Corpus).documents().select(["url", "title", "text"]).to_pylist()
    drawn = [item for _, asked in draw(documents) for item in asked]
    window, seed = engine.model.config.max_position_embeddings, derive(0, "few-shot")
    ask = few_shot(
        drawn, engine.tokenizer, shots=config.shots, max_tokens=config.max_tokens, window=window, seed=seed
    )
    asked = [question for question in read_exams(files_in(config.exams)) if question.kind == "qa"][:ITEMS]
    items = [Item(ask(each).ids or (), engine.tokenizer.encode(f" {each.answers[0]}")) for each in asked]
    return [item for item in items if len(item.prompt) + len(item.answer) <= window]


def _shaped(depth: int, width: int) -> dict[str, Any]:
    """The keys of a shape, as the dial derives them of a width."""
    derived = PretrainConfig.defaults(Dial("laptop", width // HEAD_DIM, 0))
    return {name: derived[name] for name in ("width", "heads", "key_value_heads", "feed_forward")} | {"depth": depth}
