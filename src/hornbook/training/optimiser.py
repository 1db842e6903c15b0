"""Muon for the matrices inside the blocks, AdamW for everything else, as one optimiser."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hornbook.models.kernels import call, has_kernels, has_products
from hornbook.models.layers import own_part
from hornbook.training.adamw import AdamW
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
    cautious: bool = False  # decay only the weights that the update makes smaller as well
    row_memory: float = 0.0  # NorMuon's, of the sizes of an update's rows, such as 0.9; 0 is plain Muon
    betas: tuple[float, float] = (0.9, 0.95)
    eps: float = 1e-10


class Optimiser:
    """Muon + AdamW over a model's trainable parameters.

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
                groups[getattr(rates, _group(name, parameter))].append(part)
                self.own[part] = parameter
        self.owners, self.world = Owners(matrices, world), world
        self.own |= {matrix: matrices[i] for i, matrix in self.owners.matrices.items()}
        self.muon = Muon(
            self.owners.matrices.values(), lr=rates.matrices, momentum=rates.momentum,
            weight_decay=rates.weight_decay, cautious=rates.cautious, row_memory=rates.row_memory,
        )  # fmt: skip
        self.adam = AdamW(groups, betas=rates.betas, eps=rates.eps)

    @property
    def parameters(self) -> list[Tensor]:
        """Every trainable parameter, once."""
        return list(self.names)

    def step(self, factor: float = 1.0, *, look: bool = False) -> dict[str, float]:
        """One update from the gradients at hand, every rate times the schedule's `factor`. Returns what to log: for
        each group of weights (matrices, embedding, head, vectors) its rate as `lr_…`, and when asked to `look` how far
        it moved as `update_…`: the norm of what was added, decay and all, over the norm of the weights before."""
        before = [own_part(parameter.detach()).clone() for parameter in self.names] if look else []
        self.owners.collect()
        self.muon.step(factor)
        self.owners.spread()
        for part in self.adam.parameters:
            gradient = self.own[part].grad
            part.grad = None if gradient is None else own_part(gradient)
        self.adam.step(factor)
        groups = {_group(name, parameter) for parameter, name in self.names.items()}
        rates = {f"lr_{group}": getattr(self.rates, group) * factor for group in sorted(groups)}
        return rates | (self._moved(before) if look else {})

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for parameter in (*self.names, *self.own):
            parameter.grad = None

    def state_dict(self) -> dict[str, Tensor]:
        """Momenta and moments under `kind.parameter name`: plain tensors, fit for a safetensors file. Of several
        processes each gives what it remembers of its own matrices, and moments that are shared as their parameters
        are."""
        state = {f"{kind}.{self.names[self.own[p]]}": buffer for kind, p, buffer in self.muon.state()}
        for part, values in self.adam.state.items():
            parameter = self.own[part]
            state |= {f"{key}.{self.names[parameter]}": _laid_as(value, parameter) for key, value in values.items()}
        return state

    def empty_state(self, keys: Iterable[str]) -> dict[str, Tensor]:
        """For those of the names that `state_dict` would give here, tensors to read them into."""
        own = {self.names[parameter]: part for part, parameter in self.own.items()}
        muon = {f"{kind}.{self.names[self.own[p]]}": buffer for kind, p, buffer in self.muon.state()}
        state: dict[str, Tensor] = {}
        for key in keys:
            kind, name = key.split(".", 1)
            if key in muon:
                state[key] = torch.empty(muon[key].shape)
            elif name in own:
                state[key] = _laid_as(torch.empty(() if kind == "step" else own[name].shape), self.own[own[name]])
        return state

    @torch.no_grad()
    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Go on from what `state_dict` gave. Raises ValueError when it is another model's."""
        parts = {self.names[parameter]: part for part, parameter in self.own.items()}
        muon = {f"{kind}.{self.names[self.own[p]]}": buffer for kind, p, buffer in self.muon.state()}
        for key in muon.keys() - state.keys():
            raise ValueError(f"the optimiser's state has no {key}: it was trained in another way")
        self.adam.state.clear()
        for key, value in state.items():
            kind, name = key.split(".", 1)
            value, part = own_part(value), parts.get(name)
            wanted = muon.get(key, part)
            if part is None or wanted is None or (value.ndim and value.shape != wanted.shape):
                raise ValueError(f"the optimiser's state has {key} {tuple(value.shape)}, the model has none such")
            if key in muon:
                muon[key].copy_(value)
            else:
                device = part.device if value.ndim or part.is_cuda else "cpu"
                self.adam.state[part][kind] = value.to(device).clone()
        self.owners.renew()

    @torch.no_grad()
    def _moved(self, before: list[Tensor]) -> dict[str, float]:
        squares: dict[str, list[Tensor]] = defaultdict(list)
        for (parameter, name), earlier in zip(self.names.items(), before, strict=True):
            moved = own_part(parameter.detach()) - earlier
            squares[_group(name, parameter)].append(torch.stack([moved.norm(), earlier.norm()]).double().square())
        sums = {group: self.world.sums(torch.stack(each).sum(0).tolist()) for group, each in sorted(squares.items())}
        return {f"update_{group}": (moved / max(weights, 1e-30)) ** 0.5 for group, (moved, weights) in sums.items()}


