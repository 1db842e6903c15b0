"""The road: every step in order, each fed by the steps its stage's parameters name."""

from __future__ import annotations

from hornbook.pipeline.stage import Step

ROAD: list[Step] = []
