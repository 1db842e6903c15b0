"""Step 12, the deployment: one folder with all that `hornbook serve` and `hornbook chat` need, and nothing else."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from pydantic import Field

from hornbook.pipeline.config import InputPath
from hornbook.pipeline.run import Run
from hornbook.pipeline.stage import stage
from hornbook.road.artifacts import MODEL_FILES, Corpus, Deployment, Model
from hornbook.road.open_book import OpenBookConfig


class DeployConfig(OpenBookConfig):
    """The section `[deploy]`."""

    name: str = Field("hornbook", min_length=1, description="what clients call the model")
    policy: InputPath | None = Field(None, description="a safety policy (TOML); the default one when left out")
    temperature: float = Field(0.0, ge=0, le=2, description="unless a client says otherwise; 0 is the likeliest answer")
    max_tokens: int = Field(128, ge=1, description="of an answer, unless a client says otherwise")

    def about_seconds(self) -> float:
        return 4.0


@stage(version=3)
def deploy(config: DeployConfig, corpus: Corpus, rl: Model, run: Run) -> Deployment:
    """Put the aligned model, an index of every page kept, and the policy into one folder.

    Writes deploy.toml, policy.toml, passages.jsonl, index/ and model/. Raises RecipeError for a policy that says
    something wrong and InputError when no page was kept.
    """
    from dataclasses import asdict

    from hornbook.conversations.page import PASSAGES
    from hornbook.core.files import write_text
    from hornbook.core.jsonl import write_jsonl
    from hornbook.retrieval import Index
    from hornbook.retrieval.passages import passages
    from hornbook.safety import DEFAULT, Policy
    from hornbook.serving.settings import Settings

    policy = config.policy.read_text("utf-8", errors="replace") if config.policy else DEFAULT
    Policy.parse(policy, str(config.policy or "the default policy"))
    write_text(run.out / "policy.toml", policy)
    _copy_model(rl.path, run.out / "model")
    documents = [row for table in _kept(corpus) for row in table.select(["url", "title", "text"]).to_pylist()]
    cuts = list(passages(documents, config.passage_words // PASSAGES))
    shutil.rmtree(run.out / "index", ignore_errors=True)  # what a killed attempt left
    index = Index.build(run.out / "index", cuts)
    write_jsonl(run.out / "passages.jsonl", map(asdict, cuts))
    settings = Settings(name=config.name, index="index", temperature=config.temperature, max_tokens=config.max_tokens)
    settings.write(run.out)
    run.metric(passages=index.size, model_bytes=sum(path.stat().st_size for path in (run.out / "model").iterdir()))
    run.count(inputs=len(documents), outputs=index.size)
    return Deployment(run.out)


def _kept(corpus: Corpus) -> list:
    """The documents trained on, and those held out from training: a reader may be shown either."""
    return [corpus.documents(), *([corpus.heldout()] if corpus.files("heldout*.parquet") else [])]


def _copy_model(source: Path, target: Path) -> None:
    """The model's files, linked where the file system lets the two folders share them."""
    target.mkdir(parents=True, exist_ok=True)
    for pattern in MODEL_FILES:
        for path in sorted(source.glob(pattern)):
            (target / path.name).unlink(missing_ok=True)
            try:
                os.link(path, target / path.name)
            except OSError:  # another disk, or a file system without links
                shutil.copy2(path, target / path.name)
