"""The road: every step in order, each fed by the steps its stage's parameters name."""

from __future__ import annotations

from hornbook.pipeline.stage import Step
from hornbook.road.conversations import conversations
from hornbook.road.corpus import corpus
from hornbook.road.crawl import crawl
from hornbook.road.tokenizer import tokenizer
from hornbook.road.tokens import tokens

ROAD: list[Step] = [
    Step("crawl", crawl),
    Step("corpus", corpus),
    Step("tokenizer", tokenizer),
    Step("tokens", tokens),
    Step("conversations", conversations),
]
