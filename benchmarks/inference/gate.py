"""The safety gate as it ships, with the default policy, on labelled prompts: what it wrongly refuses and what it lets
through, whether a stream is judged as the whole is, and what it costs.

    HORNBOOK_UNSAFE=checkouts python -m benchmarks.inference --only gate

The sets and where they are from: benchmarks/unsafe.py. XSTest, SimpleSafetyTests, the jailbreaks and the word problems
are of others and nothing was learnt from them (the first two were looked at when the form of the classifiers was
chosen); of `moderation` the fifth that was kept is measured, of `written` the templates that were. The peer is
alt-profanity-check (extra `peers`) at 0.5, which is made to find abusive words and not requests for harm.
"""

from __future__ import annotations

import random
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from benchmarks import texts, unsafe
from benchmarks.inference.shape import NEW, THREADS, prompts, write_model
from benchmarks.results import Absent, figure
from hornbook.evaluation.intervals import wilson
from hornbook.inference import Engine, Request, Sampling
from hornbook.inference.requests import Chunk
from hornbook.models import load_model
from hornbook.models.device import use_processor
from hornbook.safety import Gate, GateStream
from hornbook.safety.policy import SIDES
from hornbook.tokens.foreign import load_tokenizer

NAMES = (
    "gate_over_refusal", "gate_missed", "gate_missed_simple", "gate_missed_jailbreaks", "gate_over_refusal_problems",
    "gate_over_refusal_moderation", "gate_missed_moderation", "gate_over_refusal_written", "gate_missed_written",
    "gate_over_refusal_documentation", "gate_stream_equal", "gate_cost",
)  # fmt: skip
PROSE = 2_000_000  # bytes of documentation
ANSWER = 1_500  # characters of a page, which is as much as a long answer
CUTS = 4  # ways in which each text is cut at random
LONG = 400  # characters of a text that is not cut everywhere
STREAMS, TURNS = 32, 5


def figures() -> Iterator[dict]:
    folder, gate = unsafe.folder(), Gate()
    asked = unsafe.xstest(folder)
    moderation = [sentence for sentence in unsafe.published(folder)["moderation"] if sentence.held_out]
    written = [sentence for sentence in unsafe.written() if sentence.held_out]
    simple, jailbreaks = unsafe.simple(folder), unsafe.jailbreaks(folder)
    yield _refused(gate, "gate_over_refusal", [each.text for each in asked if not each.unsafe])
    yield _missed(gate, "gate_missed", [each.text for each in asked if each.unsafe])
    yield _missed(gate, "gate_missed_simple", [each.text for each in simple])
    yield _missed(gate, "gate_missed_jailbreaks", jailbreaks, least="flag")
    yield _refused(gate, "gate_over_refusal_problems", unsafe.ordinary(folder))
    for name, found in (("moderation", moderation), ("written", written)):
        yield _refused(gate, f"gate_over_refusal_{name}", [each.text for each in found if not each.unsafe])
        yield _missed(gate, f"gate_missed_{name}", [each.text for each in found if each.unsafe])
    name = "gate_over_refusal_documentation"
    try:
        yield _refused(gate, name, [text[:ANSWER] for text in texts.prose(PROSE)], side="output")
    except Absent as absent:
        yield figure(name, None, "", why=str(absent))
    yield stream_equal(gate, [*(each.text for each in (*asked, *simple, *moderation, *written[::16])), *jailbreaks])
    yield cost(gate)


def stream_equal(gate: Gate, found: Sequence[str]) -> dict:
    """The share of texts that, however cut, are judged and let through as they are in one piece, on every side."""
    draw, equal, tried = random.Random(0), 0, 0
    for text in found:
        for side in SIDES:
            whole, told = gate.check(text, side), None
            cuts = [[], list(range(len(text) if len(text) < LONG else 0))]
            cuts += [sorted(draw.choices(range(len(text) + 1), k=draw.randint(1, 30))) for _ in range(CUTS)]
            same = True
            for borders in cuts:
                stream = gate.stream(side)
                pieces = [text[start:end] for start, end in zip([0, *borders], [*borders, len(text)], strict=True)]
                passed = "".join([*map(stream.push, pieces), stream.finish()])
                told = passed if told is None else told
                verdict = stream.verdict
                same &= passed == (told if whole.closed else whole.text)
                same &= (verdict.action, verdict.category, verdict.score) == (
                    whole.action, whole.category, whole.score
                )  # fmt: skip
            equal, tried = equal + same, tried + 1
    return figure("gate_stream_equal", equal / tried, "share", n=tried, interval=wilson(equal, tried), cuts=CUTS + 2)


