"""A training that is killed ends as one that is not: three strikes at one process, three at two."""

from __future__ import annotations

import pytest
from benchmarks.pretrain.kills import WAYS, kill_and_compare


@pytest.mark.timeout(900)
@pytest.mark.parametrize("size", WAYS)
def test_killed_is_never_stopped(size: int) -> None:
    found = kill_and_compare(size, WAYS[size], kills=3, steps=24)
    assert found["kills"] == 3
    assert found["equal"]
    assert found["warnings"] == []
