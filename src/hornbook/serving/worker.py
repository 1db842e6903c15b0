"""The one thread that owns the engine: what others ask goes through a queue, what it says comes to their listeners."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from hornbook.core.errors import BusyError
from hornbook.inference import Chunk, Engine, Request
from hornbook.inference.tickets import Ticket
from hornbook.serving.metrics import Metrics

Heard = Callable[[Chunk | Exception], None]
T = TypeVar("T")


class StoppingError(BusyError):
    """The server takes nothing more."""


class Worker:
    """Runs the engine until `close`. Safe to call from any thread; listeners are called from the worker's.

    At most `most` requests are waiting or being answered at a time.
    """

    def __init__(self, engine: Engine, *, most: int = 256, metrics: Metrics | None = None):
        self._engine, self._most, self._metrics = engine, most, metrics
        self._orders: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._calls: deque[Callable[[], None]] = deque()  # touched, as what follows, by the worker's thread alone
        self._open: dict[Ticket, Heard] = {}
        self._count = 0
        self._lock = threading.Lock()
        engine.figures()  # what it makes when first asked is made before several threads ask
        self._thread = threading.Thread(target=self._run, name="hornbook-engine", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    @property
    def busy(self) -> bool:
        """Whether anything waits or is being answered."""
        return self._count > 0

    def ticket(self, request: Request, heard: Heard) -> Ticket:
        """A request made ready, whose chunks will go to `heard`. Raises InputError for what does not fit the model."""
        return self._engine.ticket(request, self._listener(heard))

    def submit(self, ticket: Ticket, heard: Heard) -> None:
        """Have it answered; the exception that ends it, if one does, goes to `heard` too. Raises BusyError when too
        many wait."""
        self._count_in()
        self._orders.put(lambda: self._enter(ticket, heard))

    def most_tokens(self, ticket: Ticket) -> int:
        """How many tokens it may cost, read and said."""
        read = len(ticket.prompt)
        return read + min(ticket.sampling.max_tokens, self._engine.room(read))

    def call(self, ask: Callable[[Engine], T]) -> Future[T]:
        """Have the thread ask the engine something, between two steps. Raises BusyError when too many wait."""
        self._count_in()
        future: Future[T] = Future()

        def answer() -> None:
            try:
                if future.set_running_or_notify_cancel():
                    future.set_result(ask(self._engine))
            except Exception as error:  # it is for who asked
                future.set_exception(error)
            finally:
                self._count_out(1)

        self._orders.put(lambda: self._calls.append(answer))
        return future

    def cancel(self, ticket: Ticket) -> None:
        """Nobody listens to this one any more."""
        self._orders.put(lambda: self._engine.cancel(ticket))

    def close(self) -> None:
        """Stop after the present step; what is not finished is not answered."""
        self._orders.put(None)
        self._thread.join()

    def _listener(self, heard: Heard) -> Callable[[Chunk], None]:
        if self._metrics is None:
            return heard
        watch = self._metrics.watch()

        def listen(chunk: Chunk) -> None:
            watch.hear(chunk)
            heard(chunk)

        return listen

    def _count_in(self) -> None:
        with self._lock:
            if self._count >= self._most:
                raise BusyError(f"{self._count} requests are waiting already", fix="try again in a moment")
            self._count += 1

    def _count_out(self, count: int) -> None:
        with self._lock:
            self._count -= count

    def _enter(self, ticket: Ticket, heard: Heard) -> None:
        self._open[ticket] = heard
        self._engine.add(ticket)

    def _run(self) -> None:
        while True:
            busy = bool(self._open or self._calls)
            try:
                order = self._orders.get(block=not busy)
            except queue.Empty:
                if self._calls:  # one between two steps: who asks for much must not keep the others waiting
                    self._calls.popleft()()
                if self._open:
                    self._step()
                continue
            if order is None:
                break
            order()
            self._leave()
        for heard in self._open.values():
            heard(StoppingError("the server is stopping"))
        while self._calls:
            self._calls.popleft()()

    def _step(self) -> None:
        try:
            self._engine.step()
        except Exception as error:
            # One request's trouble must not end the server: all that were under way hear of it, and it goes on.
            self._engine.reset()
            self._engine.figures()
            for heard in self._open.values():
                heard(error)
            self._forget(list(self._open))
        self._leave()

    def _leave(self) -> None:
        self._forget([ticket for ticket in self._open if ticket.completion is not None])

    def _forget(self, tickets: list[Ticket]) -> None:
        for ticket in tickets:
            del self._open[ticket]
        self._count_out(len(tickets))
