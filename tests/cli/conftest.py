"""The toy road of tests/pipeline, for the commands to walk."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

PIPELINE = Path(__file__).parent.parent / "pipeline"
sys.path.insert(0, str(PIPELINE))

_spec = importlib.util.spec_from_file_location("pipeline_conftest", PIPELINE / "conftest.py")
assert _spec is not None
assert _spec.loader is not None
_module = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_module)
bench = _module.bench
