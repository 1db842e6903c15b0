"""One pass of a model over new tokens of many texts: by the native blocks where they are made for it, else by torch."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from hornbook.inference.native import NativeBlocks, covers
from hornbook.inference.paged import MANY, PagedCache, Pass
from hornbook.models.adapted import Adapter, Turn, adapted
from hornbook.models.transformer import Transformer

FEW = 64  # tokens: so many are read by the native blocks whosever they are; of texts that read little, any number


class Reader:
    """Reads for `model` into `cache`, each text by the adapter it asks for; `refresh` when the weights have changed."""

    def __init__(self, model: Transformer, cache: PagedCache, adapters: Mapping[str, Adapter] | None = None):
        self.model, self.cache, self._turn = model, cache, Turn()
        if adapters:
            self._adapted, self._turn = adapted(model, adapters)
        self._native = NativeBlocks(model, cache) if covers(model, cache) else None

    def refresh(self) -> None:
        """Take over the weights as they are now."""
        if self._native is not None:
            self._native.refresh()

    def read(
        self, ids_M: np.ndarray, tables_RP: np.ndarray, begins_R: np.ndarray, counts_R: np.ndarray,
        asked_N: np.ndarray, adapters_R: np.ndarray | None = None,
    ) -> Tensor:  # fmt: skip
        """logits_NV after the tokens `asked_N` of the M new ones, which lie text by text; text r gets `counts_R[r]`
        from place `begins_R[r]` on, by the adapter of number `adapters_R[r]`, 0 for none."""
        step = Pass(self.cache, tables_RP, begins_R, counts_R)
        device = self.cache.device
        ids_1M, positions_1M = (torch.from_numpy(x.astype(np.int64)).to(device)[None] for x in (ids_M, step.places))
        few = len(ids_M) <= FEW or counts_R.max() < MANY
        if self._native is not None and few and (adapters_R is None or not adapters_R.any()):
            x_1MD, rotation = self.model.embedded(ids_1M, positions_1M)
            return self._native.run(x_1MD[0].float(), rotation, step, asked_N)
        places_N = None if len(asked_N) == len(ids_M) else torch.from_numpy(asked_N).to(device)
        model = self.model
        if adapters_R is not None and adapters_R.any():
            model, self._turn.places_N = self._adapted, places_N
            self._turn.adapter_M = torch.from_numpy(np.repeat(adapters_R, counts_R)).to(device)
        x_ND = model.hidden(ids_1M, positions_1M, cache=step, places_N=places_N)
        return self.model.logits(x_ND[0] if x_ND.ndim == 3 else x_ND)
