"""Joining a Ray cluster, or saying in seconds that none is there: Ray itself asks a dead one again for minutes."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

from hornbook.core.errors import HornbookError

SECONDS = 10.0  # a cluster that is there answers in a fraction of one
FIX = "start it, name another in RAY_ADDRESS, or unset that for one on this machine"


def join(ray: Any, **options: Any) -> bool:
    """Join the cluster that RAY_ADDRESS names ("host:port", "ray://host:port" or "auto"), or make one on this machine
    where it names none: one that ran here before, and left its address behind, is not looked for. False where this
    process has joined one already; who joins one leaves it. `options` are `ray.init`'s.

    Raises HornbookError where nothing answers at the address.
    """
    if ray.is_initialized():
        return False
    address = os.environ.get("RAY_ADDRESS") or "local"
    if address != "local":
        _demand_answer(address)
    try:
        ray.init(address, include_dashboard=False, **options)
    except (ConnectionError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:160]
        raise HornbookError(f"the Ray cluster cannot be joined ({reason})", where=address, fix=FIX) from None
    return True


def _demand_answer(address: str) -> None:
    """Raises HornbookError unless something listens at the address."""
    named = _left_behind() if address == "auto" else address
    host, _, port = named.removeprefix("ray://").strip("/").rpartition(":")
    if not host or not port.isdigit():
        raise HornbookError("RAY_ADDRESS names no cluster", where=address, fix=FIX)
    try:
        socket.create_connection((host.strip("[]"), int(port)), SECONDS).close()
    except (OSError, OverflowError) as error:
        raise HornbookError(f"no Ray cluster answers at {named} ({error})", where="RAY_ADDRESS", fix=FIX) from None


def _left_behind() -> str:
    """The address that the cluster last started on this machine wrote down, whether it still runs or not."""
    try:
        return Path(os.environ.get("RAY_TMPDIR", "/tmp"), "ray", "ray_current_cluster").read_text("utf-8").strip()
    except OSError:
        return ""
