"""A recipe: one TOML file with the dial at its top and a section a stage. A mistake in it is one line that teaches."""

from __future__ import annotations

import difflib
import shlex
import tomllib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self, TypeVar, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from hornbook.core.errors import RecipeError
from hornbook.core.processes import cores
from hornbook.core.seeds import derive
from hornbook.core.words import counted
from hornbook.pipeline.config import Dial, StageConfig
from hornbook.pipeline.stage import Step

TOP = ("size", "seed", "depth")
SHAPES = {  # what pydantic says of a value of the wrong shape, in TOML's words
    **dict.fromkeys(("list_type", "tuple_type"), "it must be a list, in square brackets"),
    **dict.fromkeys(("dict_type", "model_type"), "it must be a table, { key = value }"),
    "bool_parsing": "it must be true or false",
}
C = TypeVar("C", bound=BaseModel)


class MachineConfig(BaseModel):
    """The section `[run]`: what does not change the result, and so bears no identity."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    device: str = Field("auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$", description='"auto", "cpu" or "cuda"')
    compile: Literal["auto"] | bool = Field("auto", description='true, false or "auto"')
    threads: int | None = Field(None, ge=1, description="how many threads; every core when left out")
    launcher: Literal["inprocess", "local", "torchrun", "slurm", "ray"] = Field(
        "inprocess",
        description="all stages in one process, each in its own; or training in several, by torchrun, Slurm or Ray",
    )
    processes: int = Field(1, ge=1, description="how many processes train together on each machine")
    machines: int = Field(1, ge=1, description="how many machines Slurm or Ray is asked for")
    fewest: int | None = Field(None, ge=1, description="how many machines a Slurm job may go on with, others lost")
    restarts: int = Field(0, ge=0, description="how often training goes on by itself after one of its processes died")
    slurm: tuple[str, ...] = Field((), description='lines for sbatch, such as "--partition=gpu"')
    shard: bool = Field(False, description="each training process keeps a part of every weight, and not all")
    tensor: int = Field(1, ge=1, description="how many training processes share each matrix")
    checkpoints: int = Field(2, ge=1, description="how many of the newest checkpoints a training keeps until it ends")
    engine: Literal["local", "ray"] = Field(
        "local", description="where pages are read and compared: processes of this machine, or a Ray cluster's"
    )

    @model_validator(mode="after")
    def _shared_evenly(self) -> Self:
        there = self.processes * self.machines
        if there % self.tensor:
            raise ValueError(f"tensor = {self.tensor} does not divide processes x machines = {there}")
        return self

    @model_validator(mode="after")
    def _threads_there_are(self) -> Self:
        """Slurm's and Ray's machines are others than this one. What was begun on a larger machine goes on with the
        threads that its attempt began with, whatever the recipe says then."""
        if self.launcher not in ("slurm", "ray") and (self.threads or 0) > cores():
            raise ValueError(f"threads = {self.threads} cannot be: this machine has {counted(cores(), 'processor')}; "
                             f"leave it out, or set it to {cores()} at most")
        return self


@dataclass(frozen=True)
class Recipe:
    """A recipe that was read and found right: every step has its configuration, before `settle`."""

    path: Path
    dial: Dial
    steps: Sequence[Step]
    configs: Mapping[str, StageConfig]  # by section
    machine: MachineConfig
    settings: tuple[str, ...] = ()  # of the command line, in the file's place

    @property
    def name(self) -> str:
        """The file's name without `.toml`: the run's folder is called so."""
        return self.path.stem

    @property
    def words(self) -> str:
        """What names this recipe on a command line, with its settings."""
        return " ".join([str(self.path), *(f"--set {shlex.quote(setting)}" for setting in self.settings)])

    def step(self, name: str) -> Step:
        """The step called `name`. Raises RecipeError naming the steps there are."""
        for step in self.steps:
            if step.name == name:
                return step
        raise _unknown("there is no step", name, [step.name for step in self.steps], self.path)

    def config(self, step: Step) -> StageConfig:
        """What the recipe and the dial say about this step."""
        return self.configs[step.section]

    def seed(self, step: Step) -> int:
        """The step's own seed, derived from the recipe's by the step's name."""
        return derive(self.dial.seed, step.name)

    @classmethod
    def read(
        cls, path: Path | str, steps: Sequence[Step], depths: Mapping[str, int], settings: Iterable[str] = ()
    ) -> Recipe:
        """Read a recipe for the road `steps`. `depths` are the sizes there are, each with its depth; `settings` are
        `stage.key=value` from the command line, which win over the file. Raises RecipeError with the one line to read.
        """
        path, settings = _found(Path(path)), tuple(settings)
        table = _parsed(path)
        for setting in settings:
            _set(table, setting)
        stages = {step.section: step.stage.config for step in steps}
        top = list(dict.fromkeys([*TOP, *(key for kind in stages.values() for key in kind.shared)]))
        for key in table:
            if key not in (*top, "run", *stages):
                raise _unknown("there is no key or section", key, [*top, "run", *stages], path)
        dial = _dial(table, depths, path)
        told = {setting.partition("=")[0].strip() for setting in settings}
        configs = {name: _config(kind, name, table, dial, path, told) for name, kind in stages.items()}
        machine = _validated(MachineConfig, "run", table.get("run", {}), path)
        return cls(path, dial, steps, configs, machine, settings)


