"""The turns of a conversation, as clients send them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, StrictStr, model_validator

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


class Message(Strict):
    """One turn. `developer` is what OpenAI now calls the system. What a model thought on its way to an earlier answer
    (`reasoning_content`) is taken and not read again, as Qwen3's template has it."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: StrictStr | list[Part] | None = None
    name: StrictStr | None = None
    tool_call_id: StrictStr | None = None
    tool_calls: list[ToolCall] | None = None
    reasoning_content: StrictStr | None = None
    reasoning: StrictStr | None = None
    refusal: StrictStr | None = None
    annotations: list[Any] | None = None
    audio: None = None
    function_call: None = None

    @model_validator(mode="after")
    def _is_whole(self) -> Message:
        if self.tool_calls and self.role != "assistant":
            raise ValueError("only the assistant calls tools")
        if self.content is None and not self.tool_calls and not (self.role == "assistant" and self.refusal):
            raise ValueError("a message needs a content")
        return self

    def plain(self) -> dict[str, Any]:
        """As the chat template takes it."""
        text = self.content if isinstance(self.content, str) else "".join(part.text for part in self.content or ())
        message: dict[str, Any] = {
            "role": "system" if self.role == "developer" else self.role, "content": text or self.refusal or ""
        }  # fmt: skip
        if self.tool_calls:
            message["tool_calls"] = [call.model_dump() for call in self.tool_calls]
        return message
