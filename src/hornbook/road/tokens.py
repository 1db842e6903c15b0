"""Step 4, the tokens: documents as ids in shards, those to train on and those held out apart."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pydantic import Field

from hornbook.core.progress import Bar
from hornbook.pipeline.config import StageConfig
from hornbook.pipeline.run import Run
from hornbook.pipeline.stage import stage
from hornbook.road.artifacts import Corpus, TokenizerArtifact, Tokens
from hornbook.road.reading import DOCUMENTS, HELDOUT, batches, count

if TYPE_CHECKING:
    from hornbook.tokens.shards import Encoded
    from hornbook.tokens.tokenizer import Tokenizer


class TokensConfig(StageConfig):
    """The section `[tokens]`."""

    shard_tokens: int = Field(1 << 25, ge=1024, description="a shard closes at this many tokens, from 1024")

    def about_seconds(self) -> float:
        return 2.0


@stage(version=2)
def tokens(config: TokensConfig, corpus: Corpus, tokenizer: TokenizerArtifact, run: Run) -> Tokens:
    """Write `train/` and `heldout/`: each document's ids and the end of text, under the document's id.

    What an interrupted attempt finished is kept. Memory does not grow with the corpus. Metrics: documents, tokens and
    bytes of each, and bytes a token where the tokenizer keeps every byte; tokens to train on by source; the library
    that encoded.
    """
    from hornbook.tokens.shards import TokenShards, finished, write_tokens

    encoder = tokenizer.load()
    figures: dict[str, dict[str, Any]] = {}
    for name, pattern in (("train", DOCUMENTS), ("heldout", HELDOUT)):
        folder = run.out / name
        done = finished(folder)
        with run.progress(f"tokens: {name}", count(corpus, pattern) - done, "documents") as bar:
            encoded = _encoded(corpus, pattern, done, encoder, run.threads, bar)
            manifest = write_tokens(folder, encoded, vocab_size=encoder.vocab_size, shard_tokens=config.shard_tokens)
        figures[name] = _figures(manifest, corpus, pattern, encoder)
    run.metric(**figures, encoder=encoder.encoder,
               sources=TokenShards(run.out / "train", verify=False).tokens_by_source())
    total = sum(figure["tokens"] for figure in figures.values())
    run.count(inputs=sum(figure["documents"] for figure in figures.values()), outputs=total, tokens=total)
    return Tokens(run.out)


def _encoded(
    corpus: Corpus, pattern: str, done: int, encoder: Tokenizer, threads: int, bar: Bar
) -> Iterator[Encoded]:
    import numpy as np

    from hornbook.tokens.shards import Encoded

    for batch in batches(corpus, pattern, ["id", "text", "source"], skip=done):
        columns = batch.to_pydict()
        encoded = encoder.encode_batch(columns["text"], threads)
        for document, ids, source in zip(columns["id"], encoded, columns["source"], strict=True):
            yield Encoded(document, np.append(ids, encoder.end_of_document), source)
        bar.advance(batch.num_rows)


def _figures(manifest: dict[str, Any], corpus: Corpus, pattern: str, encoder: Tokenizer) -> dict[str, Any]:
    """Bytes a token leave out the ends of documents, which are no text."""
    written = sum(_bytes(batch.column(0)) for batch in batches(corpus, pattern, ["text"]))
    words = manifest["tokens"] - manifest["documents"]
    return {
        "documents": manifest["documents"],
        "tokens": manifest["tokens"],
        "bytes": written,
        "bytes_per_token": round(written / words, 4) if words and encoder.lossless else None,
    }


def _bytes(texts: Any) -> int:
    import pyarrow.compute

    compute: Any = pyarrow.compute
    return compute.sum(compute.binary_length(texts)).as_py() or 0
