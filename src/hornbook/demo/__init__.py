"""The demo: an invented island as a website with planted faults, its truth, its rater and its grader.

No stage of the road may read the truth."""

from __future__ import annotations

from hornbook.demo.island import Island, make_island, write_island

__all__ = ["Island", "make_island", "write_island"]
