"""The tables of keys in docs/book, written from the stages' own classes: `python -m tests.docs.tables` writes them."""

from __future__ import annotations

import json
import re
from pathlib import Path

from hornbook.pipeline.config import Dial, StageConfig
from hornbook.road.sizes import SIZES
from hornbook.road.steps import ROAD

ROOT = Path(__file__).parents[2]
BOOK = ROOT / "docs" / "book"
TABLE = re.compile(r"<!-- keys (\w+) -->\n(.*?)<!-- /keys -->", re.DOTALL)
LAPTOP = Dial("laptop", SIZES["laptop"].depth, 0)
CONFIGS: dict[str, type[StageConfig]] = {step.section: step.stage.config for step in ROAD}


def table(section: str) -> str:
    """The keys of a section with what they are at size laptop, as Markdown."""
    config = CONFIGS[section]
    derived = config.defaults(LAPTOP)
    rows = ["| key | default | |", "|---|---|---|"]
    for key, field in config.model_fields.items():
        value = derived.get(key, field.get_default(call_default_factory=True))
        shown = "none" if value is None else f"`{json.dumps(value)}`"
        rows.append(f"| `{key}` | {shown} | {(field.description or '').replace('|', '/')} |")
    return "\n".join(rows) + "\n"


def main() -> None:
    """Write every table anew."""
    for path in sorted(BOOK.glob("*.md")):
        path.write_text(TABLE.sub(_renewed, path.read_text("utf-8")), "utf-8")


def _renewed(found: re.Match[str]) -> str:
    return f"<!-- keys {found[1]} -->\n{table(found[1])}<!-- /keys -->"


if __name__ == "__main__":
    main()
