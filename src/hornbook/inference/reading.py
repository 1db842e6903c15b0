"""One pass of a model over new tokens of many texts: by the native blocks where they are made for it, else by torch."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from hornbook.inference.paged import PagedCache, Pass
from hornbook.models.transformer import Transformer

FEW = 64  # tokens: what native blocks are made for


class Reader:
    """Reads for `model` into `cache`; `refresh` when the weights have changed."""

    def __init__(self, model: Transformer, cache: PagedCache):
        self.model, self.cache = model, cache
        self._native = None

    def refresh(self) -> None:
        """Take over the weights as they are now."""

    def read(
        self, ids_M: np.ndarray, tables_RP: np.ndarray, begins_R: np.ndarray, counts_R: np.ndarray, asked_N: np.ndarray
    ) -> Tensor:
        """logits_NV after the tokens `asked_N` of the M new ones, which lie text by text; text r gets `counts_R[r]`
        from place `begins_R[r]` on."""
        step = Pass(self.cache, tables_RP, begins_R, counts_R)
        device = self.cache.device
        ids_1M, positions_1M = (torch.from_numpy(x.astype(np.int64)).to(device)[None] for x in (ids_M, step.places))
        places_N = None if len(asked_N) == len(ids_M) else torch.from_numpy(asked_N).to(device)
        x_ND = self.model.hidden(ids_1M, positions_1M, cache=step, places_N=places_N)
        return self.model.logits(x_ND[0] if x_ND.ndim == 3 else x_ND)
