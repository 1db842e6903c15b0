"""One vector for a text, out of those of its places."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor


def pooled(
    x_BTD: Tensor, mask_BT: Tensor, how: Literal["mean", "cls", "last"] = "mean", *, normalised: bool = False
) -> Tensor:
    """x_BD of hidden states (B, T, D): their mean, the first or the last of them, over the places that `mask_BT` keeps
    (true or above 0; padding may stand on either side); `normalised` to length 1, so that a product is a cosine.

    A row that keeps nothing gives zeros. Means are taken in fp32. Sentence-BERT, arXiv:1908.10084, weighed mean and
    cls; decoders as embedders take the last place, which alone has seen the others (arXiv:2401.00368).
    """
    keep_BT = mask_BT > 0
    if how == "mean":
        sums_BD = (x_BTD.float() * keep_BT[..., None]).sum(1)
        x_BD = sums_BD / keep_BT.sum(1, keepdim=True).clamp(min=1)
    else:
        order_T = torch.arange(keep_BT.shape[1], 0, -1, device=x_BTD.device)
        order_T = order_T if how == "cls" else order_T.flip(0)
        rows_B, places_B = torch.arange(len(x_BTD), device=x_BTD.device), (keep_BT * order_T).argmax(1)
        x_BD = x_BTD[rows_B, places_B] * keep_BT.any(1, keepdim=True)
    if normalised:
        x_BD = torch.nn.functional.normalize(x_BD.float(), dim=-1)
    return x_BD.to(x_BTD.dtype)
