"""How a model's rotary positions are stretched for texts longer than those it was first trained on.

Each kind carries Hugging Face's name and keys; `positions.py` has its arithmetic. None at all are the plain positions.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, model_validator

from hornbook.core.errors import InputError

Factor = Annotated[float, Field(ge=1.0)]
THETA = 10_000.0  # the base where none is said


class Kind(BaseModel):
    """What the kinds have in common: frozen, no key they do not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Linear(Kind):
    """Every place counts as 1 / factor of one: position interpolation (arXiv:2306.15595)."""

    rope_type: Literal["linear"] = "linear"
    factor: Factor


class Dynamic(Kind):
    """The base grows with the longest text at hand once that passes `max_position_embeddings` (NTK-aware scaling, as
    in YaRN's section 3.3, arXiv:2309.00071). A text within the window has the plain positions."""

    rope_type: Literal["dynamic"] = "dynamic"
    factor: Factor


class Llama3(Kind):
    """Slow pairs are slowed by `factor`, fast ones are left, those between in proportion (Llama 3, arXiv:2407.21783).

    A pair is slow that turns fewer than `low_freq_factor` times within the original window, fast that turns more than
    `high_freq_factor` times.
    """

    rope_type: Literal["llama3"] = "llama3"
    factor: Factor
    low_freq_factor: PositiveFloat
    high_freq_factor: PositiveFloat
    original_max_position_embeddings: PositiveInt

    @model_validator(mode="after")
    def _in_order(self) -> Llama3:
        if self.high_freq_factor <= self.low_freq_factor:
            raise ValueError(f"high_freq_factor {self.high_freq_factor} must be above {self.low_freq_factor}, the low")
        return self


class Yarn(Kind):
    """Pairs that turn less than `beta_slow` times within the original window are slowed by `factor`, those that turn
    more than `beta_fast` times are left, a ramp lies between; and queries and keys grow a little, so that attention
    over a longer text is as sharp (YaRN, arXiv:2309.00071). `truncate` rounds the ramp's ends to whole pairs.
    """

    rope_type: Literal["yarn"] = "yarn"
    factor: Factor
    original_max_position_embeddings: PositiveInt
    attention_factor: PositiveFloat | None = None
    beta_fast: PositiveFloat = 32.0
    beta_slow: PositiveFloat = 1.0
    mscale: float | None = None
    mscale_all_dim: float | None = None
    truncate: bool = True

    @property
    def sharpness(self) -> float:
        """What cos and sin are multiplied by: `attention_factor`, or what the paper and DeepSeek's `mscale` make of
        `factor`."""
        if self.attention_factor is not None:
            return self.attention_factor
        if self.mscale and self.mscale_all_dim:
            return self._grown(self.mscale) / self._grown(self.mscale_all_dim)
        return self._grown(1.0)

    def _grown(self, scale: float) -> float:
        return 0.1 * scale * math.log(self.factor) + 1.0


RopeScaling = Annotated[Linear | Dynamic | Llama3 | Yarn, Field(discriminator="rope_type")]
KINDS: dict[str, type[Kind]] = {"linear": Linear, "dynamic": Dynamic, "llama3": Llama3, "yarn": Yarn}


def read_rope(values: dict[str, Any], where: object) -> tuple[float, dict[str, Any] | None]:
    """The base, and the keys of the kind where there is one, out of a `config.json`: `rope_scaling` beside `rope_theta`
    as transformers 4 writes them, or `rope_parameters` as transformers 5 does.

    Raises InputError for a kind that Hornbook does not follow.
    """
    given = values.get("rope_scaling") or values.get("rope_parameters") or {}
    if not isinstance(given, dict) or any(isinstance(value, dict) for value in given.values()):
        fix = "use a model whose layers share them"
        raise InputError("the rotary positions are not one kind for all layers", where=where, fix=fix)
    theta = given.get("rope_theta") or values.get("rope_theta") or THETA
    turned = given.get("partial_rotary_factor") or values.get("partial_rotary_factor") or 1.0
    if turned != 1.0:
        fix = "use a model that turns whole heads"
        raise InputError(f"partial_rotary_factor {turned} is not followed", where=where, fix=fix)
    name = given.get("rope_type") or given.get("type") or "default"
    if name == "default":
        return theta, None
    if not isinstance(name, str) or name not in KINDS:
        fix = f"use a model with one of default, {', '.join(KINDS)}"
        raise InputError(f"rope type {name!r} is not followed", where=where, fix=fix)
    known = {key: value for key, value in given.items() if key in KINDS[name].model_fields and value is not None}
    if "original_max_position_embeddings" in KINDS[name].model_fields:
        original, window = values.get("original_max_position_embeddings"), values.get("max_position_embeddings")
        if original or window:
            known.setdefault("original_max_position_embeddings", original or window)
    return theta, known | {"rope_type": name}


def written_rope(scaling: Kind) -> dict[str, Any]:
    """The kind as `rope_scaling` has it: what is not the kind's default."""
    return {"rope_type": scaling.model_dump()["rope_type"], **scaling.model_dump(exclude_defaults=True)}
