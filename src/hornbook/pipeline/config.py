"""What a recipe may say about a stage, and the one dial from which everything it does not say is derived."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PosixPath
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, ValidationInfo
from pydantic_core import CoreSchema, core_schema

if TYPE_CHECKING:
    from hornbook.pipeline.recipe import Recipe


@dataclass(frozen=True)
class Dial:
    """The top of a recipe: `size` names a machine, `depth` the model's, `seed` starts every random choice."""

    size: str
    depth: int
    seed: int


@dataclass(frozen=True)
class Estimate:
    """What a stage will take on this machine. `seconds` and `between` (its interval) are None where nothing was
    measured; `threads` are those that were found fastest, None where that was not looked for."""

    memory: dict[str, int]  # bytes at the peak, by what holds them
    memory_limit: int  # bytes that there are
    figures: dict[str, Any]  # what else a program asks for: parameters, FLOPs, tokens
    lines: tuple[str, ...] = ()  # and a person
    seconds: float | None = None
    between: tuple[float, float] | None = None
    threads: int | None = None
    doubt: str | None = None  # why the time may be wrong, in one line


class InputPath(PosixPath):
    """A file or folder from outside the run. Its content, not its path, bears identity.

    A relative path in a recipe is read from the recipe's own folder.
    """

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.with_info_plain_validator_function(
            cls._validated, serialization=core_schema.plain_serializer_function_ser_schema(str, when_used="json")
        )

    @classmethod
    def _validated(cls, value: object, info: ValidationInfo) -> InputPath:
        if not isinstance(value, str | Path):
            raise ValueError("must be the path of a file or folder")
        context = cast(dict[str, Path], info.context or {})
        folder = context.get("folder", Path())
        path = cls(Path(folder, Path(value).expanduser()).absolute())
        if not path.exists():
            raise ValueError(f"there is no {path}; a path counts from the recipe's folder")
        return path


class StageConfig(BaseModel):
    """The base of every stage's configuration. All of it bears identity, so it holds only what changes the result.

    Frozen, and an unknown key is an error. Use `Field(ge=..., le=...)`, `Literal[...]` and field descriptions freely:
    the command line shows them when a value is wrong.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, validate_default=True)
    shared: ClassVar[tuple[str, ...]] = ()  # keys that several stages must agree on: set once, at the recipe's top
    ways: ClassVar[tuple[str, ...]] = ()  # keys that say one thing in several ways: one of them may be given

    later: ClassVar[tuple[str, ...]] = ()  # keys newer than runs that are kept: at their defaults they bear no identity

    settled_by: ClassVar[tuple[str, ...]] = ()  # other sections that its horizon depends on

    @classmethod
    def defaults(cls, dial: Dial) -> dict[str, Any]:
        """Values for the keys that the recipe leaves out, derived from the dial."""
        return {}

    def settle(self, recipe: Recipe, measured: dict[str, Any]) -> Self:
        """Called once, when the run is first planned: a horizon in minutes becomes tokens on this machine.

        What it returns is kept in the run's plan.json and used again, so it may measure this machine. `measured` is
        kept there too: what was found by measuring, to be looked up before measuring again.
        """
        return self

    def sure(self, recipe: Recipe, measured: dict[str, Any]) -> bool:
        """Whether what `settle` returned may be kept before there is work that goes by it: not where the machine was
        too busy to be measured."""
        return True

    def estimate(self, recipe: Recipe, measured: dict[str, Any], *, thorough: bool) -> Estimate | None:
        """What the stage will take here, None where nobody knows. `thorough` is for who asked to be told, and may
        measure for some seconds; else what is known or worth its time. Raises InputError for what cannot fit.
        """
        return None

    def label(self) -> str | None:
        """What the artifact's folder is called before the dash, such as "en-8k"; the recipe's size when None."""
        return None

    def about_seconds(self) -> float | None:
        """A rough guess of the stage's time, for `hornbook plan` before anything like it was ever run here."""
        return None
