"""Planted faults of known truth."""

from __future__ import annotations

from hornbook.demo.page import Page
from hornbook.demo.sizes import IslandSize
from hornbook.demo.world import World


def plant(site, pages: list[Page], world: World, seed: int, size: IslandSize) -> dict:
    """Add every kind of fault to the site; returns the truth."""
    return {"good": [site.base + page.path for page in pages], "faults": {}, "copies": {}, "personal": {}}
