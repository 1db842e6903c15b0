"""Two processes that run out of disk, or of memory: one line in each, nobody waits in vain, and training goes on from
the last checkpoint to the same end."""

from __future__ import annotations

import errno
import json
import os
import pickle
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from benchmarks.pretrain.crew import PATIENCE, dismissed, started, together
from benchmarks.pretrain.tiny import difference, train

from hornbook.core.errors import HornbookError
from hornbook.training.fit import PIECES
from hornbook.training.objectives.next_token import next_token
from hornbook.training.parallel import shards

WAYS: dict[str, dict[str, Any]] = {"parts": {"shard": True}, "whole": {}}
ROOM = {"the second": (None, 6_000), "the first": (6_000, None), "both": (9_000, 9_000)}  # bytes of a process's file
FAILING = {"new_folder": 0, "digest_file": 1, "commit": 0}  # what of a checkpoint's making fails, and in whom
pytestmark = pytest.mark.timeout(900)  # processes meet and part, on a machine that may be at work


@contextmanager
def _room(limit: int | None) -> Iterator[None]:
    """This process writes no file larger than that: as on a full disk, but for one process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit or soft, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def _failing(name: str) -> Iterator[None]:
    """The disk is full whenever this process would do it."""

    def full(*arguments: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    before = getattr(shards, name)
    setattr(shards, name, full)
    try:
        yield
    finally:
        setattr(shards, name, before)


def _said(folder: Path, around: Any, way: dict[str, Any]) -> str:
    """What a training says that is so disturbed once its first checkpoint is there."""
    entered = []

    def on_step(step: int, row: dict[str, float]) -> None:
        while step == 4 and not (folder / "checkpoint-00000003").exists():
            time.sleep(0.01)
        if step == 4:
            entered.append(around.__enter__())

    try:
        train(folder, on_step=on_step, **way)
    except HornbookError as error:
        return str(error)
    finally:
        if entered:
            around.__exit__(None, None, None)
    return "nothing"


def disturbed(folder: Path) -> dict[str, Any]:
    """What each disturbance made this process say, from where it went on then, and how far from the rest it ended."""
    rank, found = int(os.environ["RANK"]), {}
    for way, options in WAYS.items():
        quiet = train(None, **options)[0]
        cases = {name: _room(rooms[rank]) for name, rooms in ROOM.items()}
        cases |= {name: _failing(name) if rank == whom else _room(None) for name, whom in FAILING.items()}
        for name, around in cases.items():
            said = _said(folder / way / name, around, options)
            weights, result, _, _ = train(folder / way / name, **options)
            found[f"{way}, {name}"] = said, result.resumed_from, difference(weights, quiet)
    for way, options in WAYS.items():
        _, _, world, (model, _) = train(None, **options)
        with _failing("save_config" if way == "parts" else "save_model") if rank == 0 else _room(None):
            try:
                shards.save_together(model, folder / way / "model", world)
            except HornbookError as error:
                found[f"model, {way}"] = str(error), 3, 0.0
    return found


def test_no_room_is_one_line_in_each_and_the_last_checkpoint_is_gone_on_from(tmp_path: Path) -> None:
    made = together(2, disturbed, tmp_path)
    assert len(made[0]) == len(WAYS) * (len(ROOM) + len(FAILING) + 1)
    for process in made:
        for name, (said, resumed_from, far) in process.items():
            assert "the disk is full" in said or "no file may grow so large here" in said, name
            assert "\n" not in said
            assert (resumed_from, far) == (3, 0.0), name
    assert not list(tmp_path.glob("*/*/.checkpoint-*"))


def short_of_memory(folder: Path, whom: int, way: dict[str, Any]) -> str:
    """One process cannot hold two rows at once at its third step, as a GPU would say: what is said of it."""

    def objective(model: Any, batch: Any) -> Any:
        objective.calls += 1
        if int(os.environ["RANK"]) == whom and objective.calls == 3 and len(batch.ids_BT) > 1:
            raise torch.OutOfMemoryError("not for two rows")
        return next_token(model, batch)

    objective.calls = 0
    try:
        train(folder, objective=objective, checkpoint_every=1, **way)
    except HornbookError as error:
        return str(error)
    return "nothing"


def gone_on(folder: Path, way: dict[str, Any]) -> tuple[int | None, list[int], float]:
    """From which step, with batches of how many rows, and how far from a training that was never short of anything."""
    rows: list[int] = []

    def objective(model: Any, batch: Any) -> Any:
        rows.append(len(batch.ids_BT))
        return next_token(model, batch)

    weights, result, _, _ = train(folder, objective=objective, **way)
    return result.resumed_from, rows, difference(weights, train(None, **way)[0])


@pytest.mark.parametrize("way", WAYS)
def test_one_that_is_short_of_memory_has_all_begin_anew_with_smaller_pieces(tmp_path: Path, way: str) -> None:
    """Its others wait for what it cannot send: they end with it, as a launcher ends them. Then all cut alike."""
    crew, pipes = started(2, short_of_memory, tmp_path, 1, WAYS[way])
    try:
        assert pipes[1].poll(PATIENCE)
        said = pickle.loads(pipes[1].recv_bytes())
    finally:
        dismissed(crew)
    assert said == ("process 1: out of memory: batches of 2 rows are cut into 2 from step 3 on; run the same command "
                    "again")  # fmt: skip
    assert json.loads((tmp_path / PIECES).read_text()) == 2
    for resumed_from, rows, far in together(2, gone_on, tmp_path, WAYS[way]):
        assert resumed_from in (1, 2)
        assert set(rows) == {1}
        assert far < 1e-5
