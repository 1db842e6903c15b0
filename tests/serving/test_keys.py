"""Keys on disk and by command, and buckets by an invented clock."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hornbook.core.errors import DamagedError, InputError
from hornbook.serving.keys import Key, Keys
from hornbook.serving.limits import Bucket


def test_a_key_is_known_by_its_secret_and_not_kept(tmp_path):
    keys = Keys(tmp_path / "keys.toml")
    secret = keys.add("mara", scopes=("chat",), tokens=50)
    assert len(secret) >= 43 + len("hb-")  # 256 bits in base64
    text = keys.path.read_text()
    assert secret not in text
    assert secret.removeprefix("hb-") not in text
    assert keys.path.stat().st_mode & 0o077 == 0
    found = Keys(keys.path).find(secret.encode())
    assert (found.name, found.scopes, found.tokens, found.requests) == ("mara", ("chat",), 50, None)
    assert keys.find(secret[:-1].encode()) is None
    assert keys.find(b"") is None
    assert keys.find("hb-é".encode("latin-1")) is None


def test_a_key_ends_by_its_day_or_by_being_revoked(tmp_path):
    keys = Keys(tmp_path / "keys.toml")
    ended = keys.add("ended", days=-1)
    good, gone = keys.add("good", days=1), keys.add("gone")
    serving = Keys(keys.path)  # a server's own view of the file
    assert serving.find(ended.encode()) is None
    assert serving.find(good.encode()).until > datetime.now(UTC) + timedelta(hours=23)
    assert serving.find(gone.encode()).name == "gone"
    keys.revoke("gone")
    assert serving.find(gone.encode()) is None
    assert [key.name for key in serving.all()] == ["ended", "good"]


def test_what_cannot_be_a_key_is_said(tmp_path):
    keys = Keys(tmp_path / "keys.toml")
    keys.add("mara")
    for wrong, says in (("mara", "there is a key 'mara' already"), ("a b", "cannot be a key's name")):
        with pytest.raises(InputError, match=says):
            keys.add(wrong)
    with pytest.raises(InputError, match="there is no scope 'fly'; choose of chat, embeddings, metrics"):
        keys.add("bren", scopes=("fly",))
    with pytest.raises(InputError, match="there is no key 'bren'; the keys are: mara"):
        keys.revoke("bren")
    for damage in ("key = 3", "[[key]]\nname = 'x'", "\x00", "[["):
        keys.path.write_text(damage)
        with pytest.raises(DamagedError, match="these are no keys"):
            Keys(keys.path).find(b"x")


def test_a_fixed_key_stands_beside_the_file(tmp_path):
    keys = Keys(tmp_path / "keys.toml", (Key.of("a secret of its own", "own"),))
    other = keys.add("other")
    assert keys.find(b"a secret of its own").name == "own"
    assert keys.find(other.encode()).name == "other"
    assert "own" not in [key.name for key in Keys(keys.path).all()]


def test_keys_by_command(tmp_path):
    def hornbook(*words: str) -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", "hornbook.cli", "keys", *words, "--keys", str(tmp_path / "keys.toml")]
        return subprocess.run(command, capture_output=True, text=True)

    made = hornbook("add", "mara", "--scope", "chat", "--scope", "metrics", "--days", "3")
    secret = made.stdout.strip()
    assert Keys(tmp_path / "keys.toml").find(secret.encode()).scopes == ("chat", "metrics")
    (row,) = map(json.loads, hornbook("list", "--json").stdout.splitlines())
    assert (row["name"], row["scopes"]) == ("mara", "chat,metrics")
    assert hornbook("revoke", "mara").returncode == 0
    again = hornbook("revoke", "mara")
    assert (again.returncode, again.stdout) == (3, "")
    assert "there is no key 'mara'" in again.stderr


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_bucket_says_when_to_come_again():
    clock = Clock()
    bucket = Bucket(60, clock)
    assert [bucket.take(20) for _ in range(4)] == [0, 0, 0, 20]
    clock.now = 19.5
    assert bucket.take(20) == pytest.approx(0.5)
    clock.now = 20
    assert bucket.take(20) == 0
    bucket.give_back(20)
    assert bucket.take(20) == 0
    assert bucket.take(61) == float("inf")


@given(st.integers(1, 100), st.lists(st.tuples(st.floats(0, 30), st.integers(1, 100)), max_size=30))
def test_a_bucket_never_gives_more_than_it_has_had(most, asked):
    clock = Clock()
    bucket, given_out = Bucket(most, clock), 0
    for wait, amount in asked:
        clock.now += wait
        told = bucket.take(amount)
        if told == 0:
            given_out += amount
        elif told < float("inf"):  # and at that moment it is there
            clock.now += told
            assert bucket.take(amount) == 0
            given_out += amount
        assert given_out <= most + clock.now * most / 60 + 1e-6
