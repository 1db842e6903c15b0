"""A server under 100 streams at a time, a fifth of which hang up in the middle.

Each question's greedy answer is asked for alone beforehand, with how far its two likeliest tokens lie apart at every
place. `streams_lost`: streams without a whole answer, or with another than their question's; where it first differs at
a place whose two likeliest tokens lie within 0.1 nats, which a batch in bf16 may tell otherwise, it is counted under
`near` and not as lost. A stream that hangs up must have heard a beginning of its answer. `memory_growth_mb`: of the
server's resident memory, from after a fifth of the time to the end. `p99_ms`: between two tokens of an answer, from the
server's own histogram; `pieces` is what a client hears, who under the default policy gets whole sentences: the answers
have lines, by a bias.

    python -m benchmarks.inference --only streams --minutes 5
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import random
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from benchmarks.inference.bars import judged
from benchmarks.inference.served import NAME, Served, questions, served
from benchmarks.results import figure

NAMES = ("streams_lost", "memory_growth_mb", "p99_ms")
STREAMS, QUESTIONS, TOKENS, HANG_UP, NEAR = 100, 200, 96, 0.2, 0.1
MOST_PIECES, LINE_BIAS = 4, 6.0  # heard before one hangs up; added to the score of a line's end
LONGEST = 8  # bytes of a token
CHAT, BETWEEN = "/v1/chat/completions", "vllm:inter_token_latency_seconds"
MINUTES = "HORNBOOK_BENCHMARK_MINUTES"


@dataclass(frozen=True)
class Known:
    """What is asked, its answer in UTF-8, and the places in it where another might have come as well."""

    body: dict
    answer: bytes
    near: frozenset[int]


@dataclass
class Tally:
    """What became of the streams."""

    ends: Counter[str] = field(default_factory=Counter)
    gaps: list[float] = field(default_factory=list)


def figures() -> Iterator[dict]:
    minutes = float(os.environ.get(MINUTES, "5"))
    with tempfile.TemporaryDirectory() as scratch, served(Path(scratch), "--slots", str(STREAMS)) as server:
        tally, growth, told = asyncio.run(_measured(server, minutes * 60))
    ends = tally.ends
    lost = sum(count for end, count in ends.items() if end not in ("whole", "hung up", "near"))
    left = int(sum(sample.value for sample in _samples(told, "vllm:num_requests_")))
    told_of = {"ends": dict(ends), "left": left, "minutes": minutes}
    yield judged(figure("streams_lost", lost + left, "streams", n=ends.total(), **told_of))
    yield judged(figure("memory_growth_mb", round(growth, 1), "MB", minutes=minutes))
    pieces = statistics.quantiles(tally.gaps, n=100)
    yield figure(
        "p99_ms", round(1000 * _quantile(told, 0.99), 1), "ms", median=round(1000 * _quantile(told, 0.5), 1),
        pieces={"n": len(tally.gaps), "median": round(1000 * pieces[49], 1), "p99": round(1000 * pieces[98], 1)},
    )  # fmt: skip


async def _measured(server: Served, seconds: float) -> tuple[Tally, float, str]:
    """What became of the streams, the growth of memory in MB, and the server's figures after all have ended."""
    limits = httpx.Limits(max_connections=STREAMS, max_keepalive_connections=STREAMS)
    async with httpx.AsyncClient(base_url=server.base, limits=limits, timeout=60) as client:
        line = (await client.post("/tokenize", json={"model": NAME, "prompt": "\n"})).json()["tokens"][-1]
        known = [await _alone(client, _body(question, line)) for question in questions(QUESTIONS)]
        tally, until = Tally(), time.monotonic() + seconds
        streams = [asyncio.create_task(_ask(client, known, random.Random(seed), tally, until))
                   for seed in range(STREAMS)]  # fmt: skip
        await asyncio.sleep(seconds / 5)
        before = server.resident_mb
        await asyncio.sleep(max(0, until - time.monotonic()))
        growth = server.resident_mb - before
        await asyncio.gather(*streams)
        await asyncio.sleep(1)
        told = (await client.get("/metrics")).text
    return tally, growth, told


async def _alone(client: httpx.AsyncClient, body: dict) -> Known:
    """The answer while nothing else is asked."""
    said = (await client.post(CHAT, json=body | {"logprobs": True, "top_logprobs": 2})).json()
    choice, place, near = said["choices"][0], 0, set()
    for token in choice["logprobs"]["content"]:
        first, second = (top["logprob"] for top in token["top_logprobs"])
        if first - second < NEAR:
            near.add(place)
        place += len(token["bytes"] or ())
    return Known(body, choice["message"]["content"].encode(), frozenset(near))


async def _ask(client: httpx.AsyncClient, known: list[Known], draw: random.Random, tally: Tally, until: float) -> None:
    """One stream after another."""
    while time.monotonic() < until:
        one = draw.choice(known)
        pieces = draw.randint(1, MOST_PIECES) if draw.random() < HANG_UP else None
        try:
            end = await _stream(client, one, pieces, tally.gaps)
        except (httpx.HTTPError, json.JSONDecodeError) as error:
            end = type(error).__name__
        tally.ends[end] += 1


async def _stream(client: httpx.AsyncClient, one: Known, pieces: int | None, gaps: list[float]) -> str:
    """How it ended; after so many `pieces` it hangs up."""
    heard, reason, count, last = b"", None, 0, 0.0
    async with client.stream("POST", CHAT, json=one.body | {"stream": True}) as response:
        if response.status_code != 200:
            return f"status {response.status_code}"
        async for line in response.aiter_lines():
            if not line.startswith("data: "):
                continue
            if line == "data: [DONE]":
                break
            choice = json.loads(line[6:])["choices"][0]
            reason = choice["finish_reason"] or reason
            piece = choice["delta"].get("content") or ""
            if not piece:
                continue
            now, heard, count = time.perf_counter(), heard + piece.encode(), count + 1
            if count > 1:
                gaps.append(now - last)
            last = now
            if count == pieces:
                return _alike(one, heard, "hung up")
        else:
            return "cut off"
    if reason is None:
        return "no reason"
    return "whole" if heard == one.answer else _alike(one, heard, "not all")


def _alike(one: Known, heard: bytes, end: str) -> str:
    """`end` where a beginning of the answer was heard; else whether it leaves the answer at a near place, or is mixed.
    """
    pairs = zip(heard, one.answer, strict=False)
    same = next((place for place, (own, other) in enumerate(pairs) if own != other), min(len(heard), len(one.answer)))
    if same == len(heard) and end == "hung up":
        return end
    if any(same - LONGEST < place <= same for place in one.near):
        return "near"
    return end if same == len(heard) else "mixed"


def _body(question: str, line: int) -> dict:
    talk = [{"role": "user", "content": question}]
    return {"model": NAME, "messages": talk, "temperature": 0, "max_tokens": TOKENS, "logit_bias": {line: LINE_BIAS}}


def _samples(told: str, name: str) -> Iterator[Sample]:
    for family in text_string_to_metric_families(told):
        yield from (sample for sample in family.samples if sample.name.startswith(name))


def _quantile(told: str, share: float) -> float:
    """Seconds between two tokens, as Prometheus reckons them: evenly spread within a bucket."""
    counts = [(float(sample.labels["le"]), sample.value) for sample in _samples(told, f"{BETWEEN}_bucket")]
    wanted, below, before = share * counts[-1][1], 0.0, 0.0
    for edge, count in counts:
        if count >= wanted:
            return below if edge == math.inf else below + (edge - below) * (wanted - before) / (count - before)
        below, before = edge, count
    raise AssertionError("the last bucket holds all")
