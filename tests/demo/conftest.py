from __future__ import annotations

import pytest

from hornbook.demo import make_island, write_island
from hornbook.demo.server import free_port


@pytest.fixture(scope="session")
def laptop():
    """The island of seed 3 at full size, not written."""
    return make_island(3, "laptop")


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """(folder, island, port) of a tiny island on disk."""
    folder, port = tmp_path_factory.mktemp("island"), free_port(5)
    return folder, write_island(folder, 5, "tiny", f"http://127.0.0.1:{port}"), port
