"""robots.txt as RFC 9309 reads it: 4xx allows everything, 5xx and silence allow nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass

from protego import Protego

AGENT = "hornbook"
LONGEST_DELAY = 3600.0  # seconds; whoever asks for more between two requests says no
MAX_BYTES = 512 * 1024  # RFC 9309 section 2.5 asks for 500 KiB at least
_AGENT_LINE = re.compile(r"\s*user(?:-|\s*)agent\b[\s:]*([^#]*)", re.IGNORECASE)


@dataclass(frozen=True)
class Robots:
    """What one origin lets us do. `why` says why its robots.txt could not be had, where it could not: then nothing is
    allowed for now."""

    rules: Protego | None = None
    why: str | None = None

    @classmethod
    def from_answer(cls, status: int | None, body: bytes) -> Robots:
        """The rules from the answer for /robots.txt; `status` is None where there was none.

        3xx is a chain of redirects given up after five, which section 2.3.1.2 lets count as no file at all.
        """
        if status is None:
            return cls(why="robots.txt does not answer")
        if 300 <= status < 500:
            return cls()
        if not 200 <= status < 300:
            return cls(why=f"robots.txt answers {status}")
        if len(body) > MAX_BYTES:
            body = body[:MAX_BYTES].rpartition(b"\n")[0]  # half a rule is another rule
        text = body.decode("utf-8-sig", errors="replace").replace("\0", "")
        return cls(rules=Protego.parse("\n".join(map(_ours_or_others, text.splitlines()))))

    def allows(self, url: str) -> bool:
        """Whether `url` may be fetched."""
        if self.why is not None or self.endless is not None:
            return False
        return self.rules is None or self.rules.can_fetch(url, AGENT)

    @property
    def delay(self) -> float:
        """Seconds the host wants between two requests, 0 where it does not say."""
        return (self.rules.crawl_delay(AGENT) if self.rules is not None else None) or 0.0

    @property
    def endless(self) -> str | None:
        """What it asks for where that is a rest without end, None else."""
        return f"Crawl-delay: {self.delay:,.0f}" if self.delay > LONGEST_DELAY else None

    @property
    def sitemaps(self) -> list[str]:
        """The sitemaps it names."""
        return list(self.rules.sitemaps) if self.rules is not None else []


def _ours_or_others(line: str) -> str:
    """The line, all agents but "*" and what may stand for ours called one name: Protego keeps each rule of a group once
    for each of its agents, so that half a megabyte of both would take it hours."""
    found = _AGENT_LINE.match(line)
    if found is None:
        return line
    name = found[1].strip().lower()
    name = name if name == "*" else name.replace("*", "")
    return f"User-agent: {name if name == '*' or (name and AGENT.startswith(name)) else 'others'}"
