"""AdamW without decay: torch's fused kernel, and its moments.

torch.optim.AdamW does the same arithmetic, bit for bit, and imports torch's compiler to do so: a second and 80 MB in
every process that trains.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor


class AdamW:
    """Adam with bias correction (Kingma and Ba, arXiv:1412.6980). `groups`: a learning rate -> its parameters.

    `state` has of each parameter that ever had a gradient the running means of its gradients ("exp_avg") and of their
    squares ("exp_avg_sq"), of its shape, and how many steps it made ("step", one fp32 number).
    """

    def __init__(self, groups: Mapping[float, Sequence[Tensor]], *, betas: tuple[float, float], eps: float):
        self.groups, self.betas, self.eps = groups, betas, eps
        self.state: dict[Tensor, dict[str, Tensor]] = defaultdict(dict)

    @property
    def parameters(self) -> list[Tensor]:
        """All of them."""
        return [parameter for group in self.groups.values() for parameter in group]

    @torch.no_grad()
    def step(self, factor: float = 1.0) -> None:
        """One update of those that have a gradient, every rate times `factor`."""
        for rate, group in self.groups.items():
            parameters = [parameter for parameter in group if parameter.grad is not None]
            states = [self.state.get(parameter) or self._fresh(parameter) for parameter in parameters]
            means, squares, steps = ([state[key] for state in states] for key in ("exp_avg", "exp_avg_sq", "step"))
            gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
            if not gradients:
                continue
            torch._foreach_add_(steps, 1)  # pyright: ignore[reportPrivateImportUsage]
            torch._fused_adamw_(  # pyright: ignore[reportPrivateImportUsage]
                parameters, gradients, means, squares, [], steps, lr=rate * factor,
                beta1=self.betas[0], beta2=self.betas[1], weight_decay=0.0, eps=self.eps, amsgrad=False, maximize=False,
            )  # fmt: skip

    def _fresh(self, parameter: Tensor) -> dict[str, Tensor]:
        self.state[parameter] = {
            "step": torch.zeros((), device=parameter.device),
            "exp_avg": torch.zeros_like(parameter), "exp_avg_sq": torch.zeros_like(parameter),
        }  # fmt: skip
        return self.state[parameter]
