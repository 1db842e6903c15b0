"""Tensor parallel: the matrices of a block shared by several processes, head by head and neuron by neuron.

What reads the same input (queries, keys and values; gate and up) is split by what it makes, what reads their output
(`o_proj`, `down_proj`) by what it reads, so that a block sends twice there and twice back (Megatron-LM,
arXiv:1909.08053). Inside, every process is a smaller model on plain tensors, kernels and all; its weights are DTensors
for whoever keeps or updates them. Embedding and head are shared by rows (`vocabulary.py`), norms are whole in each.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor import DTensor, Partial, Replicate, Shard, distribute_tensor
from torch.distributed.tensor.parallel import ParallelStyle, parallelize_module

from hornbook.core.errors import HornbookError


def share_matrices(model: Any, mesh: DeviceMesh) -> None:
    """Share the matrices of every block over `mesh`. Raises HornbookError when heads or neurons do not come out even,
    or what is added after the sum would be added many times."""
    size = mesh.size()
    for block in model.model.layers:
        attention = block.self_attn
        inner = block.mlp.down_proj.in_features
        if any(count % size for count in (*attention.heads, inner)):
            what = f"{attention.heads[0]} heads, {attention.heads[1]} key-value heads and {inner} neurons"
            raise HornbookError(f"{what} cannot be shared by {size} processes", fix="share by what divides all")
        parallelize_module(block, mesh, {
            "self_attn": _Entering(), "self_attn.o_proj": _Leaving(), "mlp": _Entering(), "mlp.down_proj": _Leaving(),
        })  # fmt: skip
        attention.heads = tuple(count // size for count in attention.heads)


class _Entering(ParallelStyle):
    """Of the linears `beside` each other every process keeps a part of the rows, and makes that part of the output."""

    def _apply(self, module: Any, device_mesh: DeviceMesh) -> nn.Module:
        for linear in module.beside:
            _lay(linear, "weight", device_mesh, Shard(0))
            if linear.bias is not None:
                _lay(linear, "bias", device_mesh, Shard(0))
        module.register_forward_pre_hook(lambda _, given: (entered(given[0], device_mesh), *given[1:]))
        return module


class _Leaving(ParallelStyle):
    """Every process keeps the columns that read what it made; the output is the sum."""

    def _apply(self, module: Any, device_mesh: DeviceMesh) -> nn.Module:
        if module.bias is not None:
            raise HornbookError("a biased output cannot be shared", fix="train this model with `tensor` at 1")
        _lay(module, "weight", device_mesh, Shard(1))
        module.register_forward_hook(lambda _, given, made: left(made, device_mesh))
        return module


def _lay(linear: nn.Module, name: str, mesh: DeviceMesh, placement: Shard) -> None:
    # every process has the whole already: nothing is sent
    shared = distribute_tensor(getattr(linear, name).detach(), mesh, [placement], src_data_rank=None)
    setattr(linear, name, nn.Parameter(shared))


def entered(x: Tensor, mesh: DeviceMesh) -> Tensor:
    """x there; back, the sum of what the processes make of it."""
    return DTensor.from_local(x, mesh, [Replicate()], run_check=False).to_local(grad_placements=[Partial()])


def left(x: Tensor, mesh: DeviceMesh) -> Tensor:
    """The sum over the processes there; back, the same gradient in each."""
    return DTensor.from_local(x, mesh, [Partial()], run_check=False).redistribute(placements=[Replicate()]).to_local()
