"""Step 3, the tokenizer: learnt from the pages, byte-level BPE unless another kind is asked for; or another model's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import Field, model_validator

from hornbook.pipeline.config import Dial, InputPath, StageConfig
from hornbook.pipeline.run import Run
from hornbook.pipeline.stage import stage
from hornbook.road.artifacts import Corpus, TokenizerArtifact
from hornbook.road.reading import DOCUMENTS, count, texts
from hornbook.road.sizes import SIZES

if TYPE_CHECKING:
    from hornbook.tokens.tokenizer import Tokenizer

LARGEST = 1 << 17


class TokenizerConfig(StageConfig):
    """The section `[tokenizer]`."""

    kind: Literal["bpe", "wordpiece", "unigram", "characters", "bytes"] = Field(
        "bpe", description="how words are cut: bpe, wordpiece, unigram, characters, bytes"
    )
    vocab_size: int | None = Field(None, ge=265, le=LARGEST, description="how many tokens, special ones included")
    at_most: int = Field(4096, ge=265, le=LARGEST, description="so many where that is left out, or what the text fills")
    init: InputPath | None = Field(None, description="a tokenizer.json, or its folder, to take instead of learning one")

    @classmethod
    def defaults(cls, dial: Dial) -> dict[str, Any]:
        return {"at_most": SIZES.get(dial.size, SIZES["gpu"]).vocabulary}

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.init is not None and (self.vocab_size is not None or self.kind != "bpe"):
            raise ValueError("init brings its own kind and vocab_size: leave them out")
        if self.kind == "bytes" and self.vocab_size is not None:
            raise ValueError("bytes are 256 tokens and the special ones: leave vocab_size out")
        return self

    def label(self) -> str:
        if self.init is not None:
            return "import"
        size = self.vocab_size or self.at_most
        shown = f"{size / 1024:g}k" if size % 1024 == 0 else str(size)
        return {"bpe": shown, "bytes": "bytes"}.get(self.kind, f"{self.kind}-{shown}")

    def about_seconds(self) -> float:
        return 3.0


@stage(version=3)
def tokenizer(config: TokenizerConfig, corpus: Corpus, run: Run) -> TokenizerArtifact:
    """Train on the documents to train on; those held out play no part. Or take the tokenizer of `init`, giving it the
    special tokens it lacks. Raises InputError when the documents are too few to fill the vocabulary that was asked for,
    or when `init` cannot be used."""
    made = _trained(config, corpus, run) if config.init is None else _imported(config.init, run)
    made.save(run.out)
    ordinary = set(range(256, made.vocab_size)) - set(made.special.values())
    longest = sorted((made.decode([token]) for token in ordinary), key=len)[-20:]
    run.metric(vocab_size=made.vocab_size, longest_tokens=longest[::-1], lossless=made.lossless)
    run.count(inputs=count(corpus, DOCUMENTS), outputs=made.vocab_size)
    return TokenizerArtifact(run.out)


def _trained(config: TokenizerConfig, corpus: Corpus, run: Run) -> Tokenizer:
    from hornbook.tokens.tokenizer import Tokenizer

    asked = config.vocab_size or config.at_most
    made = Tokenizer.train(texts(corpus), asked, kind=config.kind, fill=config.vocab_size is not None)
    if made.vocab_size < asked and config.kind != "bytes":
        run.note(f"the text fills a vocabulary of {made.vocab_size:,} tokens, no more")
    return made


def _imported(path: InputPath, run: Run) -> Tokenizer:
    from hornbook.tokens.imported import import_tokenizer

    made, given = import_tokenizer(path)
    if given:
        run.note(f"the tokenizer was given the special tokens {', '.join(given)}, after its own")
    if not made.lossless:
        run.warn("not every text comes back from this tokenizer as it was: what it cannot write is lost to the model")
    return made