def _found(path: Path) -> Path:
    for candidate in (path, path.with_name(f"{path.name}.toml")):
        if candidate.is_file():
            return candidate
    beside = sorted(path.parent.glob("*.toml")) if path.parent.is_dir() else []
    near = [str(other) for other in beside if other.name != "pyproject.toml"]
    fix = f"the recipes here are {', '.join(near)}" if near else "write one with: hornbook new NAME --docs FOLDER"
    raise RecipeError("there is no such recipe", where=path, fix=fix)


def _parsed(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"this is not TOML: {error}", where=path, fix="mend that line") from None


def _set(table: dict[str, Any], setting: str) -> None:
    """Write one `stage.key=value` into the table. The value is TOML where it reads as TOML, else a string."""
    key, equals, text = setting.partition("=")
    if not equals or not key.strip():
        raise RecipeError(f"{setting!r} is not a setting", where="--set", fix="write --set stage.key=value")
    try:
        value: Any = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    *parents, last = key.strip().split(".")
    for parent in parents:
        inner = table.setdefault(parent, {})
        if not isinstance(inner, dict):
            raise RecipeError(f"{parent} is a value, not a section", where="--set", fix="write --set stage.key=value")
        table = cast(dict[str, Any], inner)
    table[last] = value


def _dial(table: Mapping[str, Any], depths: Mapping[str, int], path: Path) -> Dial:
    size = table.get("size", "laptop" if "laptop" in depths else next(iter(depths)))
    if size not in depths:
        raise _unknown("there is no size", str(size), list(depths), path)
    numbers: dict[str, int] = {"seed": 0, "depth": depths[size]}
    for key in numbers:
        value = table.get(key, numbers[key])
        if not isinstance(value, int) or isinstance(value, bool) or value < (key == "depth"):
            lowest = "a whole number from 1" if key == "depth" else "a whole number from 0"
            raise RecipeError(f"{key} = {value!r} cannot be", where=path, fix=f"{key} must be {lowest}")
        numbers[key] = value
    return Dial(size, numbers["depth"], numbers["seed"])


def _config(
    kind: type[StageConfig], section: str, table: Mapping[str, Any], dial: Dial, path: Path, told: Collection[str]
) -> StageConfig:
    """What is given, else derived. `told` are the keys that the command line sets."""
    given = table.get(section, {})
    if not isinstance(given, dict):
        raise RecipeError(f"{section} must be a section", where=path, fix=f"write [{section}] above its keys")
    for key in kind.shared:
        if key in given:
            fix = f"set {key} at the recipe's top, or --set {key}=…"
            raise RecipeError(f"{key} is not {section}'s alone", where=f"{path}, [{section}]", fix=fix)
    shared = {key: table[key] for key in kind.shared if key in table}
    values = {**kind.defaults(dial), **shared, **cast(dict[str, Any], given)}
    ways = [key for key in kind.ways if f"{section}.{key}" in told] or [key for key in kind.ways if key in given]
    if len(ways) > 1:
        said = f"{' and '.join(ways)} say the same thing in different ways"
        raise RecipeError(said, where=f"{path}, [{section}]", fix=f"leave out all but one of: {', '.join(kind.ways)}")
    if ways:
        values = {key: value for key, value in values.items() if key not in kind.ways or key in ways}
    return _validated(kind, section, values, path)


def _validated(kind: type[C], section: str, values: object, path: Path) -> C:
    try:
        return kind.model_validate(values, context={"folder": path.parent.absolute()})
    except ValidationError as error:
        raise _explained(error, kind, section, path) from None


def _explained(error: ValidationError, kind: type[BaseModel], section: str, path: Path) -> RecipeError:
    """The first thing wrong, in the recipe's own words."""
    first = error.errors(include_url=False, include_context=False)[0]
    keys = [str(part) for part in first["loc"] if not (isinstance(part, str) and "[" in part)]
    where = f"{path}, [{section}]"
    if first["type"] == "extra_forbidden":
        owner = _owner(kind, keys[:-1])
        return _unknown("there is no key", keys[-1], sorted(owner.model_fields), where)
    message = SHAPES.get(first["type"], first["msg"].removeprefix("Value error, "))
    if first["type"] == "missing":
        if isinstance(first["loc"][-1], int):
            said = f"{'.'.join(keys[:-1])} = {first['input']!r} cannot be: there are too few values"
            return RecipeError(said, where=where, fix=_hint(kind, keys[:1]))
        fix = _hint(kind, keys) or f"set it in [{section}]"
        return RecipeError(f"{'.'.join(keys)} is missing", where=where, fix=fix)
    if not keys:
        return RecipeError(message, where=where)
    said = f"{'.'.join(keys)} = {first['input']!r} cannot be: {message[:1].lower()}{message[1:]}"
    return RecipeError(said, where=where, fix=_hint(kind, keys))


def _owner(kind: type[BaseModel], keys: Sequence[str]) -> type[BaseModel]:
    """The model in which the key at the end of `keys` would lie."""
    for key in keys:
        annotation = kind.model_fields[key].annotation if key in kind.model_fields else None
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            kind = annotation
    return kind


def _hint(kind: type[BaseModel], keys: Sequence[str]) -> str | None:
    field = _owner(kind, keys[:-1]).model_fields.get(keys[-1])
    return None if field is None or not field.description else f"{keys[-1]} is {field.description}"


def _unknown(what: str, name: str, allowed: Sequence[str], where: object) -> RecipeError:
    near = difflib.get_close_matches(name, allowed, n=1)
    meant = f"did you mean {near[0]}? " if near else ""
    return RecipeError(f"{what} {name!r}", where=where, fix=f"{meant}there are: {', '.join(allowed)}")
