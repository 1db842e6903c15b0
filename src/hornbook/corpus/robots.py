"""robots.txt as RFC 9309 reads it: 4xx allows everything, 5xx and silence allow nothing."""

from __future__ import annotations

from dataclasses import dataclass

from protego import Protego

AGENT = "hornbook"
MAX_BYTES = 512 * 1024  # RFC 9309 section 2.5 asks for 500 KiB at least


@dataclass(frozen=True)
class Robots:
    """What one origin lets us do. `why` says why nothing is allowed, where nothing is."""

    rules: Protego | None = None
    why: str | None = None

    @classmethod
    def from_answer(cls, status: int | None, body: bytes) -> Robots:
        """The rules from the answer for /robots.txt; `status` is None where there was none."""
        if status is None:
            return cls(why="robots.txt does not answer")
        if 400 <= status < 500:
            return cls()
        if status != 200:
            return cls(why=f"robots.txt answers {status}")
        text = body[:MAX_BYTES].decode("utf-8-sig", errors="replace").replace("\0", "")
        return cls(rules=Protego.parse(text))

    def allows(self, url: str) -> bool:
        """Whether `url` may be fetched."""
        if self.why is not None:
            return False
        return self.rules is None or self.rules.can_fetch(url, AGENT)

    @property
    def delay(self) -> float | None:
        """Seconds the host wants between two requests, where it says."""
        return self.rules.crawl_delay(AGENT) if self.rules is not None else None

    @property
    def sitemaps(self) -> list[str]:
        """The sitemaps it names."""
        return list(self.rules.sitemaps) if self.rules is not None else []
