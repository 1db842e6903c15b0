"""The twelve stages, one file each, thin: configuration and calls. `ROAD` is the steps in order.

A stage module is imported to read its configuration class by every command, `hornbook plan` too: heavy imports (torch,
lancedb, and the rooms that need them) belong inside its functions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hornbook.road.steps import ROAD

__all__ = ["ROAD"]


def __getattr__(name: str) -> Any:
    if name == "ROAD":  # on demand, so that one stage can be imported without the eleven others
        from hornbook.road.steps import ROAD

        return ROAD
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
