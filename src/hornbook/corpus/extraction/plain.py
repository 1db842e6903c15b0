"""Markdown as plain text: what is counted of a page is what stands in it, not the signs it is set with."""

from __future__ import annotations

import re

_FENCE = "```"
_HEADING = re.compile(r"^#{1,6}\s+")
_QUOTE = re.compile(r"^(?:>\s?)+")
_CODE = re.compile(r"`([^`\n]+)`")
_BAR = re.compile(r"(?<!\\)\|")
_FENCED = re.compile(r"^ *```.*?^ *```", re.DOTALL | re.MULTILINE)


def plain_text(markdown: str) -> str:
    """The text without heading marks, quotation marks, fences, backticks, table bars and table rules. List marks stay,
    since Gopher counts them, and so does code, as it is."""
    lines: list[str] = []
    in_code = False
    for line in markdown.split("\n"):
        if line.lstrip().startswith(_FENCE):
            in_code = not in_code
        elif in_code:
            lines.append(line)
        elif (text := _without_marks(line)) is not None:
            lines.append(_CODE.sub(r"\1", text) if "`" in text else text)
    return "\n".join(lines)


def code_share(markdown: str) -> float:
    """The share of the characters that stand in code fences, 0 to 1."""
    return sum(map(len, _FENCED.findall(markdown))) / len(markdown) if _FENCE in markdown else 0.0


def _without_marks(line: str) -> str | None:
    """The line without the marks of its block; None for the rule under a table's head."""
    start = line.strip()
    if start.startswith("#"):
        return _HEADING.sub("", start)
    if start.startswith(">"):
        return _QUOTE.sub("", start)
    if start.startswith("|") and start.endswith("|"):
        cells = [cell.strip() for cell in _BAR.split(start)]
        return " ".join(filter(None, cells)).replace("\\|", "|") if start.strip("|:- ") else None
    return line
