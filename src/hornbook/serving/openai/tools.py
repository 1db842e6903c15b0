"""The tools that a model may call, and whether it must."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, StrictBool, StrictStr

from hornbook.inference import structured
from hornbook.serving.errors import ApiError
from hornbook.serving.openai.common import Strict
from hornbook.serving.openai.formats import Guided
from hornbook.tokens.tokenizer import Tokenizer

Name = Annotated[StrictStr, Field(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]


class Function(Strict):
    """`parameters` is a JSON schema; where it is `strict`, or a call is asked for, the arguments follow it."""

    name: Name
    description: StrictStr | None = None
    parameters: dict[str, Any] | None = None
    strict: StrictBool | None = None


class Tool(Strict):
    type: Literal["function"]
    function: Function


class FlatTool(Function):
    """The same, as the Responses API writes it."""

    type: Literal["function"]


class NamedFunction(Strict):
    name: StrictStr


class NamedTool(Strict):
    type: Literal["function"]
    function: NamedFunction


class FlatNamedTool(Strict):
    type: Literal["function"]
    name: StrictStr


Tools = Annotated[list[Tool], Field(max_length=128)]
FlatTools = Annotated[list[FlatTool], Field(max_length=128)]
Mode = Literal["none", "auto", "required"]


def chosen(
    functions: Sequence[Function], choice: str | NamedTool | FlatNamedTool | None
) -> tuple[list[dict[str, Any]], str | None]:
    """The tools to lay before the model, and which of them it must call: "" for any, None for none.

    Raises ApiError (400) where a tool must be called that is not there.
    """
    if choice == "none":
        return [], None
    if choice in (None, "auto"):
        return [_told(function) for function in functions], None
    named = choice.function.name if isinstance(choice, NamedTool) else getattr(choice, "name", "")
    there = [function for function in functions if not named or function.name == named]
    if not there:
        what = f"There is no tool {named[:100]!r} to call." if named else "There are no tools to call."
        raise ApiError(400, what, param="tool_choice")
    return [_told(function) for function in functions], named


def guide(
    tokenizer: Tokenizer, functions: Sequence[Function], must: str | None, *, parallel: bool
) -> Guided | None:
    """Has the model call a tool, `must` being its name or "" for any, or lets it say what it likes between calls that
    follow their schemas; None where nothing of it is asked for. Raises InputError for schemas that cannot be followed.
    """
    if must is None and parallel and not any(function.strict for function in functions):
        return None
    able = [function for function in functions if not must or function.name == must]
    calls = {"anyOf": [_call(function) for function in able], "x-guidance": structured.COMPACT}
    more = '("\\n" call)*' if parallel and not must else ""
    start = f"call {more}" if must is not None else f"TEXT (call {more})?"
    text = f"""start: {start}
TEXT: /(.|\\n)*/
call: <tool_call> "\\n" body "\\n" </tool_call>
body: %json {json.dumps(calls)}
"""
    return Guided(structured.grammar(tokenizer, text), {"grammar": text})


def _call(function: Function) -> dict[str, Any]:
    arguments = function.parameters or {"type": "object"}
    return {
        "type": "object", "properties": {"name": {"const": function.name}, "arguments": arguments},
        "required": ["name", "arguments"], "additionalProperties": False,
    }  # fmt: skip


def _told(function: Function) -> dict[str, Any]:
    """As the chat template takes it."""
    said = {"name": function.name, "description": function.description, "parameters": function.parameters}
    return {"type": "function", "function": {name: value for name, value in said.items() if value is not None}}
