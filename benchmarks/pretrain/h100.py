"""Training on a GPU, depth 12, rows of 2,048 tokens, against nanochat, and which share of the GPU's rate is used.

    python -m benchmarks.pretrain --only h100 --nanochat PATH --json

A trainer after the other, for one fills the memory. Same shape, random tokens, full windows. nanochat is compiled, as
its own loop has it; where its attention kernels cannot be fetched it takes torch's, which the figure says. Beside what
the issue asks for: nanochat with heads as wide as its own recipes have them, ours with eight-bit floats, and ours with
CUDA graphs, so that one run decides what is worth having.

A machine without a network needs four wheels besides torch's (pydantic, pydantic-core, annotated-types,
typing-inspection), one of Hornbook for its version (`pip wheel --no-deps -w .whl .`), and nanochat's checkout, in
folders that git ignores. Fetch them, for that machine's Python, with

    pip download --no-deps --only-binary=:all: --python-version 3.12 --platform manylinux2014_x86_64 -d .whl \\
        pydantic==2.14.3 pydantic-core==2.50.4 annotated-types==0.8.0 typing-inspection==0.4.5

and there, where both folders were carried to, run

    python3 -m pip install -q --no-index --no-deps --target /tmp/site .whl/*.whl &&
        PYTHONPATH=src:/tmp/site python3 -m benchmarks.pretrain --only h100 --nanochat .nanochat --json
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

from benchmarks.pretrain.trainers import Shape, Trainer, config_of, lacking
from benchmarks.results import Absent, against, figure

NAMES = ("h100_vs_nanochat", "h100_mfu")
SHAPE = Shape(depth=12, width=768, inner=2048, window=2048, rows=32, vocabulary=32_768, device="cuda")
OWN_HEAD = 128  # how wide nanochat's recipes have a head
TURNS, STEPS, SETTLE = 5, 10, 5
PEER = "nanochat_bf16_compiled"
VARIANTS = {"h100_fp8": "ours_fp8", "h100_cuda_graphs": "ours_graphs"}
ASK = "import sys; sys.path.insert(0, sys.argv[1]); from nanochat.flash_attention import HAS_FA3; print(HAS_FA3)"


def figures() -> Iterator[dict]:
    import torch

    from hornbook.models.peak import listed

    if not torch.cuda.is_available():
        raise Absent("a GPU that torch can use")
    name = torch.cuda.get_device_name()
    yield from compare(SHAPE, name, listed(name))


def compare(shape: Shape, device: str, peak: float | None) -> Iterator[dict]:
    """The figures on a device of that name and rate."""
    from hornbook.models.counts import flops_a_token

    ours, held = _measured("ours_bf16", shape)
    rate = shape.tokens / statistics.median(ours)
    yield figure("h100_tokens_per_second", round(rate), "tokens/s", n=TURNS, device=device, peak_gb=held)
    flops = flops_a_token(config_of(shape), shape.window)
    if peak is None:
        yield figure("h100_mfu", None, "", why=f"what {device} can compute is not in the table of models/peak.py")
    else:
        share = round(rate * flops / peak, 3)
        yield figure("h100_mfu", share, "of the dense bf16 rate", ratio=share, n=TURNS, bar=0.50, device=device)
    if lacking(PEER):
        yield figure("h100_vs_nanochat", None, "", why=lacking(PEER))
    else:
        for name, like in (("h100_vs_nanochat", shape), ("h100_vs_nanochat_own_heads", replace(shape, head=OWN_HEAD))):
            theirs, held = _measured(PEER, like)
            bar = 1.1 if like == shape else None
            yield against(name, PEER, ours, theirs, bar=bar, device=device, peak_gb=held, attention=_attention())
    for name, trainer in VARIANTS.items():
        other, held = _measured(trainer, shape)
        yield against(name, "ours_bf16", other, ours, device=device, peak_gb=held)


def _measured(name: str, shape: Shape) -> tuple[list[float], float]:
    """Seconds a step, a median a turn, and the most gigabytes held."""
    trainer = Trainer(name, shape)
    trainer.steps(SETTLE)
    seconds = [statistics.median(trainer.steps(STEPS)) for _ in range(TURNS)]
    held = round(trainer.peak_bytes() / 1e9, 2)
    trainer.close()
    return seconds, held


def _attention() -> str:
    """What nanochat attends with here."""
    asked = subprocess.run(
        [sys.executable, "-c", ASK, os.environ["HORNBOOK_NANOCHAT"]], capture_output=True, text=True, check=False
    )
    return "its own kernels" if asked.stdout.strip().endswith("True") else "torch's SDPA: its kernels are not here"
