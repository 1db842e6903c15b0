"""The turns of a conversation, as clients send them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, StrictStr

from hornbook.serving.openai.common import Strict


class Part(Strict):
    """A part of a content; only text can be read."""

    type: Literal["text"]
    text: StrictStr


class FunctionCall(Strict):
    name: StrictStr = Field(min_length=1, max_length=256)
    arguments: StrictStr


class ToolCall(Strict):
    id: StrictStr
    type: Literal["function"] = "function"
    function: FunctionCall


class Said(Strict):
    """What somebody tells the model. `developer` is what OpenAI now calls the system."""

    role: Literal["system", "developer", "user"]
    content: StrictStr | list[Part]
    name: StrictStr | None = None

    def plain(self) -> dict[str, Any]:
        """As the chat template takes it."""
        return {"role": "system" if self.role == "developer" else self.role, "content": words(self.content)}


class Answered(Strict):
    """What the model said. What it thought on its way there (`reasoning_content`) is taken and not read again, as
    Qwen3's template has it."""

    role: Literal["assistant"]
    content: StrictStr | list[Part] | None = None
    name: StrictStr | None = None
    tool_calls: list[ToolCall] | None = None
    reasoning_content: StrictStr | None = None
    reasoning: StrictStr | None = None
    refusal: StrictStr | None = None
    annotations: list[Any] | None = None
    audio: None = None
    function_call: None = None

    def plain(self) -> dict[str, Any]:
        """As the chat template takes it."""
        message: dict[str, Any] = {"role": "assistant", "content": words(self.content or self.refusal or "")}
        if self.tool_calls:
            message["tool_calls"] = [call.model_dump() for call in self.tool_calls]
        return message


class ToolResult(Strict):
    """What a tool that was called gave."""

    role: Literal["tool"]
    content: StrictStr | list[Part]
    tool_call_id: StrictStr | None = None
    name: StrictStr | None = None

    def plain(self) -> dict[str, Any]:
        """As the chat template takes it."""
        return {"role": "tool", "content": words(self.content)}


Message = Annotated[Said | Answered | ToolResult, Field(discriminator="role")]
Messages = Annotated[list[Message], Field(min_length=1, max_length=1000, fail_fast=True)]


def words(content: str | Sequence[Part]) -> str:
    """The text of a content."""
    return content if isinstance(content, str) else "".join(part.text for part in content)
