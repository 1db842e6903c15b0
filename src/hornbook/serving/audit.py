"""The audit log: what the gate did not simply allow, a JSON line each, without the text unless it is asked for."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import secrets
import threading
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from hornbook.core.errors import InputError
from hornbook.safety import Verdict

LARGEST = 50_000_000  # bytes of a file, before the next is begun
KEPT = 5  # older files: audit.jsonl.1 is the youngest of them

log = logging.getLogger(__name__)


class Who(NamedTuple):
    """Whose request is under way: its id, and the name of the key it came with."""

    request: str = ""
    key: str = ""


WHO: ContextVar[Who] = ContextVar("WHO", default=Who())  # noqa: B039 (it cannot be changed)


class Audit:
    """Writes verdicts to a file; given to a gate as `heard`.

    A line: time (ISO 8601, UTC), request, key, side, category, action, score, kinds, and digest: BLAKE2b of the text
    (RFC 7693) keyed by 32 secret bytes that lie beside the log, so that the same text can be recognised and no text be
    guessed from it. Only the owner may read either file. Where a line cannot be written (the disk is full, say), it is
    taken out again as far as it was, counted in `lost`, and said once in the program's log; the first line that can be
    written again is preceded by one that says how many are lost. Nothing of this stops the server.
    """

    def __init__(self, path: Path, *, with_text: bool = False, largest: int = LARGEST, kept: int = KEPT):
        """Raises InputError where nothing can be written."""
        self.path, self.lost = Path(path), 0
        self._with_text, self._largest, self._kept = with_text, largest, kept
        self._lock, self._untold = threading.Lock(), 0
        try:
            self._key = _key(self.path.with_name(f"{self.path.name}.key"))
            self._file = _opened(self.path)
        except OSError as error:
            fix = "name a file in a folder that can be written"
            raise InputError(f"no audit log can be written ({error.strerror})", where=path, fix=fix) from None

    def __call__(self, side: str, verdict: Verdict, text: str) -> None:
        """One verdict of the gate on a text of that side."""
        who = WHO.get()
        line: dict[str, object] = {
            "time": _now(), "request": who.request, "key": who.key, "side": side, "category": verdict.category,
            "action": verdict.action, "score": round(verdict.score, 4), "kinds": verdict.kinds,
            "digest": hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=16, key=self._key).hexdigest(),
        }  # fmt: skip
        if self._with_text:
            line["text"] = text
        with self._lock:
            try:
                self._write([{"time": _now(), "lost": self._untold}, line] if self._untold else [line])
                self._untold = 0
            except OSError as error:
                self.lost += 1
                self._untold += 1
                if self._untold == 1:
                    what = "verdicts are lost until it can be written again"
                    log.warning("%s: the audit log cannot be written (%s); %s", self.path, error.strerror, what)

    def close(self) -> None:
        """Nothing more is written."""
        os.close(self._file)

    def _write(self, lines: list[dict[str, object]]) -> None:
        """All of the lines or nothing."""
        data = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines).encode("utf-8", "replace")
        size = os.fstat(self._file).st_size
        if size and size + len(data) > self._largest:
            self._turn()
            size = 0
        try:
            if os.write(self._file, data) < len(data):
                raise OSError(0, "there was room for half a line")
        except OSError:
            os.ftruncate(self._file, size)
            raise

    def _turn(self) -> None:
        """Begin a new file; the oldest leaves."""
        for number in range(self._kept - 1, 0, -1):
            older = self.path.with_name(f"{self.path.name}.{number}")
            if older.exists():
                older.replace(self.path.with_name(f"{self.path.name}.{number + 1}"))
        self.path.replace(self.path.with_name(f"{self.path.name}.1"))
        old, self._file = self._file, _opened(self.path)
        os.close(old)


def _opened(path: Path) -> int:
    """The file to append to; what a crash left of a half line is cut off."""
    file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    size = whole = os.fstat(file).st_size
    while whole and os.pread(file, 1, whole - 1) != b"\n":
        whole -= 1
    if whole < size:
        os.ftruncate(file, whole)
    return file


def _key(path: Path) -> bytes:
    """The secret of the digests, made once."""
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        return path.read_bytes()[:64]
    with os.fdopen(file, "wb") as writing:
        made = secrets.token_bytes(32)
        writing.write(made)
    return made


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
