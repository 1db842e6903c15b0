"""Who may ask the server: bearer keys with a name, scopes and an end, kept hashed in a TOML file.

A key is 256 bits from the system's generator, shown once. What is kept is its salted SHA-256: NIST SP 800-63B
(5.1.2, look-up secrets) asks for a one-way hash and nothing slower where a secret has 112 bits or more, since slow
hashes buy time against guessing, and nobody guesses 256 bits. Checking costs microseconds, so it is done at every
request, over all keys and in constant time, and a key revoked in the file is refused from then on.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import tomllib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from hornbook.core.errors import DamagedError, InputError
from hornbook.core.files import write_text

SCOPES = ("chat", "embeddings", "metrics")
PREFIX = "hb-"  # by which people, and scanners of repositories, tell what it is


class Key(BaseModel):
    """A key as it is kept. `requests` and `tokens` are its own limits for a minute; none means the server's."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[\w.@-]{1,64}$")
    salt: str = Field(pattern="^[0-9a-f]{32}$")
    digest: str = Field(pattern="^[0-9a-f]{64}$")
    scopes: tuple[str, ...] = SCOPES
    made: AwareDatetime
    until: AwareDatetime | None = None
    requests: int | None = Field(default=None, ge=1)
    tokens: int | None = Field(default=None, ge=1)

    @classmethod
    def of(cls, secret: str, name: str, **more) -> Key:
        """What is kept of a secret."""
        salt = secrets.token_hex(16)
        return cls(name=name, salt=salt, digest=_digest(salt, secret.encode()), made=datetime.now(UTC), **more)

    def fits(self, secret: bytes) -> bool:
        """Whether it is this one, told in constant time."""
        return secrets.compare_digest(_digest(self.salt, secret), self.digest)

    def ended(self, now: datetime) -> bool:
        return self.until is not None and now >= self.until


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")
    key: list[Key] = []


@dataclass
class Keys:
    """The keys of a server: those in the file, read anew when it changes, and those given in `fixed`."""

    path: Path | None = None
    fixed: tuple[Key, ...] = ()

    def __post_init__(self) -> None:
        self._stamp: tuple[int, int] | None = None
        self._read: list[Key] = []

    def all(self) -> list[Key]:
        """Every key, ended ones too. Raises DamagedError for a file that holds no keys."""
        return [*self.fixed, *self._in_file()]

    def find(self, secret: bytes) -> Key | None:
        """The key that this is, if it has not ended."""
        now = datetime.now(UTC)
        fitting = [key for key in self.all() if key.fits(secret)]  # every one is tried, whichever it is
        return next((key for key in fitting if not key.ended(now)), None)

    def add(
        self, name: str, *, scopes: tuple[str, ...] = SCOPES, days: float | None = None, requests: int | None = None,
        tokens: int | None = None,
    ) -> str:
        """Make a key; the secret is given back and kept nowhere. Raises InputError for a name that is taken or odd, a
        scope that does not exist or no file to keep it in."""
        if unknown := [scope for scope in scopes if scope not in SCOPES]:
            raise InputError(f"there is no scope {unknown[0]!r}", fix=f"choose of {', '.join(SCOPES)}")
        kept = self._in_file()
        if any(key.name == name for key in kept):
            raise InputError(f"there is a key {name!r} already", where=self.path, fix="revoke it, or choose a name")
        secret = PREFIX + secrets.token_urlsafe(32)
        until = None if days is None else datetime.now(UTC) + timedelta(days=days)
        try:
            key = Key.of(secret, name, scopes=scopes, until=until, requests=requests, tokens=tokens)
        except ValidationError as error:
            raise InputError(f"{name!r} cannot be a key's name ({error.errors()[0]['msg'].lower()})",
                             fix="use at most 64 letters, digits, and . _ - @") from None
        self._write([*kept, key])
        return secret

    def revoke(self, name: str) -> None:
        """Take a key away. Raises InputError where there is none of that name."""
        kept = self._in_file()
        if not any(key.name == name for key in kept):
            names = ", ".join(key.name for key in kept) or "none"
            raise InputError(f"there is no key {name!r}", where=self.path, fix=f"the keys are: {names}")
        self._write([key for key in kept if key.name != name])

    def _in_file(self) -> list[Key]:
        try:
            stat = os.stat(self.path) if self.path is not None else None
        except FileNotFoundError:
            stat = None
        stamp = None if stat is None else (stat.st_mtime_ns, stat.st_ino)
        if stamp != self._stamp:
            self._read, self._stamp = self._load() if stamp else [], stamp
        return self._read

    def _load(self) -> list[Key]:
        assert self.path is not None
        try:
            return _File(**tomllib.loads(self.path.read_text("utf-8"))).key
        except (ValueError, TypeError) as error:
            what = error.errors()[0]["msg"].lower() if isinstance(error, ValidationError) else error
            fix = "mend it, or make keys anew"
            raise DamagedError(f"these are no keys ({what})", where=self.path, fix=fix) from None

    def _write(self, keys: list[Key]) -> None:
        import tomlkit

        if self.path is None:
            raise InputError("there is no file to keep keys in", fix="name one with --keys")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        rows = [key.model_dump(exclude_none=True) | {"scopes": list(key.scopes)} for key in keys]
        write_text(self.path, tomlkit.dumps({"key": rows}))
        self.path.chmod(0o600)


def _digest(salt: str, secret: bytes) -> str:
    return hashlib.sha256(bytes.fromhex(salt) + secret).hexdigest()
