"""A conversation as ids, with the weight of learning each: the assistant's words and the end of its turn.

The weights are laid down while the ids are, never found again by searching them. `template.py` says the same in Jinja
for transformers, vLLM and llama.cpp; a test holds the two together.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hornbook.core.errors import InputError
from hornbook.tokens.tokenizer import Tokenizer

ROLES = ("system", "user", "assistant", "tool")


@dataclass
class Rendered:
    """`ids[i]` is to be learned with weight `weights[i]`: 1.0 or 0.0."""

    ids: list[int] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)

    def add(self, ids: Sequence[int], weight: float) -> None:
        self.ids.extend(ids)
        self.weights.extend([weight] * len(ids))


def render(tokenizer: Tokenizer, messages: Sequence[dict], *, for_answer: bool = False) -> Rendered:
    """ChatML of OpenAI's messages: `<|im_start|>role\\ncontent<|im_end|>\\n` each.

    White space around an assistant's content is dropped, so that what is learned begins where an answer begins. Its
    `tool_calls` follow as Hermes and Qwen write them, each JSON within `<tool_call>`, and are learned with it. Results
    of tools (role `tool`) stand in one user turn, each within `<tool_response>`. With `for_answer` the ids end with
    `<|im_start|>assistant\\n`, where the model goes on. Raises InputError for a message that has no known role, no
    text, or a call without a name. Source: Qwen3's chat template, its thoughts left out.
    """
    rendered = Rendered()
    start, end = tokenizer.start_of_turn, tokenizer.end_of_turn
    opening, closing = tokenizer.special["<tool_response>"], tokenizer.special["</tool_response>"]
    newline = tokenizer.encode("\n")
    for index, message in enumerate(messages):
        role, content, calls = read_message(message, f"message {index + 1}")
        if role == "assistant":
            rendered.add([start, *tokenizer.encode("assistant\n")], 0.0)
            rendered.add([*_spoken(tokenizer, content.strip(), calls), end], 1.0)
            rendered.add(newline, 0.0)
        elif role == "tool":
            if index == 0 or messages[index - 1]["role"] != "tool":
                rendered.add([start, *tokenizer.encode("user")], 0.0)
            # The line break before the tag is one text with the word before it, and after a tag it stands alone.
            rendered.add([*newline, opening, *tokenizer.encode(f"\n{content}\n"), closing], 0.0)
            if index + 1 == len(messages) or messages[index + 1]["role"] != "tool":
                rendered.add([end, *newline], 0.0)
        else:
            rendered.add([start, *tokenizer.encode(f"{role}\n{content}"), end, *newline], 0.0)
    if for_answer:
        rendered.add([start, *tokenizer.encode("assistant\n")], 0.0)
    return rendered


def turns(tokenizer: Tokenizer, ids: Sequence[int]) -> list[dict]:
    """The whole turns that `render` made, as messages again: for people to read. A turn left open is left out; calls
    and results of tools are text within their tags."""
    messages, begin = [], 0
    for place, token in enumerate(ids):
        if token == tokenizer.start_of_turn:
            begin = place + 1
        elif token == tokenizer.end_of_turn:
            role, _, content = tokenizer.decode(ids[begin:place]).partition("\n")
            messages.append({"role": role, "content": content})
    return messages


def read_message(message: Any, where: str) -> tuple[str, str, list[tuple[str, str]]]:
    """(role, content, the name and the JSON arguments of each tool called) of one of OpenAI's messages.

    A call is `{"function": {"name", "arguments"}}` or the bare pair; arguments may be JSON already. Raises InputError.
    """
    if not isinstance(message, dict):
        raise InputError("this is no message", where=where, fix="a message is an object with role and content")
    role, content, calls = message.get("role"), message.get("content"), message.get("tool_calls") or []
    if role not in ROLES:
        raise InputError(f"the role {role!r} is not known", where=where, fix=f"use {', '.join(ROLES)}")
    if calls and (role != "assistant" or not isinstance(calls, list)):
        raise InputError("only the assistant calls tools, by a list of calls", where=where)
    if content is None and calls:
        content = ""  # OpenAI's way to say that there are calls and no words
    if not isinstance(content, str):
        raise InputError("the content is not a text", where=where, fix="give it as a string; leave pictures out")
    return role, content, [_read_call(call, f"{where}, call {place}") for place, call in enumerate(calls, 1)]


def _spoken(tokenizer: Tokenizer, content: str, calls: Sequence[tuple[str, str]]) -> list[int]:
    """What the assistant says and calls for."""
    opening, closing = tokenizer.special["<tool_call>"], tokenizer.special["</tool_call>"]
    ids = tokenizer.encode(f"{content}\n" if content and calls else content)
    for place, (name, arguments) in enumerate(calls):
        between = tokenizer.encode("\n") if place else []
        inner = tokenizer.encode(f'\n{{"name": "{name}", "arguments": {arguments}}}\n')
        ids += [*between, opening, *inner, closing]
    return ids


def _read_call(call: Any, where: str) -> tuple[str, str]:
    inner = call.get("function", call) if isinstance(call, dict) else None
    name, arguments = (inner.get("name"), inner.get("arguments", {})) if isinstance(inner, dict) else (None, None)
    if not isinstance(name, str) or not name or not isinstance(arguments, str | dict):
        raise InputError("this is no tool call", where=where, fix='write {"function": {"name": …, "arguments": {…}}}')
    return name, arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
