"""The other neural baseline: an LSTM language model (Hochreiter and Schmidhuber 1997; Merity et al., arXiv:1708.02182).

torch's own LSTM between an embedding and a head that share their matrix, as in AWD-LSTM; without its dropouts, for a
text that is read less than once leaves nothing to forget. It is trained by the loop and the objective of the
transformer and asked by the same `inference.scoring.score`, so that only the shape differs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hornbook.models.layers import Embedding, Linear, at_places
from hornbook.training.optimiser import Rates

LAYERS = 2
RATES = Rates(embedding=4e-3, head=4e-3, vectors=4e-3)  # all its weights are AdamW's


@dataclass(frozen=True)
class LSTMConfig:
    """What those who score a model ask of its configuration."""

    vocab_size: int
    max_position_embeddings: int


class LSTM(nn.Module):
    """`hidden`, `logits` and `lm_head` as a `Transformer` has them. `width` is that of embedding and state; B rows, T
    places, D width, V vocabulary. A row begins with nothing remembered; documents in one row are read on as one text.
    """

    def __init__(self, vocab_size: int, width: int, *, window: int, seed: int, layers: int = LAYERS):
        super().__init__()
        self.config = LSTMConfig(vocab_size, window)
        self.model = nn.ModuleDict({"embed_tokens": Embedding(vocab_size, width)})  # under the transformer's name
        self.lstm = nn.LSTM(width, width, layers, batch_first=True)
        self.lm_head = Linear(width, vocab_size)
        self.lm_head.weight = self.embedding
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for name, parameter in self.named_parameters():
                spread = 0.1 if name.startswith("model") else 1 / math.sqrt(width)
                parameter.copy_((2 * torch.rand(parameter.shape, generator=generator) - 1) * spread)
            for name, bias in self.lstm.named_parameters():
                if name.startswith("bias_hh"):
                    bias[width : 2 * width] = 1.0  # the forget gate stands open (Jozefowicz et al. 2015)

    @property
    def embedding(self) -> nn.Parameter:
        return self.model["embed_tokens"].weight  # type: ignore[return-value]

    def hidden(
        self, ids_BT: Tensor, positions_BT: Tensor | None = None, documents_BT: Tensor | None = None, *,
        places_N: Tensor | None = None,
    ) -> Tensor:
        """x_BTD after the last layer, or x_ND of the places (row * T + column) that are asked for."""
        return at_places(self.lstm(F.embedding(ids_BT, self.embedding))[0], places_N)

    def logits(self, x: Tensor) -> Tensor:
        """Scores over the vocabulary, (..., V)."""
        return self.lm_head(x)


def width_of(parameters: int, vocab_size: int, layers: int = LAYERS) -> int:
    """The width at which an `LSTM` has about so many parameters: V D + layers (8 D^2 + 8 D)."""
    linear = vocab_size + 8 * layers
    return round((math.sqrt(linear**2 + 32 * layers * parameters) - linear) / (16 * layers))
