"""The tools that a model may call, told to it in the words of Qwen3's chat template."""

from __future__ import annotations

import json
from collections.abc import Sequence

BEFORE = """# Tools

You may call one or more functions to assist with the user query.

You are provided with function signatures within <tools></tools> XML tags:
<tools>
"""
AFTER = """
</tools>

For each function call, return a json object with function name and arguments within <tool_call></tool_call> XML tags:
<tool_call>
{"name": <function-name>, "arguments": <args-json-object>}
</tool_call>"""


def with_tools(messages: Sequence[dict], tools: Sequence[dict]) -> list[dict]:
    """The conversation with its tools, in OpenAI's form, at the end of the first turn if that is the system's, else in
    one before it."""
    if not tools:
        return list(messages)
    told = BEFORE + "\n".join(json.dumps(tool, ensure_ascii=False) for tool in tools) + AFTER
    if messages and messages[0].get("role") == "system":
        first = {**messages[0], "content": f"{messages[0]['content']}\n\n{told}"}
        return [first, *messages[1:]]
    return [{"role": "system", "content": told}, *messages]
