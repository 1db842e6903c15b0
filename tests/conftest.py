"""What every test begins with."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def kernels_as_at_the_start() -> Iterator[None]:
    """A stage that was told not to compile leaves the kernels off in its process, which here is everybody's."""
    yield
    if module := sys.modules.get("hornbook.models.kernels"):
        module.use_kernels(True)
