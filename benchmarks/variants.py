"""Training tokens a second, and seconds to the first step: plain torch, torch.compile and our kernels, fp32 and bf16.

    python -m benchmarks.variants --json

Width 256, 4 layers, 4 heads, vocabulary 4096, whole steps with the optimiser, random data. The variants take turns,
so that what else the machine does falls on all of them alike; each is compared with the first of its shape (`peer`),
the usual way to train on a processor: plain torch, fp32, torch's attention. Both compilers begin with an empty cache.
`--profile` prints where a variant's time goes; the figures of all variants are kept in benchmarks/results.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from benchmarks.results import keep
from hornbook.models import Transformer, TransformerConfig, can_compile
from hornbook.models import transformer as transformer_module
from hornbook.models.attention import Mask, attend
from hornbook.models.device import use_processor
from hornbook.models.kernels import use_kernels
from hornbook.tokens.batch import Batch
from hornbook.training.batch import on_device
from hornbook.training.compiled import graph
from hornbook.training.objectives.next_token import next_token
from hornbook.training.optimiser import Optimiser

SHAPES = ((8, 512), (16, 256))
CONFIG = TransformerConfig(
    vocab_size=4096, hidden_size=256, intermediate_size=768, num_hidden_layers=4, num_attention_heads=4,
    num_key_value_heads=4, head_dim=64,
)


@dataclass(frozen=True)
class Variant:
    """One way to train."""

    way: str  # "torch" with its own attention, "plain" with ours in tiles, "graph" by torch.compile, "kernels"
    dtype: torch.dtype

    @property
    def name(self) -> str:
        return f"{self.way}_{'bf16' if self.dtype is torch.bfloat16 else 'fp32'}"

    @property
    def compiles(self) -> bool:
        return self.way in ("graph", "kernels")


VARIANTS = [
    Variant(way, dtype) for way in ("torch", "plain", "graph", "kernels") for dtype in (torch.float32, torch.bfloat16)
]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="one object a figure")
    parser.add_argument("--steps", type=int, default=12, help="timed steps of each variant")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--only", default="", help="variants whose name holds this, such as kernels_bf16")
    parser.add_argument("--profile", action="store_true", help="print the operators that take longest")
    options = parser.parse_args()
    use_processor(options.threads)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_CACHE_HOME"] = os.environ["TORCHINDUCTOR_CACHE_DIR"] = folder
        _run(options)


def _run(options: argparse.Namespace) -> None:
    figures = []
    for rows, window in SHAPES:
        chosen = [variant for variant in VARIANTS if options.only in variant.name]
        steps, first = {}, {}
        for variant in chosen:
            if can_compile() or not variant.compiles:
                steps[variant], first[variant] = _step(variant, rows, window)
        seconds = _timed(steps, options.steps)
        rates = {variant: [rows * window / taken for taken in times] for variant, times in seconds.items()}
        for variant in chosen:
            figure = _figure(f"train_{variant.name}_{rows}x{window}", rates.get(variant), rates.get(chosen[0]))
            figure["first_step_seconds"] = first.get(variant)
            figures.append(figure)
            print(json.dumps(figure) if options.json else _line(figure), flush=True)
        if options.profile:
            for variant, step in steps.items():
                _profile(variant, step)
    if not options.only:
        keep("variants", figures)


def _step(variant: Variant, rows: int, window: int) -> tuple[Callable[[], None], float]:
    """A whole training step of the variant, warmed up, and how long the first took, compiling included."""
    model = Transformer(CONFIG, compute_dtype=variant.dtype, seed=0)
    optimiser, batch = Optimiser(model), on_device(_batch(rows, window), "cpu")
    objective = graph(next_token) if variant.way == "graph" else next_token

    def step() -> None:
        use_kernels(variant.way == "kernels")
        transformer_module.attend = _torch_attention if variant.way == "torch" else attend
        loss = objective(model, batch)
        loss.total.backward()
        for parameter in optimiser.parameters:
            assert parameter.grad is not None
            parameter.grad.mul_(1.0 / float(loss.weight))
        optimiser.step()
        optimiser.zero_grad()

    started = time.perf_counter()
    step()
    first = time.perf_counter() - started
    step()
    return step, round(first, 1)


def _torch_attention(q_BHTE, k_BKTE, v_BKTE, mask: Mask):
    assert mask.additive_B1TS is not None
    return F.scaled_dot_product_attention(q_BHTE, k_BKTE, v_BKTE, attn_mask=mask.additive_B1TS).transpose(1, 2)


def _batch(rows: int, window: int) -> Batch:
    """Random tokens in documents of about 100."""
    random = np.random.default_rng(0)
    batch = Batch.empty(rows, window)
    batch.ids_BT[:], batch.targets_BT[:] = random.integers(0, CONFIG.vocab_size, (2, rows, window))
    batch.documents_BT[:] = np.cumsum(random.random((rows, window)) < 0.01, axis=1)
    batch.positions_BT[:], batch.weights_BT[:] = np.arange(window), 1.0
    return batch


def _timed(steps: dict[Variant, Callable[[], None]], count: int) -> dict[Variant, list[float]]:
    seconds: dict[Variant, list[float]] = {variant: [] for variant in steps}
    for _ in range(count):
        for variant, step in steps.items():
            started = time.perf_counter()
            step()
            seconds[variant].append(time.perf_counter() - started)
    return seconds


def _figure(name: str, rates: list[float] | None, peers: list[float] | None) -> dict:
    figure = {"figure": name, "value": None, "unit": "tokens/s", "peer": None, "ratio": None, "n": 0, "interval": None}
    if rates is None:
        return figure | {"why": "there is no C++ compiler here"}
    value, peer = statistics.median(rates), statistics.median(peers) if peers else None
    low, _, high = statistics.quantiles(rates, n=4)
    return figure | {
        "value": round(value), "peer": peer and round(peer), "ratio": peer and round(value / peer, 2), "n": len(rates),
        "interval": [round(low), round(high)], "best": round(max(rates)), "threads": torch.get_num_threads(),
    }  # fmt: skip


def _line(figure: dict) -> str:
    if figure["value"] is None:
        return f"{figure['figure']:36} {figure['why']}"
    return (
        f"{figure['figure']:36} {figure['value']:>7,} tokens/s  x{figure['ratio']:<5} best {figure['best']:,} "
        f"(half of them in {figure['interval'][0]:,} to {figure['interval'][1]:,}), "
        f"first step {figure['first_step_seconds']} s"
    )


def _profile(variant: Variant, step: Callable[[], None]) -> None:
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        step()
        step()
    print(variant.name)
    print(profile.key_averages().table(sort_by="self_cpu_time_total", row_limit=20, max_name_column_width=60))


if __name__ == "__main__":
    main()
