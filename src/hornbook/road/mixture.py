"""`[pretrain.mixture]` and `[sft.mixture]`: what is read how often, the same for both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from hornbook.core.errors import RecipeError
from hornbook.pipeline.run import Run

if TYPE_CHECKING:
    import numpy as np

    from hornbook.tokens.mixture import Mixture

REST = "*"  # stands for all sources that have no name in the mixture


class Portion(BaseModel):
    """How much of a source is read. In a recipe a number is its weight."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    weight: float = Field(1.0, ge=0, description="its part of what is learned, by the others'; 0 leaves it out")
    epochs: float | None = Field(None, ge=1, description="how often it is read at most, from 1")


def _portion(value: Any) -> Any:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return {"weight": value}
    if not isinstance(value, dict | Portion):
        raise ValueError("write a weight, or { weight = 1, epochs = 4 }")
    if isinstance(value, dict) and not value.keys() <= Portion.model_fields.keys():
        raise ValueError(f"it has {' and '.join(Portion.model_fields)} alone; a name with dots stands in quotes")
    return value


Portions = dict[str, Annotated[Portion, BeforeValidator(_portion)]]


@dataclass(frozen=True)
class Share:
    """What a mixture came to for one source, as planned: its `tokens`, the parts of what is learned that were `wanted`
    and that it has (`read`), and how many times it is read (`epochs`)."""

    source: str
    tokens: int
    wanted: float
    read: float
    epochs: float


def mixed(
    portions: Portions, names: Sequence[str], sources: np.ndarray, sizes: np.ndarray, gains: np.ndarray, *,
    horizon: int, seed: int, section: str, run: Run,
) -> tuple[Mixture | None, list[dict[str, Any]]]:  # fmt: skip
    """The order for `PackedBatches`, None (the usual one) where there are no portions; and its shares, for the record.

    Sequence i is from the source `names[sources[i]]`, takes `sizes[i]` tokens of the `horizon` and gives `gains[i]` to
    learn. Warns where all sources are read as often as they may be before the horizon is filled. Raises RecipeError
    for a source that there is not, or of which the mixture says nothing.
    """
    if not portions:
        return None, []
    import numpy as np

    from hornbook.tokens.mixture import Mixture, passes_within

    tokens = dict(zip(names, np.bincount(sources, sizes, len(names)).astype(int).tolist(), strict=True))
    tokens = {name: count for name, count in tokens.items() if count}
    _check(portions, tokens, f"[{section}.mixture]")
    chosen = [*(name for name in portions if name != REST), *([REST] if tokens.keys() - portions.keys() else [])]
    place = {name: index for index, name in enumerate(chosen)}
    pools = np.array([place.get(name, place.get(REST, -1)) for name in names])[sources]
    pools[sizes == 0] = -1
    own_sizes, own_gains = (np.bincount(pools[pools >= 0], of[pools >= 0], len(chosen)) for of in (sizes, gains))
    weights = np.array([portions[name].weight for name in chosen])
    most = np.array([portions[name].epochs or np.inf for name in chosen])
    passes = passes_within(horizon, own_sizes, own_gains, weights, most)
    filled = float(passes @ own_sizes)
    if round(filled) < horizon:
        run.warn(
            f"the mixture allows {filled:,.0f} tokens and {horizon:,} are to be read: every source is read "
            f"{horizon / filled:.1f} times as often as its epochs say; bring more text, or ask for less"
        )
        passes *= horizon / filled
    learned = passes * own_gains
    shares = [
        Share(name, int(size), round(float(weight), 4), round(float(part), 4), round(float(times), 3))
        for name, size, weight, part, times in zip(
            chosen, own_sizes, weights / weights.sum(), learned / learned.sum(), passes, strict=True
        )
    ]
    return Mixture(pools, passes, most, seed), [asdict(share) for share in shares]


def _check(portions: Portions, tokens: dict[str, int], where: str) -> None:
    there = ", ".join(f"{name} ({count:,} tokens)" for name, count in tokens.items())
    for name in portions:
        if name != REST and name not in tokens:
            near = get_close_matches(name, tokens, n=1)
            meant = f"did you mean {near[0]}? " if near else ""
            raise RecipeError(f"there is no source {name!r}", where=where, fix=f"{meant}there are: {there}")
    if REST not in portions and (missing := [name for name in tokens if name not in portions]):
        fix = f'write "{REST}" = 1 for all others together, 0 to leave them out; there are: {there}'
        raise RecipeError(f"it says nothing of {', '.join(missing)}", where=where, fix=fix)
    if not any(portions[name].weight for name in (name if name in portions else REST for name in tokens)):
        raise RecipeError("every source has weight 0", where=where, fix=f"give one a weight; there are: {there}")
