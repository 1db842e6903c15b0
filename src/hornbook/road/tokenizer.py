"""Step 3, the tokenizer: byte-level BPE learnt from the pages, with the chat protocol's special tokens."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from hornbook.pipeline.config import Dial, StageConfig
from hornbook.pipeline.run import Run
from hornbook.pipeline.stage import stage
from hornbook.road.artifacts import Corpus, TokenizerArtifact

# A small model cannot afford a large head. With 4,096 entries a name on the pages is mostly one token, which a small
# model repeats without a slip, and a name that is on none falls into pieces, by which it is known (docs/log.md).
VOCABULARY = {"tiny": 1024, "laptop": 4096}
LARGE_VOCABULARY = 32768


class TokenizerConfig(StageConfig):
    """The section `[tokenizer]`."""

    vocab_size: int | None = Field(None, ge=265, le=1 << 20, description="how many tokens, special ones included")
    at_most: int = Field(4096, ge=265, le=1 << 20, description="so many where that is left out, or what the text fills")

    @classmethod
    def defaults(cls, dial: Dial) -> dict[str, Any]:
        return {"at_most": VOCABULARY.get(dial.size, LARGE_VOCABULARY)}

    def label(self) -> str:
        size = self.vocab_size or self.at_most
        return f"{size / 1024:g}k" if size % 1024 == 0 else str(size)

    def about_seconds(self) -> float:
        return 3.0


@stage(version=2)
def tokenizer(config: TokenizerConfig, corpus: Corpus, run: Run) -> TokenizerArtifact:
    """Train on the documents to train on; those held out play no part. Raises InputError when they are too few to fill
    the vocabulary that was asked for."""
    from hornbook.tokens.tokenizer import Tokenizer

    texts = list(corpus.texts())
    trained = Tokenizer.train(texts, config.vocab_size or config.at_most, fill=config.vocab_size is not None)
    if trained.vocab_size < config.at_most and config.vocab_size is None:
        run.note(f"the text fills a vocabulary of {trained.vocab_size:,} tokens, no more")
    trained.save(run.out)
    longest = sorted((trained.decode([token]) for token in range(256, trained.vocab_size)), key=len)[-20:]
    run.metric(vocab_size=trained.vocab_size, longest_tokens=longest[::-1])
    run.count(inputs=len(texts), outputs=trained.vocab_size)
    return TokenizerArtifact(run.out)
