"""Two and four processes, with whole weights, weights in parts and shared matrices, learn what one learns alone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from benchmarks.pretrain.crew import together
from benchmarks.pretrain.tiny import STEPS, difference, train
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import DTensor, Shard

from hornbook.core.errors import HornbookError
from hornbook.models.files import load_model, read_safetensors
from hornbook.models.kernels import call
from hornbook.training.checkpoint import newest_checkpoint
from hornbook.training.loss import Loss
from hornbook.training.objectives.next_token import next_token
from hornbook.training.parallel import shards
from hornbook.training.parallel.world import shared_rows

WAYS: dict[str, dict[str, Any]] = {"whole": {}, "parts": {"shard": True}, "matrices": {"tensor": 2}}
REFUSED = "a kernel takes a plain tensor, not a DTensor"
pytestmark = pytest.mark.timeout(900)  # processes meet and part, on a machine that may be at work


def courses(folder: Path, ways: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Each way to the end; the weights and losses of each."""
    found = {}
    for name, way in ways.items():
        losses: list[float] = []
        weights, result, world, (model, own) = train(
            folder / name, on_step=lambda step, row, losses=losses: losses.append(row["loss"]), **way
        )
        found[name] = {"weights": weights, "losses": losses, "sent": own.owners.sent, "tokens": result.tokens}
        shards.save_together(model, folder / name, world)
        copy = shards.whole(model, world)
        found[name]["copied"] = copy and {name: p.detach() for name, p in copy.named_parameters()}
    return found


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> dict[str, Any]:
    """What one, two and four processes made, each in folders of their own."""
    folder = tmp_path_factory.mktemp("together")
    alone = together(1, courses, folder / "1", {"whole": {}})[0]["whole"]
    return {
        "folder": folder, "alone": alone,
        2: together(2, courses, folder / "2", WAYS), 4: together(4, courses, folder / "4", WAYS),
    }  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("size", [2, 4])
def test_the_same_is_learned(made, size: int, way: str) -> None:
    for found in (process[way] for process in made[size]):
        assert found["losses"] == made[size][0][way]["losses"]
        assert max(abs(a - b) for a, b in zip(found["losses"], made["alone"]["losses"], strict=True)) < 1e-5
        assert difference(found["weights"], made["alone"]["weights"]) < 1e-5
        assert found["tokens"] == made["alone"]["tokens"] == STEPS * 64


@pytest.mark.parametrize("way", WAYS)
def test_a_model_is_written_whole(made, way: str) -> None:
    written = read_safetensors(made["folder"] / "4" / way / "model.safetensors")
    weights = made[4][0][way]["weights"]
    assert difference(written, weights) == 0.0
    assert difference(made[4][0][way]["copied"], weights) == 0.0
    assert made[4][1][way]["copied"] is None
    assert load_model(made["folder"] / "4" / way).config.to_hf("float32")["hidden_size"] == 32


def test_what_is_sent_for_the_matrices(made) -> None:
    """Whole weights: each new one to every other process. In parts: gradients to the owner, weights back."""
    matrices = sum(w.numel() * 4 for name, w in made["alone"]["weights"].items() if ".layers." in name and w.ndim == 2)
    for size in (2, 4):
        sent = {way: sum(process[way]["sent"] for process in made[size]) / STEPS / matrices for way in WAYS}
        assert sent["whole"] == size - 1
        # once more than the steps: each owner reads its matrices when they are laid out
        assert sent["parts"] == pytest.approx((2 + 1 / STEPS) * (size - 1) / size, rel=0.1)


RESUMED: dict[int, dict[str, tuple[str, dict[str, Any]]]] = {  # processes -> what goes on, and in which way
    1: {"of two in parts": ("2/parts", {})},
    2: {"of four sharing": ("4/matrices", {"shard": True}), "of one": ("1/whole", {"tensor": 2}),
        "2/parts": ("2/parts", {"shard": True})},
    4: {"of two in parts": ("2/parts", {"shard": True}), "of two sharing": ("2/matrices", {}),
        "4/whole": ("4/whole", {}), "4/matrices": ("4/matrices", {"tensor": 2})},
}  # fmt: skip


