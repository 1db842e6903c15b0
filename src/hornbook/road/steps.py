"""The road: every step in order, each fed by the steps its stage's parameters name."""

from __future__ import annotations

from hornbook.pipeline.stage import Step
from hornbook.road.conversations import conversations
from hornbook.road.corpus import corpus
from hornbook.road.crawl import crawl
from hornbook.road.deploy import deploy
from hornbook.road.evaluate import evaluate
from hornbook.road.preferences import preferences
from hornbook.road.pretrain import pretrain
from hornbook.road.reward import reward
from hornbook.road.rl import rl
from hornbook.road.sft import sft
from hornbook.road.tokenizer import tokenizer
from hornbook.road.tokens import tokens

ROAD: list[Step] = [
    Step("crawl", crawl),
    Step("corpus", corpus),
    Step("tokenizer", tokenizer),
    Step("tokens", tokens),
    Step("pretrain", pretrain),
    Step("evaluate", evaluate, inputs={"model": "pretrain"}),
    Step("conversations", conversations),
    Step("sft", sft),
    Step("evaluate_sft", evaluate, inputs={"model": "sft"}),
    Step("preferences", preferences),
    Step("reward", reward),
    Step("rl", rl),
    Step("evaluate_rl", evaluate, inputs={"model": "rl", "rival": "sft", "rival_scores": "evaluate_sft"}),
    Step("deploy", deploy),
]