class Muon:
    """Momentum whose update is made orthogonal: every direction of a matrix learns at the same speed.

    Matrices of one shape are stacked and go through Newton-Schulz together, in bf16. Same arithmetic as
    torch.optim.Muon with nesterov and adjust_lr_fn="original": the rate is multiplied by sqrt(max(1, rows / columns)).
    With `row_memory` the rows of an update, one a neuron, are divided by the root of their mean squares of late, and
    the whole keeps its norm (NorMuon, arXiv:2510.05491). `cautious` decay leaves alone the weights that the update
    makes larger (arXiv:2510.12402).
    """

    def __init__(
        self, parameters: Iterable[Tensor], *, lr: float, momentum: float = 0.95, weight_decay: float = 0.0,
        cautious: bool = False, row_memory: float = 0.0,
    ):  # fmt: skip
        self.lr, self.momentum, self.weight_decay = lr, momentum, weight_decay
        self.cautious, self.row_memory = cautious, row_memory
        self.groups: dict[tuple[int, int], list[Tensor]] = defaultdict(list)
        for parameter in parameters:
            rows, columns = parameter.shape
            self.groups[rows, columns].append(parameter)
        self.buffers = {shape: self._zeros(shape) for shape in self.groups}
        self.squares = {shape: self._zeros((shape[0], 1), shape) for shape in self.groups if row_memory}

    @torch.no_grad()
    def step(self, factor: float = 1.0) -> None:
        """One update; a matrix without a gradient counts as one of zero gradient."""
        for (rows, columns), group in self.groups.items():
            buffer_GRC = self.buffers[rows, columns]
            gradient_GRC = torch.stack([p.grad if p.grad is not None else torch.zeros_like(p) for p in group]).float()
            buffer_GRC.lerp_(gradient_GRC, 1 - self.momentum)
            update_GRC = orthogonalised(gradient_GRC.lerp(buffer_GRC, self.momentum))
            if self.row_memory:
                update_GRC = evened(update_GRC.float(), self.squares[rows, columns], self.row_memory)
            lr = self.lr * factor
            updates = list(update_GRC.to(group[0].dtype).unbind())
            if self.weight_decay:
                self._decay(group, updates, lr * self.weight_decay)
            scale = lr * max(1.0, rows / columns) ** 0.5
            torch._foreach_add_(group, updates, alpha=-scale)  # pyright: ignore[reportPrivateImportUsage]

    def state(self) -> list[tuple[str, Tensor, Tensor]]:
        """(kind, parameter, what is remembered of it): "momentum" of its shape, "squares" of (rows, 1)."""
        kinds = {"momentum": self.buffers, "squares": self.squares}
        return [
            (kind, *pair) for kind, buffers in kinds.items() for shape, stack in buffers.items()
            for pair in zip(self.groups[shape], stack, strict=True)
        ]  # fmt: skip

    def _decay(self, group: list[Tensor], updates: list[Tensor], share: float) -> None:
        if self.cautious:
            for weight, update in zip(group, updates, strict=True):
                weight.mul_(1 - share * (weight * update > 0))
        else:
            torch._foreach_mul_(group, 1 - share)  # pyright: ignore[reportPrivateImportUsage]

    def _zeros(self, each: tuple[int, int], shape: tuple[int, int] | None = None) -> Tensor:
        group = self.groups[shape or each]
        return torch.zeros(len(group), *each, dtype=torch.float32, device=group[0].device)


def evened(update_GRC: Tensor, squares_GR1: Tensor, memory: float) -> Tensor:
    """The update with its rows divided by the root of `squares_GR1`, the running means of their mean squares, which
    learn of this one first; as long as it was."""
    norm_G11 = update_GRC.norm(dim=(1, 2), keepdim=True)
    squares_GR1.lerp_(update_GRC.square().mean(2, keepdim=True), 1 - memory)
    even_GRC = update_GRC * squares_GR1.clamp(min=1e-10).rsqrt()
    return even_GRC * (norm_G11 / even_GRC.norm(dim=(1, 2), keepdim=True).clamp(min=1e-10))


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


def _group(name: str, parameter: Tensor) -> str:
    """Which of the rates a weight learns at."""
    if _is_hidden_matrix(name, parameter):
        return "matrices"
    if any(part in name for part in EMBEDDINGS):
        return "embedding"
    return "head" if name.endswith(("lm_head.weight", "classifier.weight")) else "vectors"
