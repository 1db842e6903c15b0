"""Muon for the matrices inside the blocks, AdamW for everything else, as one optimiser."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hornbook.models.kernels import call, has_kernels, has_products
from hornbook.models.layers import own_part
from hornbook.training.parallel.owners import Owners
from hornbook.training.parallel.world import ALONE, World

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)  # fast to a spread of singular values around 1, not to 1 exactly
NEWTON_SCHULZ_STEPS = 5  # as many as `cpp/orthogonal.cpp` makes
# How Hugging Face names them, in decoders, ModernBERT and T5.
HIDDEN = (".layers.", ".block.", "head.dense.")
EMBEDDINGS = ("embed_tokens", "tok_embeddings", "shared.")


@dataclass(frozen=True)
class Rates:
    """Learning rates at the schedule's height, and what goes with them."""

    matrices: float = 0.02
    embedding: float = 0.03
    head: float = 0.004
    vectors: float = 0.02
    momentum: float = 0.95
    weight_decay: float = 0.0  # of the matrices, times the learning rate, each step
    betas: tuple[float, float] = (0.9, 0.95)
    eps: float = 1e-10


class Optimiser:
    """Muon + AdamW over a model's trainable parameters. `step(factor)` multiplies every rate with the schedule's.

    Matrices of the blocks go to Muon (Jordan et al. 2024, kellerjordan.github.io/posts/muon); embedding, head,
    norms, biases and every other parameter to AdamW (arXiv:1711.05101). In a `world` of several processes each matrix
    is updated by one of them, and AdamW by each on what it keeps; the model has been placed before.
    """

    def __init__(self, model: nn.Module, rates: Rates = Rates(), world: World = ALONE):
        self.rates = rates
        self.names: dict[Tensor, str] = {p: name for name, p in model.named_parameters() if p.requires_grad}
        matrices = [p for p, name in self.names.items() if _is_hidden_matrix(name, p)]
        groups: dict[float, list[Tensor]] = defaultdict(list)
        self.own: dict[Tensor, Tensor] = {}  # what is updated here -> the parameter it is of
        for parameter, name in self.names.items():
            if not _is_hidden_matrix(name, parameter):
                part = own_part(parameter.detach()) if hasattr(parameter, "placements") else parameter
                groups[_adam_rate(name, rates)].append(part)
                self.own[part] = parameter
        self.owners = Owners(matrices, world)
        self.own |= {matrix: matrices[i] for i, matrix in self.owners.matrices.items()}
        owned = self.owners.matrices.values()
        self.muon = Muon(owned, lr=rates.matrices, momentum=rates.momentum, weight_decay=rates.weight_decay)
        self.adam = torch.optim.AdamW(
            [{"params": parameters, "lr": lr, "peak": lr} for lr, parameters in groups.items()],
            betas=rates.betas, eps=rates.eps, weight_decay=0.0, fused=True,
        )

    @property
    def parameters(self) -> list[Tensor]:
        """Every trainable parameter, once."""
        return list(self.names)

    def step(self, factor: float = 1.0) -> None:
        """One update from the gradients at hand."""
        self.owners.collect()
        self.muon.step(factor)
        self.owners.spread()
        for group in self.adam.param_groups:
            group["lr"] = group["peak"] * factor
            for part in group["params"]:
                gradient = self.own[part].grad
                part.grad = None if gradient is None else own_part(gradient)
        self.adam.step()

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for parameter in (*self.names, *self.own):
            parameter.grad = None

    def state_dict(self) -> dict[str, Tensor]:
        """Momenta and moments under `kind.parameter name`: plain tensors, fit for a safetensors file. Of several
        processes each gives the momenta of its own matrices, and moments that are shared as their parameters are."""
        state = {f"momentum.{self.names[self.own[p]]}": buffer for p, buffer in self.muon.momenta()}
        for part, values in self.adam.state.items():
            parameter = self.own[part]
            state |= {f"{key}.{self.names[parameter]}": _laid_as(value, parameter) for key, value in values.items()}
        return state

    def empty_state(self, keys: Iterable[str]) -> dict[str, Tensor]:
        """For those of the names that `state_dict` would give here, tensors to read them into."""
        own = {self.names[parameter]: part for part, parameter in self.own.items()}
        state: dict[str, Tensor] = {}
        for key in keys:
            kind, name = key.split(".", 1)
            if name in own:
                empty = torch.empty(() if kind == "step" else own[name].shape)
                state[key] = empty if kind == "momentum" else _laid_as(empty, self.own[own[name]])
        return state

    @torch.no_grad()
    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Go on from what `state_dict` gave. Raises ValueError when it is another model's."""
        parts = {self.names[parameter]: part for part, parameter in self.own.items()}
        momenta: dict[Tensor, Tensor] = {}
        self.adam.state.clear()
        for key, value in state.items():
            kind, name = key.split(".", 1)
            value, part = own_part(value), parts.get(name)
            if part is None or (value.ndim and value.shape != part.shape):
                raise ValueError(f"the optimiser's state has {key} {tuple(value.shape)}, the model has none such")
            if kind == "momentum":
                momenta[part] = value
            else:
                device = part.device if value.ndim or part.is_cuda else "cpu"
                self.adam.state[part][kind] = value.to(device).clone()
        self.muon.load_momenta(momenta)
        self.owners.renew()


