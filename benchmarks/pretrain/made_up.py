"""A road of three steps for trying pretraining alone: a vocabulary of any size, text of no meaning, and the real stage.

    HORNBOOK_ROAD=benchmarks.pretrain.made_up:ROAD hornbook plan RECIPE
"""

from __future__ import annotations

import random

from pydantic import Field

from hornbook.pipeline.config import StageConfig
from hornbook.pipeline.run import Run
from hornbook.pipeline.stage import Step, stage
from hornbook.road.artifacts import TokenizerArtifact, Tokens
from hornbook.road.pretrain import pretrain

SYLLABLES = ("ba", "ri", "to", "ken", "sol", "ma", "ver", "lin", "do", "sha", "pel", "un", "ti", "gor", "fa", "we")
DOCUMENT_WORDS = 400
HELDOUT = 8


class TokenizerConfig(StageConfig):
    """The section `[tokenizer]`."""

    vocab_size: int = Field(4096, ge=512, description="how many tokens")


class TokensConfig(StageConfig):
    """The section `[tokens]`."""

    documents: int = Field(2000, ge=64, description="how many documents are made up")


@stage(version=1)
def tokenizer(config: TokenizerConfig, run: Run) -> TokenizerArtifact:
    """A vocabulary that made-up words fill."""
    from hornbook.tokens.tokenizer import Tokenizer

    words = _words(2 * config.vocab_size)
    Tokenizer.train([" ".join([word] * 3) for word in words], config.vocab_size).save(run.out)
    return TokenizerArtifact(run.out)


@stage(version=1)
def tokens(config: TokensConfig, tokenizer: TokenizerArtifact, run: Run) -> Tokens:
    """Documents of words drawn alike."""
    import numpy as np

    from hornbook.tokens.shards import Encoded, write_tokens

    encoder, source = tokenizer.load(), random.Random(1)
    words = _words(2 * encoder.vocab_size)
    texts = [" ".join(source.choices(words, k=DOCUMENT_WORDS)) for _ in range(config.documents)]
    encoded = [np.array([*encoder.encode(text), encoder.end_of_document]) for text in texts]
    for name, part in (("train", encoded[HELDOUT:]), ("heldout", encoded[:HELDOUT])):
        documents = [Encoded(f"{name}{index}", ids, "made up") for index, ids in enumerate(part)]
        write_tokens(run.out / name, documents, vocab_size=encoder.vocab_size)
    return Tokens(run.out)


def _words(count: int) -> list[str]:
    source = random.Random(0)
    return ["".join(source.choices(SYLLABLES, k=source.randint(2, 6))) for _ in range(count)]


ROAD = [Step("tokenizer", tokenizer), Step("tokens", tokens), Step("pretrain", pretrain)]
