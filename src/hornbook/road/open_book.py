"""How much of the pages is laid before a model at once: one key for who teaches it, examines it and serves it."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field

from hornbook.pipeline.config import Dial, StageConfig


class OpenBookConfig(StageConfig):
    """The part of a stage's section that stands at the recipe's top."""

    shared: ClassVar = ("passage_words",)

    passage_words: int = Field(
        110, ge=20, description="words of pages laid before the model, at most, from 20; set at the recipe's top"
    )

    @classmethod
    def defaults(cls, dial: Dial) -> dict[str, Any]:
        return {"passage_words": 60} if dial.size == "tiny" else {}