class Muon:
    """Momentum whose update is made orthogonal: every direction of a matrix learns at the same speed.

    Matrices of one shape are stacked and go through Newton-Schulz together, in bf16. Same arithmetic as
    torch.optim.Muon with nesterov and adjust_lr_fn="original": the rate is multiplied by sqrt(max(1, rows / columns)).
    """

    def __init__(self, parameters: Iterable[Tensor], *, lr: float, momentum: float = 0.95, weight_decay: float = 0.0):
        self.lr, self.momentum, self.weight_decay = lr, momentum, weight_decay
        self.groups: dict[tuple[int, int], list[Tensor]] = defaultdict(list)
        for parameter in parameters:
            rows, columns = parameter.shape
            self.groups[rows, columns].append(parameter)
        self.buffers = {
            shape: torch.zeros(len(group), *shape, dtype=torch.float32, device=group[0].device)
            for shape, group in self.groups.items()
        }

    @torch.no_grad()
    def step(self, factor: float = 1.0) -> None:
        """One update; a matrix without a gradient counts as one of zero gradient."""
        for (rows, columns), group in self.groups.items():
            buffer_GRC = self.buffers[rows, columns]
            gradient_GRC = torch.stack([p.grad if p.grad is not None else torch.zeros_like(p) for p in group]).float()
            buffer_GRC.lerp_(gradient_GRC, 1 - self.momentum)
            update_GRC = orthogonalised(gradient_GRC.lerp(buffer_GRC, self.momentum))
            lr = self.lr * factor
            if self.weight_decay:
                torch._foreach_mul_(group, 1 - lr * self.weight_decay)  # pyright: ignore[reportPrivateImportUsage]
            scale = lr * max(1.0, rows / columns) ** 0.5
            updates = list(update_GRC.to(group[0].dtype).unbind())
            torch._foreach_add_(group, updates, alpha=-scale)  # pyright: ignore[reportPrivateImportUsage]

    def momenta(self) -> list[tuple[Tensor, Tensor]]:
        """Each parameter with its momentum."""
        return [pair for shape, group in self.groups.items() for pair in zip(group, self.buffers[shape], strict=True)]

    def load_momenta(self, momenta: dict[Tensor, Tensor]) -> None:
        for parameter, buffer in self.momenta():
            buffer.copy_(momenta[parameter])


def orthogonalised(matrices_GRC: Tensor) -> Tensor:
    """Each matrix with its singular values moved near 1, by five steps of a quintic Newton-Schulz iteration in bf16."""
    a, b, c = NEWTON_SCHULZ
    G, R, C = matrices_GRC.shape
    if has_kernels(matrices_GRC) and has_products() and R % 32 == 0 and C % 32 == 0:
        found_GRC = matrices_GRC.clone(memory_format=torch.contiguous_format)
        call("orthogonal", found_GRC, G, R, C, a, b, c)
        return found_GRC
    x = matrices_GRC.bfloat16()
    x = x.mT if R > C else x
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp(min=1e-7)
    for _ in range(NEWTON_SCHULZ_STEPS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.mT if R > C else x


def _laid_as(value: Tensor, parameter: Tensor) -> Tensor:
    """A moment as its parameter lies: shared by the same processes, or plain."""
    if not value.ndim or not hasattr(parameter, "placements"):
        return value
    from torch.distributed.tensor import DTensor

    assert isinstance(parameter, DTensor)
    mesh, placements = parameter.device_mesh, parameter.placements
    whole = {"shape": parameter.shape, "stride": parameter.stride()}
    return DTensor.from_local(value, mesh, placements, run_check=False, **whole)


def _is_hidden_matrix(name: str, parameter: Tensor) -> bool:
    return parameter.ndim == 2 and any(part in name for part in HIDDEN) and "relative_attention_bias" not in name


def _adam_rate(name: str, rates: Rates) -> float:
    if any(part in name for part in EMBEDDINGS):
        return rates.embedding
    if name.endswith(("lm_head.weight", "classifier.weight")):
        return rates.head
    return rates.vectors
