"""Whether what the stages after pretraining hold fits a processor's memory: refused before anything is begun."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hornbook.core.errors import InputError
from hornbook.core.words import size
from hornbook.pipeline.config import Estimate
from hornbook.road.here import batching_of, machine_of, memory_of, vocabulary
from hornbook.road.learner import shape_of

if TYPE_CHECKING:
    from hornbook.pipeline.recipe import Recipe
    from hornbook.road.pretrain_config import PretrainConfig


def room_to_tune(recipe: Recipe, section: str, *, rows: int, window: int) -> Estimate | None:
    """What training pretraining's model further with so many rows of a window holds; None where the recipe has none.
    Raises InputError where that cannot fit."""
    config: PretrainConfig | None = recipe.configs.get("pretrain")  # pyright: ignore[reportAssignmentType]
    if config is None:
        return None
    from hornbook.training.memory import peak_memory

    batch = config.model_copy(update={"rows": rows, "window": window, "accumulate": 1})
    memory = peak_memory(shape_of(config, vocabulary(recipe)), batching_of(batch, *machine_of(recipe)))
    limit = _limit(recipe)
    _demand(sum(memory.values()), limit, recipe, section, f"lower {section}.rows, {section}.window or depth")
    return Estimate(memory, limit, {"rows": rows, "window": window})


def demand_room(recipe: Recipe, section: str, *, models: int, trained: int) -> None:
    """Refuse what cannot be: so many models of pretraining's shape at once, some of which are trained. What their
    batches hold depends on answers that are not there yet, and is not counted. Raises InputError."""
    config: PretrainConfig | None = recipe.configs.get("pretrain")  # pyright: ignore[reportAssignmentType]
    if config is None:
        return
    from hornbook.training.memory import models_memory

    least = models_memory(shape_of(config, vocabulary(recipe)), models=models, trained=trained)
    _demand(least, _limit(recipe), recipe, section, "lower depth or tokenizer.vocab_size", "at least ")


def _limit(recipe: Recipe) -> int:
    return memory_of(machine_of(recipe)[0])


def _demand(needed: int, limit: int, recipe: Recipe, section: str, fix: str, about: str = "") -> None:
    if machine_of(recipe)[0] == "cpu" and needed > limit:
        what = f"it needs {about}{size(needed)} of memory at its peak, and there are {size(limit)}"
        raise InputError(what, where=f"[{section}]", fix=fix)
