"""Tools laid before a model: Qwen3's own words, or what the model's template makes of them."""

from __future__ import annotations

import jinja2
import pytest

from hornbook.core.errors import InputError
from hornbook.tokens.foreign import load_tokenizer
from hornbook.tokens.tools import with_tools
from tests.tokens.test_foreign import SMOLLM, write

LOOK = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
SAY = {"type": "function", "function": {"name": "say", "description": "Say it, naïvely."}}
# The part of Qwen3's chat template (Apache-2.0) that tells of tools.
QWEN3 = r"""{%- if tools %}{{- '<|im_start|>system\n' }}{%- if messages[0].role == 'system' %}
{{- messages[0].content + '\n\n' }}{%- endif %}
{{- "# Tools\n\nYou may call one or more functions to assist with the user query.\n\nYou are provided with function signatures within <tools></tools> XML tags:\n<tools>" }}
{%- for tool in tools %}{{- "\n" }}{{- tool | tojson }}{%- endfor %}
{{- "\n</tools>\n\nFor each function call, return a json object with function name and arguments within <tool_call></tool_call> XML tags:\n<tool_call>\n{\"name\": <function-name>, \"arguments\": <args-json-object>}\n</tool_call><|im_end|>\n" }}
{%- endif %}"""  # noqa: E501


@pytest.mark.parametrize("first", [[], [{"role": "system", "content": "Be brief."}]])
def test_tools_are_told_as_qwen3_tells_them(first):
    import json

    made = jinja2.Environment()
    made.filters["tojson"] = lambda value: json.dumps(value, ensure_ascii=False)
    talk = [*first, {"role": "user", "content": "Look."}]
    expected = made.from_string(QWEN3).render(messages=talk, tools=[LOOK, SAY])
    told = with_tools(talk, [LOOK, SAY])
    assert f"<|im_start|>system\n{told[0]['content']}<|im_end|>\n" == expected
    assert told[1:] == talk[-1:]
    assert with_tools(talk, []) == talk


def test_a_model_of_others_is_told_by_its_own_template(tmp_path):
    template = "{% for tool in tools or [] %}{{ tool.function.name }}{% endfor %}" + SMOLLM
    made = load_tokenizer(write(tmp_path / "knows", template))
    talk = [{"role": "user", "content": "Look."}]
    assert made.decode(made.prompt(talk, [LOOK, SAY])).startswith("looksay")
    assert made.prompt(talk, []) == made.prompt(talk)
    with pytest.raises(InputError, match="knows no tools"):
        load_tokenizer(write(tmp_path / "knows_none", SMOLLM)).prompt(talk, [LOOK])
