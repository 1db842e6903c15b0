"""The learning rate over a run, as a pure function of the step."""

from __future__ import annotations

from collections.abc import Callable

Schedule = Callable[[int], float]


def warmup_stable_cooldown(steps: int, *, warmup: float = 0.0, cooldown: float = 0.4, floor: float = 0.0) -> Schedule:
    """The factor to multiply every learning rate with at step 0, 1, … `steps` - 1.

    It climbs in a straight line over the first `warmup` share of the steps, stays at 1, and falls in a straight line to
    `floor` over the last `cooldown` share (Zhai et al., arXiv:2106.04560; Haegele et al., arXiv:2405.18392).
    """
    if steps < 1 or warmup < 0 or cooldown < 0 or warmup + cooldown > 1:
        raise ValueError(f"no schedule of {steps} steps has warm-up {warmup} and cool-down {cooldown}")
    rising, falling = round(warmup * steps), round(cooldown * steps)

    def factor(step: int) -> float:
        if step < rising:
            return (step + 1) / rising
        if step >= steps - falling:
            left = max(steps - step, 0) / max(falling, 1)
            return floor + (1 - floor) * left
        return 1.0

    return factor


def constant(step: int) -> float:
    """The same rate at every step."""
    return 1.0
