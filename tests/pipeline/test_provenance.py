"""From an artifact back to where it came from, and on to what was made of it."""

from __future__ import annotations

import shutil

import pytest

from hornbook.core.errors import InputError
from hornbook.pipeline.provenance import descendants, lineage, source


def test_back_and_on(bench):
    bench.run()
    examined, fetched = bench.workspace.current("examine"), bench.workspace.current("fetch")
    assert [found.record.step for found in lineage(examined)] == ["examine", "learn", "words", "fetch"]
    assert source(examined, "fetch").path == fetched.path
    assert {found.record.step for found in descendants(fetched)} == {"words", "learn", "examine"}
    with pytest.raises(InputError, match="not made from what learn makes"):
        source(fetched, "learn")


def test_what_is_gone_is_named(bench):
    bench.run()
    shutil.rmtree(bench.workspace.current("words").path)
    with pytest.raises(InputError, match="was made from this, which is gone; run: hornbook run isle"):
        list(lineage(bench.workspace.current("learn")))
