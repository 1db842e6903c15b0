"""A Ray cluster that is not there is one line, soon; Ray itself is stood in for, and would be asked only afterwards."""

from __future__ import annotations

import socket
import time
from pathlib import Path
from typing import Any

import pytest

from hornbook.core import cluster
from hornbook.core.errors import HornbookError


class Stand:
    """Ray, as far as joining goes."""

    def __init__(self, joined: bool = False, raises: Exception | None = None):
        self.joined, self.raises, self.asked = joined, raises, []

    def is_initialized(self) -> bool:
        return self.joined

    def init(self, address: str, **options: Any) -> None:
        self.asked.append((address, options))
        if self.raises:
            raise self.raises


@pytest.fixture
def dead() -> int:
    """A port where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_without_an_address_one_is_made_here_whatever_ran_before(monkeypatch, tmp_path: Path) -> None:
    (tmp_path / "ray").mkdir()
    (tmp_path / "ray" / "ray_current_cluster").write_text("192.0.2.1:6379")
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    monkeypatch.setenv("RAY_ADDRESS", "")
    for _ in range(2):
        ray = Stand()
        assert cluster.join(ray, log_to_driver=False)
        assert ray.asked == [("local", {"include_dashboard": False, "log_to_driver": False})]
        monkeypatch.delenv("RAY_ADDRESS", raising=False)


def test_who_has_joined_is_left_alone() -> None:
    ray = Stand(joined=True)
    assert not cluster.join(ray)
    assert ray.asked == []


@pytest.mark.parametrize("form", ["127.0.0.1:{}", "ray://127.0.0.1:{}", "auto"])
def test_a_dead_address_is_one_line_and_ray_is_not_asked(monkeypatch, tmp_path: Path, dead: int, form: str) -> None:
    (tmp_path / "ray").mkdir()
    (tmp_path / "ray" / "ray_current_cluster").write_text(f"127.0.0.1:{dead}\n")
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    monkeypatch.setenv("RAY_ADDRESS", form.format(dead))
    ray, began = Stand(), time.monotonic()
    with pytest.raises(HornbookError, match=rf"no Ray cluster answers at .*127\.0\.0\.1:{dead}.*; start it") as caught:
        cluster.join(ray)
    assert "\n" not in str(caught.value)
    assert time.monotonic() - began < cluster.SECONDS + 30  # the machine may be at work
    assert ray.asked == []


def test_one_that_answers_nothing_is_waited_for_so_long(monkeypatch) -> None:
    waited = []

    def silent(address: tuple[str, int], seconds: float) -> None:
        waited.append((address, seconds))
        raise TimeoutError("timed out")

    monkeypatch.setattr(cluster.socket, "create_connection", silent)
    monkeypatch.setenv("RAY_ADDRESS", "[2001:db8::1]:6379")
    with pytest.raises(HornbookError, match="timed out"):
        cluster.join(Stand())
    assert waited == [(("2001:db8::1", 6379), cluster.SECONDS)]


@pytest.mark.parametrize("named", ["nonsense", "host:", ":1", "host:port", "auto"])
def test_what_is_no_address_is_one_line(monkeypatch, tmp_path: Path, named: str) -> None:
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    monkeypatch.setenv("RAY_ADDRESS", named)
    with pytest.raises(HornbookError, match=f"{named}: RAY_ADDRESS names no cluster"):
        cluster.join(Stand())


def test_what_ray_itself_refuses_is_one_line(monkeypatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{server.getsockname()[1]}")
        with pytest.raises(HornbookError, match=r"the Ray cluster cannot be joined \(other version\); start it"):
            cluster.join(Stand(raises=RuntimeError("other\nversion")))
