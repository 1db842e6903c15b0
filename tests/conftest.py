"""What every test begins with."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
from hypothesis import settings

# A property is tried with the same examples each time, so that a change fails everywhere or nowhere.
# It is judged by what it finds, never by how long that took: a busy machine is no failure.
settings.register_profile("hornbook", derandomize=True, deadline=None)
settings.load_profile("hornbook")


@pytest.fixture(autouse=True)
def kernels_as_at_the_start() -> Iterator[None]:
    """A stage that was told not to compile leaves the kernels off in its process, which here is everybody's."""
    yield
    if module := sys.modules.get("hornbook.models.kernels"):
        module.use_kernels(True)
