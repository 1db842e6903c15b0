"""How much a caller may ask in a minute: token buckets, for requests and for tokens."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from hornbook.serving.errors import ApiError

MINUTE = 60.0
Clock = Callable[[], float]


class Bucket:
    """Holds at most `most` and fills by as much in a minute: bursts pass, the mean does not exceed the limit
    (a token bucket, RFC 2697's committed rate alone)."""

    def __init__(self, most: float, clock: Clock = time.monotonic):
        self.most, self._clock = most, clock
        self._level, self._seen = float(most), clock()
        self._lock = threading.Lock()

    def take(self, amount: float) -> float:
        """Take it and give 0.0, or take nothing and give the seconds until it will be there; never for more than
        `most`, which is infinitely far."""
        with self._lock:
            now = self._clock()
            self._level = min(self.most, self._level + (now - self._seen) * self.most / MINUTE)
            self._seen = now
            if amount <= self._level + 1e-9:
                self._level -= amount
                return 0.0
            return float("inf") if amount > self.most else (amount - self._level) * MINUTE / self.most

    def give_back(self, amount: float) -> None:
        """What was taken and not used."""
        with self._lock:
            self._level = min(self.most, self._level + amount)


@dataclass(frozen=True)
class Rates:
    """The most that one caller may ask in a minute; none means as much as it likes."""

    requests: int | None = None
    tokens: int | None = None


class Caller:
    """One key's, or everybody's where there are no keys: its buckets, and what it may do."""

    def __init__(self, name: str, scopes: tuple[str, ...], rates: Rates, clock: Clock = time.monotonic):
        self.name, self.scopes, self.rates = name, scopes, rates
        self.requests = Bucket(rates.requests, clock) if rates.requests else None
        self.tokens = Bucket(rates.tokens, clock) if rates.tokens else None

    def take_tokens(self, count: int) -> None:
        """Reserve tokens. Raises ApiError (429) that says when there will be enough, or (400) when never."""
        if self.tokens is None:
            return
        if count > self.tokens.most:
            message = f"This may take {count:,} tokens, and {self.name} may use {self.tokens.most:,} a minute."
            raise ApiError(400, message, param="max_tokens", code="rate_limit_exceeded")
        if wait := self.tokens.take(count):
            message = f"{self.name} may use {self.tokens.most:,} tokens a minute, and this may take {count:,}."
            raise ApiError(429, message, code="rate_limit_exceeded", retry_after=math.ceil(wait))

    def give_back_tokens(self, count: int) -> None:
        """Those that were not needed."""
        if self.tokens is not None:
            self.tokens.give_back(count)
