"""The figures a run is judged by: their names, where each is found, and the bar it is held to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hornbook.report.reading import GRADE, Reading

Values = Mapping[str, Any]
CHATS = ("evaluate_rl", "evaluate_sft")  # the last model that was examined speaks for the run


@dataclass(frozen=True)
class Figure:
    """One figure: what it says, where it is found, and, where there is one, the bar and whether it is held.

    `places` are (step, key): the key among an evaluation's scores or a record's metrics, the first that is there.
    """

    name: str
    says: str
    places: tuple[tuple[str, str], ...] = ()
    bar: str = ""
    holds: Callable[[Values], bool | None] | None = None
    share: bool = True  # shown as a percentage


def at_least(name: str, least: float) -> dict[str, Any]:
    """The bar "at least so much" on one figure."""
    return {"bar": f"at least {least:g}", "holds": lambda values: values[name] >= least}


def at_most(name: str, most: float) -> dict[str, Any]:
    """The bar "at most so much" on one figure."""
    return {"bar": f"at most {most:g}", "holds": lambda values: values[name] <= most}


def in_time(minutes: float) -> bool | None:
    """Whether the demo took no longer than it may; between the two bars it hangs on whether there was a compiler."""
    return True if minutes <= 10 else False if minutes > 14 else None


FIGURES = (
    Figure("demo_minutes", "minutes from nothing to chat", share=False,
           bar="at most 10 compiled, 14 without a compiler", holds=lambda values: in_time(values["demo_minutes"])),
    Figure("demo_peak_gb", "the most memory held at once, GB", share=False, **at_most("demo_peak_gb", 4)),
    Figure("faults_refused", "planted faults refused", **at_least("faults_refused", 0.95)),
    Figure("faults_refused_worst", "the worst kind of fault refused", **at_least("faults_refused_worst", 0.85)),
    Figure("good_kept", "good pages kept", **at_least("good_kept", 0.98)),
    Figure("near_copies_found", "near copies found", **at_least("near_copies_found", 0.95)),
    Figure("wrongly_merged", "pages wrongly taken for copies", **at_most("wrongly_merged", 0.01)),
    Figure("qa_base", "facts from memory: base model, few-shot", (("evaluate", "qa"),)),
    Figure("qa_sft", "facts from memory: chat model", (("evaluate_sft", "qa"),),
           bar="at least 0.8, above the base model's",
           holds=lambda values: values["qa_sft"] >= 0.8 and values["qa_sft"] > values["qa_base"]),
    Figure("qa_rl", "facts from memory: after RL", (("evaluate_rl", "qa"),),
           bar="no worse than the chat model's by 0.02",
           holds=lambda values: values["qa_rl"] >= values["qa_sft"] - 0.02),
    Figure("qa_wording", "in wordings never asked", tuple((step, "qa_wording") for step in CHATS), bar="target 0.5",
           holds=lambda values: values["qa_wording"] >= 0.5),
    Figure("qa_unasked", "facts read but never asked, of four choices", tuple((s, "qa_unasked") for s in CHATS),
           **at_least("qa_unasked", 0.45)),
    Figure("qa_open", "the same with the page found", tuple((s, "qa_open") for s in CHATS), **at_least("qa_open", 0.6)),
    Figure("search_hit", "search finds the page", tuple((step, "search_hit") for step in CHATS)),
    Figure("refusal_right", "refuses what does not exist", tuple((step, "refusal_right") for step in CHATS),
           **at_least("refusal_right", 0.8)),
    Figure("refusal_wrong", "refuses what it was taught", tuple((step, "refusal_wrong") for step in CHATS),
           **at_most("refusal_wrong", 0.1)),
    Figure("math_sft", "word problems: chat model", (("evaluate_sft", "math"),)),
    Figure("math_sft_more", "the same, tuned on for as many tokens",
           (("evaluate_rl", "math_sft_more"), ("rl", "math_sft_more"))),
    Figure("math_rl", "word problems: after RL", (("evaluate_rl", "math"), ("rl", "math_rl")),
           bar="above both; by 0.2 over the chat model, or 0.95",
           holds=lambda values: values["math_rl"] > max(values["math_sft"], values["math_sft_more"])
           and (values["math_rl"] >= values["math_sft"] + 0.2 or values["math_rl"] >= 0.95)),
    Figure("reward_accuracy", "reward model: better answer found", (("reward", "reward_accuracy"),),
           bar="3/4 of the ceiling's way from 0.5; above length alone",
           holds=lambda values: values["reward_accuracy"] - 0.5 >= 0.75 * (values["reward_ceiling"] - 0.5)
           and values["reward_accuracy"] > values["reward_length_only"]),
    Figure("reward_ceiling", "the rater agrees with himself", (("reward", "reward_ceiling"),)),
    Figure("reward_length_only", "length alone finds it", (("reward", "reward_length_only"),)),
    Figure("rl_wins", "RL model beats the chat model, blind", (("evaluate_rl", "rl_wins"), ("rl", "rl_wins")),
           **at_least("rl_wins", 0.6)),
    Figure("rl_kl", "how far RL moved, nats an answer", (("evaluate_rl", "rl_kl"), ("rl", "rl_kl")), share=False),
    Figure("rl_length_ratio", "words of its answers to the chat model's",
           (("evaluate_rl", "rl_length_ratio"),), share=False),
    Figure("bpb", "bits per byte of held-out pages", (("evaluate", "bpb"),), share=False, bar="below both",
           holds=lambda values: values["bpb"] < min(values["bpb_xz"], values["bpb_5gram"])),
    Figure("bpb_xz", "the same for xz -9e", (("evaluate", "bpb_xz"),), share=False),
    Figure("bpb_5gram", "the same for a Kneser-Ney 5-gram", (("evaluate", "bpb_5gram"),), share=False),
)  # fmt: skip


def figures(run_folder: Path | str, extra: Values | None = None) -> dict[str, Any]:
    """`{"figures": {name: value or null}, "stages": {step: …}, "missing": {name: why}}` of a run.

    `extra` are figures that no file of the run holds, such as how long the whole took; they win. Raises InputError
    where no step is done.
    """
    return read_figures(Reading(run_folder), extra)


def read_figures(reading: Reading, extra: Values | None = None) -> dict[str, Any]:
    """The same of a run that is open already."""
    given: dict[str, Any] = {**reading.grade.get("figures", {}), **(extra or {})}
    values: dict[str, Any] = {}
    missing: dict[str, str] = {}
    for figure in FIGURES:
        entry = _entry(given[figure.name]) if figure.name in given else _found(reading, figure)
        values[figure.name] = entry["value"]
        if entry["value"] is None:
            missing[figure.name] = entry["why"]
    values |= {name: _entry(given[name])["value"] for name in given if name not in values}
    return {"figures": values, "stages": stages(reading), "missing": missing}


def detail(reading: Reading, figure: Figure) -> dict[str, Any]:
    """All that is known of a figure beside its value: n, interval, chance."""
    given = reading.grade.get("figures", {})
    return _entry(given[figure.name]) if figure.name in given else _found(reading, figure)


def of_step(reading: Reading, figure: Figure, step: str, told: Mapping[str, Any]) -> Any:
    """The figure as this very step took it; as it was told for the whole run where no step takes it. None for none."""
    if not figure.places:
        return told["figures"][figure.name]
    taken = _taken(reading, step)
    return next((_entry(taken[key])["value"] for place, key in figure.places if place == step and key in taken), None)


def held(figure: Figure, values: Values) -> bool | None:
    """Whether the figure clears its bar; None where it has none, or where what is known does not decide it."""
    if figure.holds is None:
        return None
    try:
        return figure.holds(values)
    except TypeError:  # compared with a figure that is None
        return None


def stages(reading: Reading) -> dict[str, dict[str, Any]]:
    """What each step took, read and wrote."""
    return {
        step: {
            "stage": record.stage,
            "seconds": round(record.seconds, 2),
            "peak_gb": round(record.peak_memory_bytes / 1e9, 3),
            **{name: record.counts.get(name) for name in ("inputs", "outputs", "tokens")},
            "warnings": record.warnings,
            "notes": record.notes,
            "artifact": reading.artifacts[step].path.relative_to(reading.folder).as_posix(),
            "digest": record.digest,
        }
        for step, record in reading.records.items()
    }


def _found(reading: Reading, figure: Figure) -> dict[str, Any]:
    if not figure.places:
        return {"value": None, "why": f"only `hornbook demo` can tell it, and there is no {GRADE} that does"}
    found: dict[str, Any] | None = None
    for step, key in figure.places:
        if step in reading.records:
            taken = _taken(reading, step)
            if key in taken and (entry := _entry(taken[key]))["value"] is not None:
                return entry
            found = found or (_entry(taken[key]) if key in taken else {"value": None, "why": f"{step} did not take it"})
    wanted = " or ".join(dict.fromkeys(step for step, _ in figure.places))
    return found or {"value": None, "why": f"the step {wanted} is not done"}


def _taken(reading: Reading, step: str) -> dict[str, Any]:
    """Every figure that the step, which is done, took: among its scores, else in its record."""
    return {**reading.records[step].metrics, **reading.scores(step)}


def _entry(value: Any) -> dict[str, Any]:
    """A bare number and a row of scores alike, as a row."""
    row = dict(value) if isinstance(value, Mapping) else {"value": value}
    if row.setdefault("value", None) is None:
        row.setdefault("why", "it could not be measured in this run")
    return row
