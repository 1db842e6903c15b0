"""What `hornbook scaling` found, in words and as one self-contained page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hornbook.core.files import write_text

SHARP_AND_SMOOTH = {
    "exact_1": "the next token right", "exact_4": "the next 4 all right", "exact_8": "the next 8 all right",
    "exact": "the whole answer right", "edits": "edits by length of the answer",
    "logprob": "nats a token of the answer",
}  # fmt: skip
CURVE_POINTS = 40

Rows = list[dict[str, Any]]


def write_scaling(name: str, folder: Path, found: dict[str, Any]) -> Path:
    """Write scaling.html into the folder and return its path."""
    from hornbook.report import charts
    from hornbook.report.page import render

    rows = [row | {"budget": f"{row['flops']:.1e}"} for row in sorted(found["rows"], key=lambda row: row["flops"])]
    path = folder / "scaling.html"
    write_text(path, render({
        "name": name, "verdicts": verdicts(found), "rows": rows,
        "isoflop_chart": charts.isoflop(rows, list(_parabolas(found, rows))),
        "compute_chart": charts.compute(rows, _power(found, rows), _foretold(found, rows)),
        "measures": [(task, charts.measures(list(_measures(rows, task)))) for task in ("text", "questions")
                     if task in rows[0]],
    }, "scaling.html"))  # fmt: skip
    return path


def verdicts(found: dict[str, Any]) -> list[tuple[str, str]]:
    """The findings in words, a line each."""
    held, law, kaplan = found["held_out"], found["laws"]["chinchilla"], found["laws"]["kaplan"]
    between = {name: f"({low:.3g} to {high:.3g})" for name, (low, high) in held["law_intervals"].items()}
    noise, best = held["noise"], found["laws"]["best"]
    return [
        ("Chinchilla", ", ".join(f"{name} {law[name]:.4g} {between[name]}" for name in ("E", "A", "B", "alpha", "beta"))
         + f"; error {law['error']:.2%}"),
        ("best size grows as", f"C^{law['beta'] / (law['alpha'] + law['beta']):.2f} {between['share_of_size']}"),
        ("isoFLOP valleys", f"size C^{best['parameters']['exponent']:.2f}, tokens C^{best['tokens']['exponent']:.2f}"
         if best else "fewer than two budgets have theirs between the sizes trained"),
        ("Kaplan", ", ".join(f"{name} {kaplan[name]:.4g}" for name in ("N_c", "D_c", "alpha_N", "alpha_D"))
         + f"; error {kaplan['error']:.2%}"),
        ("noise of log loss", f"{noise['residual']:.2%} about the law, {noise['seeds']:.2%} between seeds, "
         f"{noise['beyond']:.2%} of the largest budget foretold by the others"),
        ("foretold", f"{held['loss']:.4f} nats a token, between {held['interval'][0]:.4f} and "
         f"{held['interval'][1]:.4f}: {held['width']:.4f} wide, {held['width_share']:.1%}"),
        ("found", f"{held['found']:.4f}, {'inside' if held['inside'] else 'OUTSIDE'}, {held['wrong_by']:+.2%} off "
         f"(Kaplan's law: {held['kaplan_loss']:.4f})"),
    ]  # fmt: skip


def _parabolas(found: dict[str, Any], rows: Rows) -> Iterator[dict[str, Any]]:
    import numpy as np

    for valley in found["laws"]["valleys"]:
        own = [row for row in rows if abs(row["flops"] / valley["flops"] - 1) <= 0.05]
        sizes = np.log([row["parameters"] for row in own])
        for size in np.linspace(sizes.min(), sizes.max(), CURVE_POINTS):
            loss = float(np.polyval(valley["curve"], size))
            yield {"parameters": float(np.exp(size)), "loss": loss, "budget": own[0]["budget"]}


def _power(found: dict[str, Any], rows: Rows) -> Rows:
    law, ends = found["laws"]["compute"], (rows[0]["flops"], rows[-1]["flops"])
    return [{"flops": flops, "loss": (law["C_c"] / flops) ** law["alpha_C"]} for flops in ends]


def _foretold(found: dict[str, Any], rows: Rows) -> Rows:
    low, high = found["held_out"]["interval"]
    return [{"flops": rows[-1]["flops"], "loss": found["held_out"]["loss"], "low": low, "high": high}]


def _measures(rows: Rows, task: str) -> Iterator[dict[str, Any]]:
    for key, says in SHARP_AND_SMOOTH.items():
        for row in rows:
            if key in row[task] and row["seed"] == 0 and not (key == "exact" and "exact_8" in row[task]):
                yield {"measure": says, "value": row[task][key], "parameters": row["parameters"],
                       "budget": row["budget"]}
