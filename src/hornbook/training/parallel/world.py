"""The processes that train together: which one this is, and what they tell each other.

`ALONE` is the world of one process: nothing is sent, nothing changes. In any other there is a group of
torch.distributed, joined from what the launcher said (RANK, WORLD_SIZE, MASTER_ADDR, MASTER_PORT).
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, distributed

from hornbook.core.errors import HornbookError
from hornbook.models.layers import own_part

if TYPE_CHECKING:
    from torch.distributed.device_mesh import DeviceMesh

BACKENDS = {"cpu": "gloo", "cuda": "cpu:gloo,cuda:nccl"}  # checkpoints are agreed on by processors


@dataclass(frozen=True)
class World:
    """`size` processes, of which this is number `rank`. `tensor` of them at a time share every matrix and read the same
    rows; the others read other rows. `shard`: the readers too keep a part of every weight each (FSDP2), else every one
    keeps all (DDP). Several readers of matrices that are shared are always sharded.
    """

    rank: int = 0
    size: int = 1
    tensor: int = 1
    shard: bool = False
    mesh: DeviceMesh | None = None  # ("data", "tensor")
    aside: Any = None  # a group of its own for checkpoints, which are written while training goes on
    guest: bool = False  # the launcher has made the processes meet, and will make them part

    @classmethod
    def join(cls, device: torch.device | str = "cpu", *, tensor: int = 1, shard: bool = False) -> World:
        """Meet the processes that the launcher started; `ALONE` where there is one.

        Raises HornbookError when they cannot be dealt into groups of `tensor`.
        """
        size = distributed.get_world_size() if distributed.is_initialized() else int(os.environ.get("WORLD_SIZE", "1"))
        if size % tensor:
            raise HornbookError(f"{size} processes cannot share matrices by {tensor}", fix="let `tensor` divide them")
        if size == 1:
            return ALONE
        from torch.distributed.device_mesh import init_device_mesh

        kind = torch.device(device).type
        if kind == "cuda":
            torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
        guest = distributed.is_initialized()
        if not guest:
            distributed.init_process_group(BACKENDS[kind])
        mesh = init_device_mesh(kind, (size // tensor, tensor), mesh_dim_names=("data", "tensor"))
        shard = shard or 1 < tensor < size
        return cls(distributed.get_rank(), size, tensor, shard, mesh, distributed.new_group(backend="gloo"), guest)

    @property
    def alone(self) -> bool:
        """Whether this process is the only one."""
        return self.size == 1

    @property
    def first(self) -> bool:
        """Whether this is the one that writes and speaks for all."""
        return self.rank == 0

    @property
    def parted(self) -> bool:
        """Whether no process has the whole model."""
        return self.tensor > 1 or (self.shard and self.size > 1)

    @property
    def readers(self) -> int:
        """How many read rows of their own."""
        return self.size // self.tensor

    @property
    def reader(self) -> int:
        """Which of the readers this is."""
        return self.rank // self.tensor

    def sums(self, values: Sequence[float]) -> list[float]:
        """Each value added up over the readers; the same floats in every process."""
        if self.alone:
            return list(values)
        given = torch.tensor(values, dtype=torch.float64) / self.tensor
        distributed.all_reduce(given)
        return given.tolist()

    def norm(self, parameters: Sequence[Tensor]) -> Tensor | float:
        """The 2-norm of all their gradients, each counted once however many processes keep it; NaN without any. On the
        device still where this process is alone: whoever reads it waits for all that the device has been given."""
        kept = [(p, p.grad) for p in parameters if p.grad is not None]
        if self.alone:
            gradients = [gradient for _, gradient in kept]
            return torch.nn.utils.get_total_norm(gradients) if kept else math.nan
        squares = [own_part(gradient).float().square().sum().double() / self._copies(p) for p, gradient in kept]
        own = float(torch.stack(squares).sum()) if squares else math.nan
        return math.sqrt(self.sums([own * self.tensor])[0])

    def told(self, word: Any, group: Any = None) -> list[Any]:
        """What every process says, in the order of their numbers: any object that can be pickled."""
        if self.alone:
            return [word]
        words: list[Any] = [None] * self.size
        distributed.all_gather_object(words, word, group=group)
        return words

    def leave(self) -> None:
        """Wait for the others, and part."""
        if not self.alone:
            distributed.barrier()
        if not self.alone and not self.guest:
            distributed.destroy_process_group()

    def _copies(self, parameter: Tensor) -> int:
        """How many processes keep the same part of a parameter."""
        parts = 1
        for placement, count in zip(getattr(parameter, "placements", ()), _mesh_shape(parameter), strict=True):
            parts *= 1 if placement.is_replicate() else count
        return self.size // parts


ALONE = World()


def shared_rows(rows: int, accumulate: int, readers: int) -> tuple[int, int]:
    """(rows, accumulate) of the same step, with micro-batches that so many readers can share: as few as may be, of no
    more rows a reader than `rows`.

    >>> shared_rows(8, 4, 2), shared_rows(6, 1, 3), shared_rows(1, 4, 4)
    ((16, 2), (6, 1), (4, 1))
    """
    for times in range(min(readers, accumulate), 0, -1):
        if accumulate % times == 0 and rows * times % readers == 0:
            return rows * times, accumulate // times
    raise HornbookError(
        f"a step of {rows * accumulate} rows, {rows} at a time, cannot be shared by {readers} processes",
        fix="start a number of processes that divides it",
    )


def _mesh_shape(parameter: Any) -> tuple[int, ...]:
    mesh = getattr(parameter, "device_mesh", None)
    return () if mesh is None else tuple(mesh.shape)
