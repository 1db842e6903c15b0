"""The one thread that owns the engine: what others ask goes through a queue, what it says comes to their listeners."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

from hornbook.core.errors import BusyError
from hornbook.inference import Chunk, Engine, Request
from hornbook.inference.tickets import Ticket

Heard = Callable[[Chunk | Exception], None]


class Worker:
    """Runs the engine until `close`. Safe to call from any thread; listeners are called from the worker's.

    At most `most` requests are waiting or being answered at a time.
    """

    def __init__(self, engine: Engine, most: int = 256):
        self._engine, self._most = engine, most
        self._orders: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._open: dict[Ticket, Heard] = {}  # touched by the worker's thread alone
        self._count = 0
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="hornbook-engine", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def submit(self, request: Request, heard: Heard) -> Ticket:
        """Ask for an answer; its chunks go to `heard`, or the exception that ended it.

        Raises InputError for what does not fit the model and BusyError when too many wait.
        """
        ticket = self._engine.ticket(request, heard)
        with self._lock:
            if self._count >= self._most:
                raise BusyError(f"{self._count} requests are waiting already", fix="try again in a moment")
            self._count += 1
        self._orders.put(lambda: self._enter(ticket, heard))
        return ticket

    def cancel(self, ticket: Ticket) -> None:
        """Nobody listens to this one any more."""
        self._orders.put(lambda: self._engine.cancel(ticket))

    def close(self) -> None:
        """Stop after the present step; what is not finished is not answered."""
        self._orders.put(None)
        self._thread.join()

    def _enter(self, ticket: Ticket, heard: Heard) -> None:
        self._open[ticket] = heard
        self._engine.add(ticket)

    def _run(self) -> None:
        while True:
            busy = bool(self._open)
            try:
                order = self._orders.get(block=not busy)
            except queue.Empty:
                self._step()
                continue
            if order is None:
                break
            order()
            self._leave()
        for heard in self._open.values():
            heard(BusyError("the server is stopping"))

    def _step(self) -> None:
        try:
            self._engine.step()
        except Exception as error:
            # One request's trouble must not end the server: all that were under way hear of it, and it goes on.
            self._engine.reset()
            for heard in self._open.values():
                heard(error)
            self._forget(list(self._open))
        self._leave()

    def _leave(self) -> None:
        self._forget([ticket for ticket in self._open if ticket.completion is not None])

    def _forget(self, tickets: list[Ticket]) -> None:
        for ticket in tickets:
            del self._open[ticket]
        with self._lock:
            self._count -= len(tickets)
