"""The chat template other programs render: ChatML and tool calls as Qwen3 writes them, without a system message of its
own and without thoughts."""

CHAT_TEMPLATE = """\
{%- for message in messages -%}
    {%- if message.role == "tool" -%}
        {%- if loop.first or messages[loop.index0 - 1].role != "tool" -%}
            {{- "<|im_start|>user" -}}
        {%- endif -%}
        {{- "\\n<tool_response>\\n" + message.content + "\\n</tool_response>" -}}
        {%- if loop.last or messages[loop.index0 + 1].role != "tool" -%}
            {{- "<|im_end|>\\n" -}}
        {%- endif -%}
    {%- elif message.role == "assistant" -%}
        {%- set content = (message.content or "") | trim -%}
        {{- "<|im_start|>assistant\\n" + content -}}
        {%- for given in message.tool_calls or [] -%}
            {%- set call = given.function or given -%}
            {%- if content or not loop.first -%}
                {{- "\\n" -}}
            {%- endif -%}
            {{- '<tool_call>\\n{"name": "' + call.name + '", "arguments": ' -}}
            {{- call.arguments if call.arguments is string else (call.arguments or {}) | tojson -}}
            {{- "}\\n</tool_call>" -}}
        {%- endfor -%}
        {{- "<|im_end|>\\n" -}}
    {%- else -%}
        {{- "<|im_start|>" + message.role + "\\n" + message.content + "<|im_end|>\\n" -}}
    {%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{- "<|im_start|>assistant\\n" -}}
{%- endif -%}
"""
