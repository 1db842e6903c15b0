"""JSON through the gate: every text in it, wherever it stands."""

from __future__ import annotations

from typing import Any

from hornbook.safety import Gate

PASSING = ("allow", "flag", "redact")


class RefusedError(Exception):
    """The gate refuses a text; its message is what to say instead."""


def gated(gate: Gate, value: Any, side: str) -> Any:
    """The value with every text as the gate lets it pass; the names of fields are checked and kept. Raises
    RefusedError."""
    if isinstance(value, str):
        verdict = gate.check(value, side)
        if verdict.action not in PASSING:
            raise RefusedError(verdict.text)
        return verdict.text
    if isinstance(value, dict):
        for name in value:
            gated(gate, name, side)
        return {name: gated(gate, part, side) for name, part in value.items()}
    return [gated(gate, item, side) for item in value] if isinstance(value, list) else value