def go_on(folder: Path, size: int) -> dict[str, Any]:
    """Weights and the step gone on from, of each course that stopped half way."""
    found = {}
    for name, (_, way) in RESUMED[size].items():
        weights, result, _, _ = train(folder / name, **way)
        found[name] = weights, result.resumed_from
    return found


@pytest.mark.parametrize("size", RESUMED)
def test_it_goes_on_with_any_number_and_with_the_same_bit_for_bit(made, tmp_path: Path, size: int) -> None:
    for name, (origin, _) in RESUMED[size].items():
        _at_half(made["folder"] / origin, tmp_path / name)
    for process in together(size, go_on, tmp_path, size):
        for name, (weights, resumed_from) in process.items():
            assert resumed_from == 3, name
            assert difference(weights, made["alone"]["weights"]) < 1e-5, name
            if "/" in name:
                assert difference(weights, made[size][0][name.split("/")[1]]["weights"]) == 0.0, name


def _at_half(course: Path, folder: Path) -> Path:
    shutil.copytree(course, folder)
    shutil.rmtree(folder / f"checkpoint-{STEPS:08d}")
    return folder


def mishaps(folder: Path) -> dict[str, Any]:
    """A damaged file, a loss that is not finite in one process, memory that does not suffice in one."""
    found: dict[str, Any] = {}
    warnings: list[str] = []
    _, result, world, _ = train(folder / "damaged", shard=True, warn=warnings.append)
    found["damaged"] = result.resumed_from, warnings

    def poisoned(model: Any, batch: Any) -> Loss:
        poisoned.calls += 1
        loss = next_token(model, batch)
        return Loss(loss.total * (torch.nan if poisoned.calls == 2 and world.rank == 1 else 1.0), loss.weight)

    poisoned.calls, warnings = 0, []
    _, result, _, _ = train(folder / "poisoned", shard=True, objective=poisoned, warn=warnings.append)
    found["poisoned"] = result.skipped, warnings
    shared = DTensor.from_local(torch.ones(2, 32), init_device_mesh("cpu", (2,)), [Shard(0)])
    try:
        call("swiglu", shared)
    except TypeError as error:
        found["kernel"] = str(error)
    for name, options in {"larger": {"tensor": 2}, "uneven": {"rows": 3}}.items():
        try:
            train(folder / name, **options)
        except HornbookError as error:
            found[name] = str(error)
    return found


def test_mishaps_are_said_once_and_survived(made, tmp_path: Path) -> None:
    shutil.copytree(made["folder"] / "2" / "parts", tmp_path / "damaged")
    file = sorted((tmp_path / "damaged" / f"checkpoint-{STEPS:08d}").glob("*.safetensors"))[1]
    file.write_bytes(file.read_bytes()[:-3])
    first, second = together(2, mishaps, tmp_path)
    assert first["damaged"] == (3, [f"checkpoint skipped: {file.parent}: not a whole checkpoint ({file.name} was cut "
                                    "short or altered); training goes on from the one before"])  # fmt: skip
    assert second["damaged"] == (3, [])
    assert first["poisoned"][0] == second["poisoned"][0] == 1
    assert "step 2 was not finite: it changed nothing" in first["poisoned"][1][0]
    assert "cannot be shared by 2 processes" in first["uneven"]
    assert REFUSED in first["kernel"]
    assert not list(tmp_path.glob("*/.checkpoint-*"))


def test_one_process_reads_what_several_wrote(made) -> None:
    several = newest_checkpoint(made["folder"] / "4" / "matrices", lambda text: None)
    alone = newest_checkpoint(made["folder"] / "1" / "whole", lambda text: None)
    assert several is not None
    assert alone is not None
    assert several.part("model").keys() == alone.part("model").keys()
    assert several.part("optimiser").keys() == alone.part("optimiser").keys()
    assert {key: several.state[key] for key in ("cursor", "step", "tokens")} == {
        key: alone.state[key] for key in ("cursor", "step", "tokens")
    }
    rows = [json.loads(line) for line in (made["folder"] / "4" / "whole" / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == list(range(1, STEPS + 1))


def test_rows_are_shared_or_it_is_said() -> None:
    assert shared_rows(8, 4, 8) == (32, 1)
    assert shared_rows(2, 6, 4) == (4, 3)
    with pytest.raises(HornbookError, match="a step of 6 rows, 3 at a time, cannot be shared by 4 processes"):
        shared_rows(3, 2, 4)
