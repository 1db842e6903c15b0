"""The curated face: every name is there, and `import hornbook` is cheap."""

from __future__ import annotations

import subprocess
import sys

import hornbook


def test_every_name_is_there():
    for name in hornbook.__all__:
        assert getattr(hornbook, name).__doc__
    assert set(hornbook.__all__) <= set(dir(hornbook))
    assert not hasattr(hornbook, "nothing")


def test_importing_it_imports_nothing_heavy():
    code = "import hornbook, sys; print({'torch', 'pydantic', 'pyarrow'} & set(sys.modules))"
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert made.stdout.strip() == "set()"
