"""Counts, times and sizes in words."""

from __future__ import annotations


def counted(count: int, noun: str) -> str:
    """The count with its noun: `1 page`, `1,200 pages`.

    >>> counted(1, "step"), counted(0, "step"), counted(1200, "page")
    ('1 step', '0 steps', '1,200 pages')
    """
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def duration(seconds: float | None) -> str:
    """`0.4 s`, `12 s`, `4 min 10 s`, `2 h 05 min`; a question mark for what nobody knows.

    >>> [duration(value) for value in (0.44, 12, 250, 7500, None)]
    ['0.4 s', '12 s', '4 min 10 s', '2 h 05 min', '?']
    """
    if seconds is None:
        return "?"
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"


def size(count: float) -> str:
    """Bytes for people: `812 B`, `1.4 MB`, `3.2 GB`.

    >>> size(812), size(1_400_000)
    ('812 B', '1.4 MB')
    """
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"
