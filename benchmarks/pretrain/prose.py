"""A short road whose text is real prose, for what is trained on more than the island has."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from pydantic import Field

from benchmarks.texts import prose
from hornbook.pipeline.config import StageConfig
from hornbook.pipeline.recipe import Recipe
from hornbook.pipeline.run import Run
from hornbook.pipeline.stage import Step, stage
from hornbook.road import runs
from hornbook.road.artifacts import TokenizerArtifact, Tokens
from hornbook.road.pretrain import pretrain
from hornbook.road.sizes import DEPTHS
from hornbook.tokens.shards import Encoded, write_tokens
from hornbook.tokens.tokenizer import Tokenizer

PROSE_BYTES = 50_000_000  # as much as the larger runs read, so that little is read twice
HELD_OUT_EACH = 50  # one document in so many is held out


@contextmanager
def made_of_prose(recipe: str) -> Iterator[Recipe]:
    """The recipe, its tokenizer and tokens made, in a folder that goes. Raises Absent where there is no prose, before
    anything is begun."""
    prose(PROSE_BYTES)
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["HORNBOOK_RUNS"] = f"{scratch}/runs"
        path = Path(scratch, "prose.toml")
        path.write_text(recipe)
        read = Recipe.read(path, ROAD, DEPTHS)
        runs.run(read, until="tokens")
        yield read


class TokenizerConfig(StageConfig):
    """The section `[tokenizer]`."""

    vocab_size: int = Field(2048, ge=512, description="how many tokens")


class TokensConfig(StageConfig):
    """The section `[tokens]`."""

    bytes: int = Field(PROSE_BYTES, ge=1_000_000, description="how much prose")


@stage(version=1)
def tokenizer(config: TokenizerConfig, run: Run) -> TokenizerArtifact:
    """Of an eighth of the prose."""
    Tokenizer.train(_shuffled(PROSE_BYTES)[::8], config.vocab_size).save(run.out)
    return TokenizerArtifact(run.out)


@stage(version=1)
def tokens(config: TokensConfig, tokenizer: TokenizerArtifact, run: Run) -> Tokens:
    """The prose, one document in HELD_OUT_EACH held out."""
    encoder, texts = tokenizer.load(), _shuffled(config.bytes)
    parts = {"heldout": texts[::HELD_OUT_EACH],
             "train": [text for index, text in enumerate(texts) if index % HELD_OUT_EACH]}
    for name, part in parts.items():
        encoded = [np.append(ids, encoder.end_of_document) for ids in encoder.encode_batch(part, run.threads)]
        documents = (Encoded(f"{name}{index}", ids, "prose") for index, ids in enumerate(encoded))
        write_tokens(run.out / name, documents, vocab_size=encoder.vocab_size)
    return Tokens(run.out)


ROAD = [Step("tokenizer", tokenizer), Step("tokens", tokens), Step("pretrain", pretrain)]


def _shuffled(size: int) -> list[str]:
    """The prose in an order that has nothing to do with the packages it is from."""
    texts = prose(size)
    return [texts[index] for index in np.random.default_rng(0).permutation(len(texts))]
