"""`hornbook doctor`: this machine, and what each size will cost here."""

from __future__ import annotations

import shutil
import time
from dataclasses import asdict, dataclass
from typing import Annotated, Any

import typer

from hornbook.cli.common import duration, print_json, print_table
from hornbook.cli.common import size as bytes_for_people
from hornbook.core.processes import cores, memory_limit
from hornbook.pipeline.config import Dial
from hornbook.pipeline.workspace import runs_folder
from hornbook.road.pretrain_config import PretrainConfig
from hornbook.road.sizes import SIZES, Size

TRIAL_SECONDS = 0.4
TRIAL_WIDTH = 1024
EFFICIENCY = 0.35  # of the matrix product's rate that a training step reaches, measured at width 256


@dataclass(frozen=True)
class Health:
    """What this machine has. Rates in GFLOP/s of a square matrix product, memory and disk in bytes."""

    cores: int
    memory: int
    disk: int
    torch: str
    device: str
    gpu: str | None
    fp32: float
    bf16: float
    dtype: str
    compiler: bool
    kernels: str  # "used", or why they are not


def doctor(as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False) -> None:
    """Check cores, memory, disk, bf16, compiler and GPU, and say what each size will cost here."""
    health = examined()
    costs = {name: cost(name, size, health) for name, size in SIZES.items()}
    if as_json:
        print_json({"machine": asdict(health), "sizes": costs})
        return
    faster = f"{health.bf16 / health.fp32:.1f} times fp32's" if health.fp32 else "unknown"
    missing = "none found: training takes some 1.6 times as long (apt-get install g++)"
    print_table(
        [
            ("cores", health.cores),
            ("memory", bytes_for_people(health.memory)),
            ("disk free", bytes_for_people(health.disk)),
            ("gpu", health.gpu or "none"),
            ("fp32", f"{health.fp32:,.0f} GFLOP/s"),
            ("bf16", f"{health.bf16:,.0f} GFLOP/s, {faster}; training uses {health.dtype}"),
            ("compiler", "found" if health.compiler else missing),
            ("kernels", health.kernels),
            ("torch", health.torch),
        ]
    )
    print()
    header = ("size", "made for", "model", "whole road", "reads, then", "memory", "disk", "here")
    print_table([_line(name, SIZES[name], costs[name]) for name in SIZES], header)


def examined() -> Health:
    """Look at the machine; measures for about a second."""
    import torch

    from hornbook.models.device import can_compile, pick_device, pick_dtype
    from hornbook.models.kernels import found_kernels, has_attention

    device = pick_device()
    attention = "attention too" if has_attention() else "but for attention: no AMX, no AVX512-BF16"
    gpu = torch.cuda.get_device_name(device) if device.type == "cuda" else None
    folder = runs_folder().absolute()
    while not folder.exists():
        folder = folder.parent
    return Health(
        cores=cores(),
        memory=torch.cuda.get_device_properties(device).total_memory if gpu else memory_limit(),
        disk=shutil.disk_usage(folder).free,
        torch=torch.__version__,
        device=str(device),
        gpu=gpu,
        fp32=_rate(device, torch.float32),
        bf16=_rate(device, torch.bfloat16),
        dtype=str(pick_dtype(device)).removeprefix("torch."),
        compiler=can_compile(device),
        kernels=found_kernels().why or f"compiled for this processor, {attention}",
    )


def cost(name: str, size: Size, health: Health) -> dict[str, Any]:
    """What the size asks for, what it would read here, in its time or as much as is best, and whether it fits."""
    from hornbook.models.counts import flops_a_token, parameters
    from hornbook.road.learner import shape_of

    config = PretrainConfig(**PretrainConfig.defaults(Dial(name, size.depth, 0)))
    shape = shape_of(config, size.vocabulary)
    count = parameters(shape)
    rate = (health.bf16 if health.dtype == "bfloat16" else health.fp32) * 1e9 * EFFICIENCY
    rate /= flops_a_token(shape, config.window)
    if size.pretrain_minutes is None:
        tokens = (config.tokens_a_parameter or 0.0) * count.multiplying
    else:
        tokens = rate * size.pretrain_minutes * 60
    lacks = []
    if size.memory_gb * 1e9 > health.memory:
        lacks.append(f"needs {size.memory_gb:g} GB of memory")
    if size.disk_gb * 1e9 > health.disk:
        lacks.append(f"needs {size.disk_gb:g} GB of disk")
    if tokens / rate > size.minutes * 60:
        lacks.append(f"too slow: reading takes {duration(tokens / rate)}")
    elif tokens < count.multiplying / 2:  # a little is learned from far less than is best
        lacks.append(f"too slow: {tokens / count.multiplying:.1f} tokens a parameter")
    return {
        "depth": size.depth, "parameters": count.total, "minutes": size.minutes, "pretrain_tokens": round(tokens),
        "tokens_per_second": round(rate), "memory_gb": size.memory_gb, "disk_gb": size.disk_gb,
        "verdict": "; ".join(lacks) or "fits",
    }  # fmt: skip


def _line(name: str, size: Size, cost: dict[str, Any]) -> tuple[str, ...]:
    return (
        name, size.machine, f"{cost['parameters'] / 1e6:.1f}M", duration(size.minutes * 60),
        f"{cost['pretrain_tokens'] / 1e6:,.1f}M tokens at {cost['tokens_per_second']:,}/s",
        f"{size.memory_gb:g} GB", f"{size.disk_gb:g} GB", cost["verdict"],
    )  # fmt: skip


def _rate(device: Any, dtype: Any) -> float:
    """GFLOP/s of a square matrix product, the best of what fits into the trial."""
    import torch

    a = torch.ones(TRIAL_WIDTH, TRIAL_WIDTH, device=device, dtype=dtype)
    best, end = float("inf"), time.perf_counter() + TRIAL_SECONDS
    torch.mm(a, a)
    while (began := time.perf_counter()) < end:
        torch.mm(a, a)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        best = min(best, time.perf_counter() - began)
    return round(2 * TRIAL_WIDTH**3 / best / 1e9, 1)
