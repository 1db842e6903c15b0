"""The items of the Responses API, as clients send them: a conversation, and calls of tools in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, StrictStr

from hornbook.serving.openai.common import Strict


class InputPart(Strict):
    """A part of a content; only text can be read."""

    type: Literal["input_text", "output_text", "refusal"]
    text: StrictStr | None = None
    refusal: StrictStr | None = None
    annotations: list[Any] | None = None
    logprobs: list[Any] | None = None

    def words(self) -> str:
        return self.text or self.refusal or ""


class InputMessage(Strict):
    type: Literal["message"] = "message"
    role: Literal["user", "assistant", "system", "developer"]
    content: StrictStr | list[InputPart]
    id: StrictStr | None = None
    status: Literal["in_progress", "completed", "incomplete"] | None = None
    phase: StrictStr | None = None


class FunctionCallItem(Strict):
    type: Literal["function_call"]
    call_id: StrictStr
    name: StrictStr = Field(min_length=1, max_length=256)
    arguments: StrictStr
    id: StrictStr | None = None
    status: Literal["in_progress", "completed", "incomplete"] | None = None


class FunctionOutputItem(Strict):
    type: Literal["function_call_output"]
    call_id: StrictStr
    output: StrictStr | list[InputPart]
    id: StrictStr | None = None
    status: Literal["in_progress", "completed", "incomplete"] | None = None


class ReasoningItem(Strict):
    """What a model thought on its way to an earlier answer; it is not read again."""

    type: Literal["reasoning"]
    id: StrictStr | None = None
    summary: list[Any] | None = None
    content: list[Any] | None = None
    encrypted_content: None = None
    status: Literal["in_progress", "completed", "incomplete"] | None = None


Item = InputMessage | FunctionCallItem | FunctionOutputItem | ReasoningItem
Items = Annotated[list[Item], Field(min_length=1, max_length=1000)]


def as_messages(given: str | Sequence[Item], instructions: str | None) -> list[dict[str, Any]]:
    """The conversation as the chat template takes it; calls belong to the assistant's turn before them."""
    messages: list[dict[str, Any]] = [{"role": "system", "content": instructions}] if instructions else []
    if isinstance(given, str):
        return [*messages, {"role": "user", "content": given}]
    for item in given:
        if isinstance(item, InputMessage):
            role = "system" if item.role == "developer" else item.role
            messages.append({"role": role, "content": _words(item.content)})
        elif isinstance(item, FunctionCallItem):
            if not messages or messages[-1]["role"] != "assistant":
                messages.append({"role": "assistant", "content": ""})
            function = {"name": item.name, "arguments": item.arguments}
            call = {"id": item.call_id, "type": "function", "function": function}
            messages[-1].setdefault("tool_calls", []).append(call)
        elif isinstance(item, FunctionOutputItem):
            messages.append({"role": "tool", "content": _words(item.output), "tool_call_id": item.call_id})
    return messages


def _words(content: str | Sequence[InputPart]) -> str:
    return content if isinstance(content, str) else "".join(part.words() for part in content)
