"""Low-rank adapters beside a model's linears, several in one pass: each token by the one its text asks for
(arXiv:2106.09685; many at once as in Punica, arXiv:2310.18547).

Shapes: M tokens, K inputs, N outputs, L the adapter's rank.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from torch import Tensor, nn

from hornbook.core.errors import InputError
from hornbook.models.layers import Linear
from hornbook.models.quantise import QuantisedLinear

Model = TypeVar("Model", bound=nn.Module)


@dataclass(frozen=True)
class LowRank:
    """What an adapter adds to one linear: scale * b a x."""

    a_LK: Tensor
    b_NL: Tensor
    scale: float = 1.0


Adapter = Mapping[str, LowRank]  # by the names of the model's linears, such as "model.layers.0.self_attn.q_proj"


@dataclass
class Turn:
    """Which adapter each token of the present pass goes by: its number from 1 on, 0 for none. `places` are those that
    the last block's products are asked for alone."""

    adapter_M: Tensor | None = None
    places_N: Tensor | None = None

    def of(self, rows: int) -> Tensor | None:
        """The same for an input of so many rows."""
        if self.adapter_M is None or rows == len(self.adapter_M) or self.places_N is None:
            return self.adapter_M
        return self.adapter_M[self.places_N]


class AdaptedLinear(nn.Module):
    """A linear, and what each token's adapter adds to it."""

    def __init__(self, base: nn.Module, added: Sequence[LowRank | None], turn: Turn):
        super().__init__()
        self.base, self._added, self._turn = base, added, turn

    def forward(self, x: Tensor) -> Tensor:
        y = self.base(x)
        x_MK, y_MN = x.flatten(0, -2), y.flatten(0, -2)
        adapter_M = self._turn.of(len(x_MK))
        if adapter_M is not None:
            for number, added in enumerate(self._added, 1):
                at = (adapter_M == number).nonzero()[:, 0] if added is not None else ()
                if added is not None and len(at):
                    y_MN[at] += (x_MK[at] @ added.a_LK.to(x.dtype).T) @ added.b_NL.to(x.dtype).T * added.scale
        return y_MN.view(y.shape)


def adapted(model: Model, adapters: Mapping[str, Adapter]) -> tuple[Model, Turn]:
    """The model with a place for each of the adapters beside its linears, and what says whose turn it is. Its weights
    are the given model's own; that model is left as it is.

    Raises InputError for an adapter of a linear that is not there, or of another shape.
    """
    kinds = (Linear, QuantisedLinear)
    turn, linears = Turn(), {name: each for name, each in model.named_modules() if isinstance(each, kinds)}
    for called, adapter in adapters.items():
        for name, added in adapter.items():
            if name not in linears:
                raise InputError(f"the model has no linear {name}", where=f"the adapter {called}",
                                 fix="use one made for this model")
            shape = (len(added.b_NL), added.a_LK.shape[1])
            there = (linears[name].out_features, linears[name].in_features)
            if shape != there or added.b_NL.shape[1] != len(added.a_LK):
                raise InputError(f"{name} is of shape {shape}, the model's of {there}",
                                 where=f"the adapter {called}", fix="use one made for this model")
    made = copy.deepcopy(model, {id(each): each for each in (*model.parameters(), *model.buffers())})
    for name in {name for adapter in adapters.values() for name in adapter}:
        holder, _, last = name.rpartition(".")
        beside = [adapter.get(name) for adapter in adapters.values()]
        setattr(made.get_submodule(holder), last, AdaptedLinear(linears[name], beside, turn))
    return made, turn
