"""Whole matrices for an optimiser that needs them: each is one process's to update, however its weights lie.

Muon's update of a matrix needs all of it. Two ways were weighed. Every process could gather every gradient and do the
same work as all others: of a matrix of n bytes each of w processes receives n (w - 1) / w, and Newton-Schulz is done w
times. Here each matrix has an owner: the parts of its gradient go to it and the parts of the new weight come back,
n (w - 1) / w² a process each way, and Newton-Schulz is done once. What the owner updates is a whole weight of its own,
so that weight decay, and whatever else looks at weight and update together, finds them side by side.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, distributed

from hornbook.models.layers import own_part
from hornbook.training.parallel.world import World


class Owners:
    """`parameters` as `matrices`: those of them that are this process's to update, whole, by their place.

    `collect` gives the matrices their gradients, `spread` brings what became of them to where the weights lie, `renew`
    looks at the weights again. Where weights are whole, alone or in replicas, a matrix is the parameter itself.
    `sent` counts the bytes that went to other processes.
    """

    def __init__(self, parameters: Sequence[Tensor], world: World):
        self.parameters, self.world, self.sent = list(parameters), world, 0
        owners = _dealt([tuple(p.shape) for p in self.parameters], world.size)
        self.owned = [[i for i, owner in enumerate(owners) if owner == process] for process in range(world.size)]
        self.apart = any(hasattr(p, "placements") for p in self.parameters)
        self.matrices = {
            i: torch.empty(p.shape, dtype=p.dtype, device=p.device) if self.apart else p
            for i, p in enumerate(self.parameters) if i in self.owned[world.rank]
        }  # fmt: skip
        parts = [_part(p) for p in self.parameters]
        self.parts = [parts] if world.alone else world.told(parts)  # by process, then by parameter
        self.renew()

    @torch.no_grad()
    def collect(self) -> None:
        """Give each of the matrices the gradient of its parameter."""
        if self.apart:
            for i, gradient in self._whole(lambda p: torch.zeros_like(p) if p.grad is None else p.grad).items():
                self.matrices[i].grad = gradient

    @torch.no_grad()
    def spread(self) -> None:
        """Bring the matrices' new weights to every process that keeps a part of them, or all."""
        if self.world.alone:
            return
        rank, others = self.world.rank, range(self.world.size)
        wanted = [self.owned[of] if self.apart or of != rank else [] for of in others]
        given = [
            [self.parts[to][i].of(matrix.detach()) for i, matrix in self.matrices.items() if self.apart or to != rank]
            for to in others
        ]
        shapes = [[self.parts[rank][i] for i in places] for places in wanted]
        for places, received in zip(wanted, self._exchanged(given, shapes), strict=True):
            for i, part in zip(places, received, strict=True):
                own_part(self.parameters[i].detach()).copy_(part)

    @torch.no_grad()
    def renew(self) -> None:
        """Read the matrices from the weights, which were given from outside: at first, and out of a checkpoint."""
        if self.apart:
            for i, weight in self._whole(lambda p: p.detach()).items():
                self.matrices[i].copy_(weight)

    def _whole(self, read: Callable[[Tensor], Tensor]) -> dict[int, Tensor]:
        """What `read` gives of the parameters, each put together at its owner."""
        given = [[own_part(read(self.parameters[i])) for i in places] for places in self.owned]
        whole = {i: torch.empty_like(matrix) for i, matrix in self.matrices.items()}
        shapes = [[parts[i] for i in whole] for parts in self.parts]
        for each, received in zip(shapes, self._exchanged(given, shapes), strict=True):
            for matrix, part, values in zip(whole.values(), each, received, strict=True):
                part.of(matrix).copy_(values)
        return whole

    def _exchanged(self, given: list[list[Tensor]], shapes: list[list[_Part]]) -> list[list[Tensor]]:
        """Send `given[to]` to each process, and receive parts of `shapes[of]` of each."""
        counts = [sum(part.count for part in each) for each in shapes]
        leaving = [sum(part.numel() for part in each) for each in given]
        flat = torch.cat([part.flatten() for each in given for part in each] or [self.parameters[0].new_empty(0)])
        came = flat.new_empty(sum(counts))
        distributed.all_to_all_single(came, flat, counts, leaving)
        self.sent += (sum(leaving) - leaving[self.world.rank]) * flat.element_size()
        return [_unpacked(one, each) for one, each in zip(came.split(counts), shapes, strict=True)]


class _Part(NamedTuple):
    """The rows and columns of a matrix that a process keeps."""

    row: int
    column: int
    rows: int
    columns: int

    @property
    def count(self) -> int:
        return self.rows * self.columns

    def of(self, whole: Tensor) -> Tensor:
        return whole[self.row : self.row + self.rows, self.column : self.column + self.columns]


def _part(parameter: Tensor) -> _Part:
    if not hasattr(parameter, "placements"):
        return _Part(0, 0, *parameter.shape)
    from torch.distributed.tensor._utils import compute_local_shape_and_global_offset

    shape, offset = compute_local_shape_and_global_offset(
        parameter.shape, parameter.device_mesh, parameter.placements  # pyright: ignore[reportAttributeAccessIssue]
    )
    return _Part(*offset, *shape)


def _unpacked(flat: Tensor, parts: list[_Part]) -> list[Tensor]:
    pieces = flat.split([part.count for part in parts])
    return [piece.view(part.rows, part.columns) for piece, part in zip(pieces, parts, strict=True)]


def _dealt(shapes: Sequence[tuple[int, ...]], size: int) -> list[int]:
    """Who updates each matrix: the heaviest first, each to the process with the least to do."""
    work, owners = [0] * size, [0] * len(shapes)
    weights = [rows * columns * min(rows, columns) for rows, columns in shapes]
    for i in sorted(range(len(shapes)), key=lambda i: -weights[i]):
        owners[i] = work.index(min(work))
        work[owners[i]] += weights[i]
    return owners
