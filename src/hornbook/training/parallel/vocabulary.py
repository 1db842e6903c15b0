"""The vocabulary shared by several processes: each has some rows of embedding and head, and nobody all scores.

What is looked up comes from the process that has the row; the loss is made of parts, of which two numbers a token are
sent: log of the sum of exponentials, put together from the processes' own, and the target's score, which one of them
has (Megatron-LM, arXiv:1909.08053, section 3).
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, distributed, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor import DTensor, Shard, distribute_tensor

from hornbook.models.layers import own_part
from hornbook.training.parallel.tensor import entered, left


def share_vocabulary(model: Any, mesh: DeviceMesh) -> None:
    """Share the rows of embedding and head over `mesh`. A vocabulary that does not come out even stays whole in each:
    the model has as many rows as its tokenizer has tokens, whoever trains it."""
    if model.config.vocab_size % mesh.size():
        return
    embedding, head = model.model.embed_tokens, model.lm_head
    tied = head.weight is embedding.weight
    embedding.weight = _rows(embedding.weight, mesh)
    head.weight = embedding.weight if tied else _rows(head.weight, mesh)

    def looked_up(ids: Tensor) -> Tensor:
        own_VD = own_part(embedding.weight)
        inside, rows = _places(ids, _first(embedding.weight), len(own_VD))
        return left(F.embedding(rows, own_VD) * inside[..., None], mesh)

    embedding.forward = looked_up


def head_part(x_ND: Tensor, head_VD: DTensor) -> tuple[Tensor, Tensor, Any]:
    """(x_ND whose gradient is summed over the processes, this one's rows of the head, the `cross_entropy_` of scores of
    those rows)."""
    mesh, first = head_VD.device_mesh, _first(head_VD)

    def cross_entropy_(scores_NV: Tensor, targets_N: Tensor, weights_N: Tensor, *, gradients: bool) -> Tensor:
        """As `hornbook.models.rows.cross_entropy_`, of this process's part of the scores."""
        scores, group = scores_NV.float(), mesh.get_group()
        inside_N, rows_N = _places(targets_N, first, scores_NV.shape[1])
        own_N = scores.logsumexp(-1)
        highest_N = own_N.clone()
        distributed.all_reduce(highest_N, distributed.ReduceOp.MAX, group)
        targets_own_N = scores.gather(1, rows_N[:, None])[:, 0] * inside_N
        sums_2N = torch.stack([(own_N - highest_N).exp(), targets_own_N])
        distributed.all_reduce(sums_2N, group=group)
        whole_N = highest_N + sums_2N[0].log()
        if gradients:
            shares_NV = (scores - whole_N[:, None]).exp_() * weights_N[:, None]
            scores_NV.copy_(shares_NV.scatter_add_(1, rows_N[:, None], -(weights_N * inside_N)[:, None]))
        return (whole_N - sums_2N[1]) * weights_N

    return entered(x_ND, mesh), own_part(head_VD), cross_entropy_


def _rows(weight_VD: Tensor, mesh: DeviceMesh) -> nn.Parameter:
    # every process has the whole already: nothing is sent
    return nn.Parameter(distribute_tensor(weight_VD.detach(), mesh, [Shard(0)], src_data_rank=None))


def _first(weight_VD: DTensor) -> int:
    """The first row that is this process's."""
    return weight_VD.device_mesh.get_local_rank() * len(own_part(weight_VD))


def _places(ids: Tensor, first: int, rows: int) -> tuple[Tensor, Tensor]:
    """Whether each id's row is here, and which it is; any row where it is not."""
    places = ids - first
    return (places >= 0) & (places < rows), places.clamp(0, rows - 1)
