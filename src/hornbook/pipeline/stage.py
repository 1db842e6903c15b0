"""A stage is a plain function; a step is a stage at its place in the road."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, ParamSpec, TypeVar, get_args, get_type_hints

from hornbook.pipeline.artifact import Artifact
from hornbook.pipeline.config import StageConfig
from hornbook.pipeline.run import Run

P = ParamSpec("P")
R = TypeVar("R", bound=Artifact)


@dataclass(frozen=True)
class Stage(Generic[P, R]):
    """A function with its name, its version and its types read from its signature. Call it like the function it is."""

    name: str
    version: int
    function: Callable[P, R]
    config: type[StageConfig]
    inputs: Mapping[str, type[Artifact]]
    optional: frozenset[str]  # inputs that a step may leave out
    output: type[Artifact]
    torchrun: bool  # may be started as several processes; each calls the function, rank 0's result counts

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.function(*args, **kwargs)


def stage(*, version: int, torchrun: bool = False) -> Callable[[Callable[P, R]], Stage[P, R]]:
    """Make a stage of `def name(config: SomeConfig, step: Kind, ..., run: Run) -> Kind`.

    Raise `version` whenever the same configuration and inputs give another result. The parameters between `config`
    and `run` are named after the steps that made them; one written `Kind | None = None` is given to the steps whose
    `inputs` name it (and `run` then stands behind a `*`). Their types are read when the module is imported, so artifact
    kinds must be real imports (they are cheap), not `TYPE_CHECKING` ones.
    """

    def made(function: Callable[P, R]) -> Stage[P, R]:
        hints = get_type_hints(function)
        parameters = inspect.signature(function).parameters
        names = list(parameters)
        if len(names) < 2 or names[0] != "config" or names[-1] != "run" or hints.get("run") is not Run:
            raise TypeError(f"stage {function.__name__} must take (config, artifacts by step name..., run: Run)")
        optional = frozenset(name for name in names[1:-1] if parameters[name].default is None)
        kinds = {name: _without_none(hints[name]) if name in optional else hints[name] for name in names[1:-1]}
        _expect(function.__name__, "config", hints["config"], StageConfig)
        for name, kind in {**kinds, "return": hints.get("return")}.items():
            _expect(function.__name__, name, kind, Artifact)
        output = hints["return"]
        return Stage(function.__name__, version, function, hints["config"], kinds, optional, output, torchrun)

    return made


def _without_none(hint: Any) -> Any:
    """The kind of `Kind | None`."""
    kinds = [kind for kind in get_args(hint) if kind is not type(None)]
    return kinds[0] if len(kinds) == 1 else hint


def _expect(function: str, name: str, kind: Any, base: type) -> None:
    if not (isinstance(kind, type) and issubclass(kind, base)):
        raise TypeError(f"stage {function}: {name} must be annotated with a kind of {base.__name__}, not {kind!r}")


@dataclass(frozen=True)
class Step:
    """A stage at its place in the road. `inputs` says which step feeds a parameter that is not named after one, or that
    other steps of the stage leave out."""

    name: str
    stage: Stage[..., Any]
    inputs: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def section(self) -> str:
        """The recipe section this step reads; steps of one stage share it."""
        return self.stage.name

    @property
    def sources(self) -> dict[str, str]:
        """Parameter -> the step that feeds it."""
        fed = [name for name in self.stage.inputs if name in self.inputs or name not in self.stage.optional]
        return {name: self.inputs.get(name, name) for name in fed}
