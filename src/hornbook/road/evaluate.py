"""Step 6, evaluation of any model: bits per byte and few-shot answers of a base model, exams of one that chats.

The stage stands three times on the road. `rival` is the model to compare with, blind, and `rival_scores` its own
evaluation, so that it is not asked again what it was asked there.
"""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

from pydantic import Field

from hornbook.core.seeds import derive
from hornbook.pipeline.config import InputPath
from hornbook.pipeline.run import Run
from hornbook.pipeline.stage import stage
from hornbook.road.artifacts import Corpus, Model, Scores, Tokens
from hornbook.road.open_book import OpenBookConfig

if TYPE_CHECKING:
    from hornbook.evaluation.sheet import Sheet
    from hornbook.inference.engine import Engine

BASE_STAGE = "pretrain"
CONTROL = "control"  # the folder in which `rl` leaves the model that only went on with SFT


class EvaluateConfig(OpenBookConfig):
    """The section `[evaluate]`."""

    exams: list[InputPath] = Field([], description="files of questions; without any an exam is drawn from the pages")
    questions: int = Field(1000, ge=1, description="questions a kind, at most")
    shots: int = Field(4, ge=0, description="questions with answers put before the one a base model is asked")
    max_tokens: int = Field(64, ge=1, description="the longest answer")
    rater: str | None = Field(None, description='who compares two models: "module:function"; nobody when left out')
    rater_data: InputPath | None = Field(None, description="the folder given to the rater")

    def about_seconds(self) -> float:
        return 20.0


@stage(version=6)
def evaluate(
    config: EvaluateConfig,
    model: Model,
    tokens: Tokens,
    corpus: Corpus,
    rival: Model | None = None,
    rival_scores: Scores | None = None,
    *,
    run: Run,
) -> Scores:
    """Write scores.json, `{figure: {"value", "n", "interval", "chance"}}` (null, with "why", where it cannot be had),
    and answers.jsonl, one row a question: figure, question, what was said, whether it was right."""
    from hornbook.core.files import write_text
    from hornbook.core.jsonl import write_jsonl
    from hornbook.models.device import use_processor

    use_processor(run.threads, compile=run.compile, warn=run.warn)
    sheet = _sheet(config, model, corpus, run)
    if model.record.stage == BASE_STAGE:
        _base(config, sheet, model, corpus, tokens, run)
    else:
        _chat(config, sheet, run)
        if rival is not None:
            _compare(config, sheet, rival, rival_scores, run)
        _control(sheet, model, run)
    write_jsonl(run.out / "answers.jsonl", sheet.answers)
    write_text(run.out / "scores.json", json.dumps(sheet.scores, indent=2) + "\n")
    run.metric(**{name: row["value"] for name, row in sheet.scores.items()})
    run.count(inputs=len(sheet.questions), outputs=len(sheet.scores))
    for name, row in sheet.scores.items():
        if row["value"] is None:
            run.warn(f"{name} could not be had: {row['why']}")
    return Scores(run.out)


def _sheet(config: EvaluateConfig, model: Model, corpus: Corpus, run: Run) -> Sheet:
    from hornbook.conversations.rows import files_in
    from hornbook.evaluation.sheet import Sheet, exam

    documents = corpus.documents().select(["url", "title", "text"]).to_pylist()
    questions, grade = exam(files_in(config.exams), documents, most=config.questions)
    return Sheet(_engine(model, run), questions, documents, grade, config.max_tokens)


def _base(config: EvaluateConfig, sheet: Sheet, model: Model, corpus: Corpus, tokens: Tokens, run: Run) -> None:
    from hornbook.evaluation.base import heldout_figures, known_figures, samples

    train, heldout = list(tokens.train()), list(tokens.heldout())
    texts = [str(text) for text in corpus.heldout().column("text").to_pylist()]
    window = sheet.engine.model.config.max_position_embeddings
    exact = _engine(model, run, exact=True)
    heldout_figures(sheet, exact, train, heldout, texts, window=window, seed=derive(run.seed, "heldout"))
    known_figures(sheet, shots=config.shots)
    samples(sheet, heldout)


def _chat(config: EvaluateConfig, sheet: Sheet, run: Run) -> None:
    from hornbook.evaluation.chat import closed_figures, open_figures

    closed_figures(sheet)
    index = run.work / "index"
    shutil.rmtree(index, ignore_errors=True)  # what a killed attempt left
    open_figures(sheet, index, config.passage_words)


def _compare(config: EvaluateConfig, sheet: Sheet, rival: Model, scores: Scores | None, run: Run) -> None:
    from hornbook.conversations.raters import program_rater
    from hornbook.evaluation.chat import rival_figures

    rater = program_rater(config.rater, config.rater_data, derive(run.seed, "rater")) if config.rater else None
    rival_figures(sheet, lambda: _engine(rival, run), rater, _said(config, rival, scores))


def _said(config: EvaluateConfig, rival: Model, scores: Scores | None) -> dict[str, str]:
    """Question -> what the rival said, where it was asked just as it would be here."""
    from hornbook.evaluation.chat import COMPARED

    if scores is None:
        return {}
    asked = scores.record
    if asked.inputs["model"].digest != rival.digest or asked.config["max_tokens"] != config.max_tokens:
        return {}
    return {row["question"]: row["said"] for row in scores.answers() if row["figure"] in COMPARED}


def _control(sheet: Sheet, model: Model, run: Run) -> None:
    from hornbook.evaluation.chat import control_figure

    control = model.path / CONTROL
    if control.is_dir():
        control_figure(sheet, _engine(Model(control), run))


def _engine(model: Model, run: Run, *, exact: bool = False) -> Engine:
    """The model ready to answer, in the type that is fast here, or in fp32."""
    from hornbook.inference.engine import Engine
    from hornbook.models.device import pick_dtype

    return Engine(model.load(run.device, None if exact else pick_dtype(run.device)), model.tokenizer())
