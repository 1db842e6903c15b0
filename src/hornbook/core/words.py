"""Counts in words."""

from __future__ import annotations


def counted(count: int, noun: str) -> str:
    """The count with its noun: `1 page`, `1,200 pages`.

    >>> counted(1, "step"), counted(0, "step"), counted(1200, "page")
    ('1 step', '0 steps', '1,200 pages')
    """
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
