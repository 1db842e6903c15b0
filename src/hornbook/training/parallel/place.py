"""Laying a model over the processes of a world: matrices shared (tensor parallel), weights in parts (FSDP2) or whole in
each (DDP), and the objective whose gradients are summed over them all.

Gradients are summed, never averaged: the loop divides once, by the weight of the whole global batch.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import distributed, nn

from hornbook.core.errors import HornbookError
from hornbook.models.layers import own_part
from hornbook.training.loss import Loss
from hornbook.training.parallel.world import World

HEAD_NORMS = ("q_norm.weight", "k_norm.weight")


def place(model: Any, world: World, *, compile: bool = False) -> None:
    """Lay `model`, the same in every process, over them in place: before its optimiser is made, not to be moved after.

    Its blocks are `model.model.layers`. With `compile` each is a graph of its own: one over the whole objective
    (`training/compiled.py`) cannot hold what a block sends. Raises HornbookError when its heads cannot be dealt out.
    """
    if world.tensor > 1:
        from hornbook.training.parallel.tensor import share_matrices
        from hornbook.training.parallel.vocabulary import share_vocabulary

        assert world.mesh is not None
        share_matrices(model, world.mesh["tensor"])
        share_vocabulary(model, world.mesh["tensor"])
    if compile and world.parted:
        for block in model.model.layers:
            block.compile()
    if world.shard and world.readers > 1:
        _shard(model, world)


class Summed:
    """An objective whose gradients are summed over the processes: call it with a batch of rows that no other has."""

    def __init__(self, objective: Any, model: nn.Module, world: World):
        self.objective, self.model, self.world = objective, model, world
        self.replicas = _replicas(objective, model, world) if world.readers > 1 and not world.shard else None
        # every process's heads add to these: what they add lies apart until it is summed
        self.partial = [p for name, p in model.named_parameters() if world.tensor > 1 and name.endswith(HEAD_NORMS)]

    def __call__(self, batch: Any, *, last: bool) -> Loss:
        """The loss of this process's rows. With `last` its backward pass ends the step, and gradients are sent."""
        if self.replicas is None:
            return self.objective(self.model, batch)
        self.replicas.require_backward_grad_sync = last
        return self.replicas(batch)

    def finish(self) -> None:
        """After the last backward pass: sum the gradients that nothing else has summed."""
        gradients = [own_part(p.grad) for p in self.partial if p.grad is not None]
        if gradients:
            assert self.world.mesh is not None
            flat = torch.cat([gradient.flatten() for gradient in gradients])
            distributed.all_reduce(flat, group=self.world.mesh.get_group("tensor"))
            for gradient, part in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
                gradient.copy_(part.view_as(gradient))


class _Whole(nn.Module):
    """DDP watches a module's forward: here it is the objective's."""

    def __init__(self, objective: Any, model: nn.Module):
        super().__init__()
        self.objective, self.model = objective, model

    def forward(self, batch: Any) -> Loss:
        return self.objective(self.model, batch)


def _replicas(objective: Any, model: nn.Module, world: World) -> nn.parallel.DistributedDataParallel:
    assert world.mesh is not None
    # find_unused_parameters keeps the order in which gradients are sent: without it DDP deals them anew after a
    # process's first step, and four processes that go on from a checkpoint would add in another order
    replicas = nn.parallel.DistributedDataParallel(
        _Whole(objective, model), process_group=world.mesh.get_group("data"), find_unused_parameters=True
    )
    replicas.register_comm_hook(world.mesh.get_group("data"), _summed)
    return replicas


def _summed(group, bucket):  # DDP reads annotations, and would not have these as words
    """DDP's hook: the sum over the group, where its own would be the mean."""
    sent = distributed.all_reduce(bucket.buffer(), group=group, async_op=True)
    assert sent is not None
    return sent.get_future().then(lambda done: done.value()[0])


def _shard(model: Any, world: World) -> None:
    """FSDP2 (arXiv:2304.11277): a block's weights are put together when it is their turn, and parted again. Those of
    embedding, last norm and head stay together through the step, for the loss reads the head apart from the model."""
    from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard, register_fsdp_forward_method

    if not hasattr(model, "hidden"):
        raise HornbookError(f"a {type(model).__name__} cannot be sharded", fix="train it with whole weights")
    assert world.mesh is not None
    mesh = world.mesh["data"]
    weights = next(model.parameters()).dtype
    lower = model.compute_dtype not in (None, weights)
    # a block casts its weights on the way into every product: sent as they are used, they are half as many bytes
    policy = MixedPrecisionPolicy(
        param_dtype=model.compute_dtype if lower else None, reduce_dtype=weights, cast_forward_inputs=False
    )
    for block in model.model.layers:
        fully_shard(block, mesh=mesh, mp_policy=policy)
    fully_shard(model, mesh=mesh)
    register_fsdp_forward_method(model, "hidden")
    for module in (*model.model.layers, model):
        module.set_gradient_divide_factor(1.0)
        module.set_force_sum_reduction_for_comms(True)