def cost(gate: Gate) -> dict:
    """The share of tokens a second that are lost to the gate: 32 streams at once, each through a gate, against the same
    without, by turns; and the microseconds of a token of English prose."""
    use_processor(THREADS)
    with tempfile.TemporaryDirectory() as scratch:
        folder = write_model(Path(scratch))
        engine = Engine(load_model(folder, dtype=torch.bfloat16), load_tokenizer(folder), slots=STREAMS)
    plain, gated = [], []
    for turn in range(TURNS + 1):
        plain.append(_seconds(engine, turn, None))
        gated.append(_seconds(engine, turn, gate))
    lost = sorted(1 - own / other for own, other in zip(plain[1:], gated[1:], strict=True))
    return figure(
        "gate_cost", round(statistics.median(lost), 4), "share of tokens a second", n=len(lost),
        interval=[round(lost[0], 4), round(lost[-1], 4)],
        tokens_a_second=round(STREAMS * NEW / statistics.median(plain[1:])), microseconds_of_prose=_prose_cost(gate),
    )  # fmt: skip


def _seconds(engine: Engine, seed: int, gate: Gate | None) -> float:
    """How long 32 answers take."""
    streams = [gate.stream() if gate else None for _ in range(STREAMS)]
    begun = time.perf_counter()
    for ids, stream in zip(prompts(STREAMS, seed), streams, strict=True):
        request = Request(ids=ids, sampling=Sampling(max_tokens=NEW, ignore_end=True))
        engine.add(engine.ticket(request, lambda chunk, stream=stream: _heard(chunk, stream)))
    while engine.busy:
        engine.step()
    return time.perf_counter() - begun


def _heard(chunk: Chunk, stream: GateStream | None) -> None:
    if stream is not None:
        stream.push(chunk.text)
        if chunk.completion is not None:
            stream.finish()


def _prose_cost(gate: Gate) -> float:
    """Processor time of a token of about four letters of the sentences written for this project."""
    text = " ".join(sentence.text for sentence in unsafe.written() if not sentence.unsafe)[:60_000]
    pieces, best = [text[start : start + 4] for start in range(0, len(text), 4)], float("inf")
    for _ in range(TURNS):
        begun, stream = time.process_time(), gate.stream()
        for piece in pieces:
            stream = gate.stream() if stream.refused else stream
            stream.push(piece)
        best = min(best, time.process_time() - begun)
    return round(1e6 * best / len(pieces), 2)


def _refused(gate: Gate, name: str, found: Sequence[str], side: str = "input") -> dict:
    return _share(name, [gate.check(text, side).closed for text in found], found)


def _missed(gate: Gate, name: str, found: Sequence[str], least: str = "refuse") -> dict:
    """Of what is harmful the share that is not refused, or with `least` "flag" not even said."""
    passed = [not verdict.closed if least == "refuse" else verdict.action == "allow"
              for verdict in (gate.check(text, "input") for text in found)]  # fmt: skip
    return _share(name, passed, found, caught=False)


def _share(name: str, which: Sequence[bool], found: Sequence[str], *, caught: bool = True) -> dict:
    peer = _peer(found, caught=caught)
    return figure(name, round(sum(which) / len(which), 4), "share", peer=peer, n=len(which),
                  interval=[round(end, 4) for end in wilson(sum(which), len(which))])  # fmt: skip


def _peer(found: Sequence[str], *, caught: bool) -> float | None:
    """The same of alt-profanity-check; None where it is not installed."""
    try:
        from profanity_check import predict
    except ImportError:
        return None
    called = predict(list(found)).astype(bool)
    return round(float((called if caught else ~called).mean()), 4)


if __name__ == "__main__":
    import json

    for each in figures():
        print(json.dumps(each), flush=True)
