"""One row of conversation data, its check, and what other tools write brought into it.

A row is `{"messages": [...], "origin": "person|import|page", "url": str|None, "kind": str}`, with `"simulated": true`
when a program stood in for a person, and what it was imported from as `"source"`. Messages are OpenAI's:
`{"role": "system|user|assistant|tool", "content": str}`; an assistant's has
`"tool_calls": [{"type": "function", "function": {"name": str, "arguments": JSON}}]` if it calls.
Text stays text: a content that spells `<|im_end|>` is kept as it is, and the tokenizer never turns it into a token.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from hornbook.conversations.rows import placed_rows
from hornbook.core.errors import InputError
from hornbook.tokens.chat import read_message

ORIGINS = ("person", "import", "page")
PAGES = "pages"  # the source of what was drawn from pages
SHAREGPT_ROLES = {
    "system": "system", "human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant",
    "bot": "assistant", "chatgpt": "assistant", "observation": "tool", "tool": "tool",
}  # fmt: skip

Message = dict[str, Any]


def conversation(messages: list[Message], *, origin: str, kind: str, url: str | None = None,
                 simulated: bool = False) -> dict:
    """A row made from its parts, with its keys in the order the format gives them."""
    row = {"messages": messages, "origin": origin, "url": url, "kind": kind}
    return row | {"simulated": True} if simulated else row


def source_of(row: dict) -> str:
    """What a mixture calls the source of a row: the file it was imported from, or "pages"."""
    return row.get("source") or (PAGES if row["origin"] == "page" else row["origin"])


def exchange(question: str, answer: str) -> list[Message]:
    """One question and its answer as messages."""
    return [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]


def until_answer(messages: Sequence[Message]) -> list[Message]:
    """The messages before the assistant first speaks."""
    first = next(index for index, message in enumerate(messages) if message["role"] == "assistant")
    return list(messages[:first])


def read_conversations(path: Path) -> Iterator[dict]:
    """Every row of a .jsonl or .json file of OpenAI messages, ShareGPT, Alpaca or Hornbook's own rows, in order.

    The format is told by its keys, row by row. A row without an `origin` is an import.
    Raises InputError naming the file, and the line or item, of the first row that is none of these.
    """
    for where, row in placed_rows(path):
        yield checked(imported(row, where), where)


def imported(row: dict, where: str = "row") -> dict:
    """One foreign row as a Hornbook row, not yet checked. Raises InputError when it is of no known format."""
    if "messages" in row:
        messages = row["messages"]
    elif "conversations" in row:
        messages = _from_sharegpt(row, where)
    elif "instruction" in row and "output" in row:
        messages = _from_alpaca(row, where)
    else:
        raise InputError(
            f"no conversation in this row (its keys: {', '.join(map(str, row)) or 'none'})", where=where,
            fix='give "messages" (OpenAI), "conversations" (ShareGPT) or "instruction" and "output" (Alpaca)',
        )
    known = {"origin": row.get("origin", "import"), "url": row.get("url"), "kind": row.get("kind", "chat")}
    simulated = {"simulated": True} if row.get("simulated") else {}
    return {"messages": messages} | known | simulated


def checked(row: dict, where: str = "row") -> dict:
    """The row, when it is a whole conversation: known roles, text for contents, ending with the assistant's turn. Of a
    message only the role, the content and the calls of tools are kept.

    Raises InputError that names the message at fault.
    """
    messages = row["messages"]
    if not isinstance(messages, list) or not messages:
        raise InputError('"messages" must be a list of at least one message', where=where)
    kept = [_kept(*read_message(message, f"{where}, message {index}")) for index, message in enumerate(messages, 1)]
    if late := next((index for index, message in enumerate(kept[1:], 2) if message["role"] == "system"), None):
        raise InputError("a system message stands first or not at all", where=f"{where}, message {late}")
    if kept[-1]["role"] != "assistant" or not (kept[-1]["content"].strip() or "tool_calls" in kept[-1]):
        raise InputError("a conversation must end with the assistant's words", where=where, fix="cut or finish it")
    if row["origin"] not in ORIGINS:
        raise InputError(f"unknown origin {row['origin']!r}", where=where, fix=f"use one of {', '.join(ORIGINS)}")
    if not isinstance(row["kind"], str) or not isinstance(row["url"], str | None):
        raise InputError('"kind" must be text and "url" text or null', where=where)
    return row | {"messages": kept}


def _kept(role: str, content: str, calls: list[tuple[str, str]]) -> Message:
    """A message as rows hold it."""
    called = [{"type": "function", "function": {"name": name, "arguments": arguments}} for name, arguments in calls]
    return {"role": role, "content": content} | ({"tool_calls": called} if called else {})


def _from_sharegpt(row: dict, where: str) -> list[Message]:
    """ShareGPT: `{"system"?: str, "conversations": [{"from": "human|gpt|…", "value": str}]}`."""
    turns = row["conversations"]
    if not isinstance(turns, list):
        raise InputError('"conversations" must be a list', where=where)
    messages = [{"role": "system", "content": row["system"]}] if row.get("system") else []
    for index, turn in enumerate(turns, 1):
        if not isinstance(turn, dict) or turn.get("from") not in list(SHAREGPT_ROLES):
            speaker = turn.get("from") if isinstance(turn, dict) else turn
            raise InputError(f"unknown speaker {speaker!r}", where=f"{where}, message {index}",
                             fix=f"use one of {', '.join(SHAREGPT_ROLES)}")
        messages.append({"role": SHAREGPT_ROLES[turn["from"]], "content": turn.get("value")})
    return messages


def _from_alpaca(row: dict, where: str) -> list[Message]:
    """Alpaca: `{"instruction": str, "input"?: str, "output": str, "history"?: [[question, answer]]}`."""
    parts = [row["instruction"], row.get("input") or ""]
    if not all(isinstance(part, str) for part in [*parts, row["output"]]):
        raise InputError('"instruction", "input" and "output" must be text', where=where)
    messages = [{"role": "system", "content": row["system"]}] if row.get("system") else []
    for turn in row.get("history") or []:
        if not isinstance(turn, list) or len(turn) != 2:
            raise InputError('"history" must hold pairs of question and answer', where=where)
        messages += exchange(*turn)
    return messages + exchange("\n".join(part for part in parts if part), row["output"])
