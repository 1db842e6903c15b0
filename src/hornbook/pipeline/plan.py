"""What would run, what is up to date, why, and about how long."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, cast

from pydantic import ValidationError

from hornbook.core.digest import digest_json
from hornbook.core.errors import DamagedError, HornbookError
from hornbook.pipeline.config import Estimate, StageConfig
from hornbook.pipeline.identity import OutsideDigests, encoded, identity, paths_from_outside
from hornbook.pipeline.index import Index
from hornbook.pipeline.recipe import Recipe
from hornbook.pipeline.record import RECORD_NAME, InputEntry, Record
from hornbook.pipeline.stage import Step
from hornbook.pipeline.workspace import Workspace, fault

Action = Literal["up to date", "run", "resume", "damaged"]


@dataclass(frozen=True)
class Planned:
    """One step as it would be done now. `feeds` maps each parameter to the planned step that feeds it."""

    step: Step
    config: StageConfig
    seed: int
    identity: str
    folder: Path  # where its artifact lies, or will
    partial: Path
    outside: Mapping[str, str]
    feeds: Mapping[str, Planned]
    action: Action
    reason: str
    seconds: float | None  # about how long it will take; None when nobody knows
    fault: HornbookError | None = None
    estimate: Estimate | None = None

    @property
    def name(self) -> str:
        return self.step.name

    def input_entries(self, root: Path) -> dict[str, InputEntry]:
        """The inputs as they lie there now, for the record. Raises DamagedError where one is absent."""
        entries: dict[str, InputEntry] = {}
        for parameter, source in self.feeds.items():
            record = Record.read(source.folder)
            folder = str(source.folder.relative_to(root))
            entries[parameter] = InputEntry(artifact=folder, identity=record.identity, digest=record.digest)
        return entries


def make_plan(
    recipe: Recipe, workspace: Workspace, *, again: Collection[str] = (), verify: bool = False, doing: bool = False
) -> dict[str, Planned]:
    """Step -> what would be done, in the road's order. `again` names steps to do though they are up to date.

    A horizon is settled here, once, and kept in plan.json: by who is `doing` it always, so that it can be gone on with,
    else where it is sure. `verify` reads every byte of what is there.
    """
    memory, index = workspace.plan(), Index(workspace.folder.parent)
    outside_digests = OutsideDigests(workspace.folder / "outside.json")
    planned: dict[str, Planned] = {}
    for step in recipe.steps:
        asked = recipe.config(step)
        outside = outside_digests.of(paths_from_outside(asked))
        config = _settled(recipe, step, asked, outside, memory, doing)
        feeds = {parameter: planned[source] for parameter, source in step.sources.items()}
        name = identity(step, config, recipe.seed(step), {p: feed.identity for p, feed in feeds.items()}, outside)
        folder = workspace.folder / step.name / f"{config.label() or recipe.dial.size}-{name[:6]}"
        partial = workspace.partial / f"{step.name}~{name[:12]}"
        blank = Planned(
            step, config, recipe.seed(step), name, folder, partial, outside, feeds, "run", "", None
        )
        action, reason, wrong = decide(blank, workspace, again=step.name in again, verify=verify)
        seconds = None
        if action != "up to date":
            known = index.seconds(step.stage.name, recipe.dial.size, digest_json(encoded(config, outside)))
            seconds = config.about_seconds() if known is None else known
        planned[step.name] = Planned(
            step, config, blank.seed, name, folder, partial, outside, feeds, action, reason, seconds, wrong
        )
    now = workspace.plan()  # a run that is under way may have written to it meanwhile
    kept = {name: memory[name] for name in ("settled", "measured")}
    workspace.write_plan({**now, **kept, "recipe": str(recipe.path.absolute())})
    return planned


def estimated(recipe: Recipe, planned: Planned, workspace: Workspace, *, thorough: bool) -> Planned:
    """The step with what its stage says it will take here: see `StageConfig.estimate`, whose errors it raises."""
    measured = workspace.plan()["measured"]
    found = planned.config.estimate(recipe, measured, thorough=thorough)
    workspace.write_plan({**workspace.plan(), "measured": measured})
    seconds = found.seconds if found and found.seconds is not None else planned.seconds
    return replace(planned, estimate=found, seconds=seconds)


def decide(
    planned: Planned, workspace: Workspace, *, again: bool = False, verify: bool = False
) -> tuple[Action, str, HornbookError | None]:
    """Whether the step must be done, why, and what is wrong with the artifact that is there, if something is."""
    if planned.folder.exists():
        wrong = fault(planned.folder, verify=verify)
        if wrong is not None:
            return "damaged", str(wrong), wrong
        record = Record.read(planned.folder)
        if record.identity != planned.identity:  # six letters can fall together
            return "run", "another artifact has its place", None
        if again:
            return "run", "asked for again", None
        waiting = [feed.name for feed in planned.feeds.values() if feed.action != "up to date"]
        changed = _changed_inputs(planned, record)
        if changed:
            return "run", f"{', '.join(changed)} came out different", None
        why = f"unless {', '.join(waiting)} comes out different" if waiting else "nothing changed"
        return "up to date", why, None
    if planned.partial.exists():
        return "resume", "was stopped half-way", None
    return "run", _why(planned, workspace), None


def _changed_inputs(planned: Planned, record: Record) -> list[str]:
    """Inputs whose content is no longer what this artifact was made from, though the request is the same."""
    changed: list[str] = []
    for parameter, source in planned.feeds.items():
        if (source.folder / RECORD_NAME).exists() and source.action != "damaged":
            made_from = record.inputs.get(parameter)
            if made_from is None or Record.read(source.folder).digest != made_from.digest:
                changed.append(source.name)
    return changed


def _why(planned: Planned, workspace: Workspace) -> str:
    """What differs from the artifact that is current, or else from the last that was made."""
    records: list[tuple[bool, Record]] = []
    current = workspace.plan()["current"].get(planned.name)
    for folder in workspace.folders(planned.name):
        try:
            records.append((str(folder.relative_to(workspace.folder)) == current, Record.read(folder)))
        except DamagedError:
            continue  # `decide` reports the one that matters; this only looks for something to compare with
    if not records:
        return "not done yet"
    last = max(records, key=lambda found: (found[0], found[1].started))[1]
    changes: list[str] = []
    if last.version != planned.step.stage.version:
        changes.append(f"stage version {last.version} -> {planned.step.stage.version}")
    changes += _differences(last.config, encoded(planned.config, planned.outside))
    if last.seed != planned.seed:
        changes.append("another seed")
    for parameter, source in planned.feeds.items():
        entry = last.inputs.get(parameter)
        if entry is None or entry.identity != source.identity:
            changes.append(f"{source.name} changed")
    changes = list(dict.fromkeys(changes))  # one step may feed two parameters
    return "; ".join(changes[:3]) + (f"; and {len(changes) - 3} more" if len(changes) > 3 else "")


def _differences(old: dict[str, Any], new: dict[str, Any], prefix: str = "") -> list[str]:
    """`vocab_size 4096 -> 8192` for every value that differs."""
    found: list[str] = []
    for key in dict.fromkeys([*old, *new]):
        before, after, name = old.get(key), new.get(key), f"{prefix}{key}"
        if before == after:
            continue
        if isinstance(before, dict) and isinstance(after, dict):
            if set(cast(dict[str, Any], before)) == {"content"}:
                found.append(f"{name} holds something else")
            else:
                found += _differences(cast(dict[str, Any], before), cast(dict[str, Any], after), f"{name}.")
        else:
            found.append(f"{name} {_short(cast(object, before))} -> {_short(cast(object, after))}")
    return found


def _short(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 40 else f"{text[:37]}..."


def _settled(
    recipe: Recipe, step: Step, asked: StageConfig, outside: Mapping[str, str], memory: dict[str, Any],
    doing: bool,
) -> StageConfig:
    """The configuration with its horizon fixed: from plan.json when this was asked before, else settled now."""
    dial, settled = recipe.dial, memory["settled"]
    request = [step.stage.name, step.stage.version, encoded(asked, outside), dial.size, dial.depth, dial.seed]
    request += [recipe.configs[section].model_dump(mode="json") for section in asked.settled_by]
    key = digest_json(request)
    if key in settled:
        try:
            return type(asked).model_validate(settled[key], context={"folder": recipe.path.parent.absolute()})
        except ValidationError:
            del settled[key]  # the stage's configuration has other keys now than when this was kept
    config = asked.settle(recipe, memory["measured"])
    if config != asked and (doing or config.sure(recipe, memory["measured"])):
        settled[key] = config.model_dump(mode="json")
    return config
