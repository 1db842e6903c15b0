"""A head's scores and their cross entropy in one kernel, on processors that multiply pairs of bf16 with vectors.

The plain form is a product and `rows.cross_entropy_`; this one never writes the scores down (`cpp/head.cpp`), so that
they are rounded nowhere. Shapes: N places, D width, V words.
"""

from __future__ import annotations

import ctypes

import torch
from torch import Tensor

from hornbook.models.kernels import call, kernels
from hornbook.models.products import fit


def has_head_kernel(x_ND: Tensor, head_VD: Tensor, chunk: int) -> bool:
    """Whether the kernel is for such places and such a head, `chunk` places at a time."""
    return fit(x_ND, head_VD, len(x_ND)) and chunk % 2 == 0


def head_entropy(
    x_ND: Tensor, head_VD: Tensor, targets_N: Tensor, weights_N: Tensor, chunk: int, *, gradients: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """(weight times cross entropy of every place (N,), the gradients of their sum: of the places in bf16, of the head
    in fp32). Without `gradients` the last two are empty."""
    head_VD, (V, D), N = head_VD.contiguous(), head_VD.shape, len(x_ND)
    x_ND, targets_N, weights_N = x_ND.contiguous(), targets_N.contiguous(), weights_N.float().contiguous()
    losses_N = torch.empty(N)
    x_gradient_ND = torch.empty_like(x_ND if gradients else x_ND[:0])
    head_gradient_VD = torch.empty(head_VD.shape if gradients else (0, D))
    room = torch.empty(_room(min(chunk, N), V, D, gradients), dtype=torch.uint8)
    for begin in range(0, N, chunk):
        part = slice(begin, begin + chunk)
        call(
            "head", head_VD, x_ND[part], targets_N[part], weights_N[part], losses_N[part],
            x_gradient_ND[part] if gradients else None, head_gradient_VD if gradients else None, room,
            len(x_ND[part]), V, D, int(begin > 0),
        )  # fmt: skip
    return losses_N, x_gradient_ND, head_gradient_VD


def _room(places: int, words: int, width: int, gradients: bool) -> int:
    library = kernels()
    assert library is not None
    library.head_room.restype, library.head_room.argtypes = ctypes.c_int64, [ctypes.c_int64] * 3 + [ctypes.c_int]
    return library.head_room(places, words, width, int(gradients))
