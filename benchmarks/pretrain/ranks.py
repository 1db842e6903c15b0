"""One, two and four processes on the CPU: is the same learned, and does training go on with any number of them?

Each course reads the same global batches, as replicas (DDP), in parts (FSDP2), sharing matrices (tensor parallel) and
both. Losses and final weights are compared with those of one process, with Newton-Schulz in fp32; `shipped` is the
largest difference of the losses with Newton-Schulz as it ships, in bf16, where the last bit of a sum is a hundredth of
an update.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.pretrain.crew import together
from benchmarks.pretrain.tiny import Weights, difference, train
from benchmarks.results import figure
from hornbook.models import TransformerConfig

NAMES = ("ranks_max_diff", "reshard_max_diff")
BAR = 1e-5
STEPS, HALF = 20, 10
CONFIG = TransformerConfig(
    vocab_size=256, hidden_size=64, intermediate_size=192, num_hidden_layers=4, num_attention_heads=4,
    num_key_value_heads=2, head_dim=16,
)
WAYS: dict[str, dict[str, Any]] = {"DDP": {}, "FSDP2": {"shard": True}, "TP 2": {"tensor": 2}}
RESHARDED = {1: {}, 4: {"shard": True}}


def figures() -> Iterator[dict]:
    """The largest differences, of every loss and every weight; all in absolute numbers."""
    folder = Path(tempfile.mkdtemp(prefix="hornbook-ranks-"))
    try:
        alone = together(1, courses, folder / "1", {"alone": {}})[0]["alone"]
        made = {size: together(size, courses, folder / str(size), WAYS)[0] for size in (2, 4)}
        found = {
            f"{size} {way}": {
                "loss": _apart(course["losses"], alone["losses"]),
                "weights": difference(course["weights"], alone["weights"]),
                "shipped": _apart(course["shipped"], alone["shipped"]), "sent": course["sent"],
            }
            for size, courses_of in made.items() for way, course in courses_of.items()
        }  # fmt: skip
        worst = max(max(each["loss"], each["weights"]) for each in found.values())
        yield figure("ranks_max_diff", worst, "loss in nats, and weights", bar=f"at most {BAR}", held=worst <= BAR,
                     n=len(found), courses=found)  # fmt: skip
        resumed = {size: _resumed(folder, size, way, alone) for size, way in RESHARDED.items()}
        worst = max(resumed.values())
        yield figure("reshard_max_diff", worst, "loss in nats, and weights", bar=f"at most {BAR}", held=worst <= BAR,
                     n=len(resumed), from_2_to=resumed)  # fmt: skip
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def courses(folder: Path, ways: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Every way to the end: losses, weights, bytes of matrices sent a step by this process, losses as shipped."""
    shipped = {name: course(None, way, exact=False)[0] for name, way in ways.items()}  # first: `exact` is for good
    found = {}
    for name, way in ways.items():
        losses, weights, optimiser = course(folder / name, way)
        sent = optimiser.owners.sent // STEPS
        found[name] = {"losses": losses, "weights": weights, "sent": sent, "shipped": shipped[name]}
    return found


def course(folder: Path | None, way: dict[str, Any], **options: Any) -> tuple[list[float], Weights, Any]:
    """Losses of the steps made, final weights, the optimiser."""
    losses: list[float] = []
    weights, _, _, (_, optimiser) = train(
        folder, steps=STEPS, rows=8, accumulate=2, config=CONFIG, checkpoint_every=HALF,
        on_step=lambda step, row: losses.append(row["loss"]), **way, **options,
    )  # fmt: skip
    return losses, weights, optimiser


def resume(folder: Path, way: dict[str, Any]) -> tuple[list[float], Weights]:
    """What is learned from the checkpoint on."""
    losses, weights, _ = course(folder, way)
    return losses, weights


def _resumed(folder: Path, size: int, way: dict[str, Any], alone: dict[str, Any]) -> float:
    """The largest difference after two processes' checkpoint half way is gone on from by `size`."""
    half = folder / f"resumed-{size}"
    shutil.copytree(folder / "2" / "FSDP2", half)
    shutil.rmtree(half / f"checkpoint-{STEPS:08d}")
    losses, weights = together(size, resume, half, way)[0]
    if len(losses) != STEPS - HALF:
        raise RuntimeError(f"{len(losses)} steps were made after half of {STEPS}")
    return max(_apart(losses, alone["losses"][HALF:]), difference(weights, alone["weights"]))


def _apart(losses: list[float], others: list[float]) -> float:
    return max(abs(a - b) for a, b in zip(losses, others, strict=True))
