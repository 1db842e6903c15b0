"""A conversation as ids, with the weight of learning each: the assistant's words and the end of its turn.

The weights are laid down while the ids are, never found again by searching them. `template.py` says the same in Jinja
for transformers, vLLM and llama.cpp; a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

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

    White space around an assistant's content is dropped, so that what is learned begins where an answer begins.
    Results of tools (role `tool`) stand in one user turn, each within `<tool_response>`. With `for_answer` the ids end
    with `<|im_start|>assistant\\n`, where the model goes on. Raises InputError for a message that has no known role or
    no text. Source: Qwen2.5's chat template.
    """
    rendered = Rendered()
    start, end = tokenizer.start_of_turn, tokenizer.end_of_turn
    opening, closing = tokenizer.special["<tool_response>"], tokenizer.special["</tool_response>"]
    newline = tokenizer.encode("\n")
    for index, message in enumerate(messages):
        role, content = _read(message, index)
        if role == "assistant":
            rendered.add([start, *tokenizer.encode("assistant\n")], 0.0)
            rendered.add([*tokenizer.encode(content.strip()), end], 1.0)
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


def _read(message: dict, index: int) -> tuple[str, str]:
    role, content = message.get("role"), message.get("content")
    if role not in ROLES:
        raise InputError(f"the role {role!r} is not known", where=f"message {index + 1}", fix=f"use {', '.join(ROLES)}")
    if not isinstance(content, str):
        raise InputError("the content is not a text", where=f"message {index + 1}", fix="give it as a string")
    return role, content
