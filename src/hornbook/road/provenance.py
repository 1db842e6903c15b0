"""Page -> document -> token offsets, and back: which page a token came from, which tokens a page became."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hornbook.core.errors import InputError
from hornbook.pipeline.artifact import Artifact
from hornbook.pipeline.provenance import source
from hornbook.road.artifacts import Corpus, Pages, Tokens


@dataclass(frozen=True)
class Span:
    """Tokens `start` to `end` (exclusive) of all the tokens to train on came from the document, taken from `url`."""

    document: str
    url: str
    start: int
    end: int


def page_of(artifact: Artifact, offset: int) -> dict[str, Any]:
    """The row of the page behind token number `offset` of those that `artifact` (tokens, a model) was trained on."""
    tokens = Tokens(source(artifact, "tokens").path)
    document = tokens.train().where(offset)
    url = _urls(artifact).get(document)
    pages = Pages(source(artifact, "crawl").path).rows()
    for row in pages.to_pylist():
        if row["url"] == url:
            return row
    raise InputError(f"token {offset} came from the document {document}, of which no page is kept", where=artifact.path)


def tokens_of(artifact: Artifact, url: str) -> Iterator[Span]:
    """Every span of training tokens that came from the page at `url`."""
    shards, urls = Tokens(source(artifact, "tokens").path).train(), _urls(artifact)
    start = 0
    for document, length in zip(shards.names, shards.lengths.tolist(), strict=True):
        if urls.get(document) == url:
            yield Span(document, url, start, start + length)
        start += length


def _urls(artifact: Artifact) -> dict[str, str]:
    """Document id -> the URL it was taken from."""
    table = Corpus(source(artifact, "corpus").path).documents().select(["id", "url"])
    return dict(zip(table.column("id").to_pylist(), table.column("url").to_pylist(), strict=True))
