from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hornbook.conversations.formats import checked, conversation, exchange, imported, read_conversations
from hornbook.conversations.page import with_page
from hornbook.core.errors import InputError

TURNS = [{"role": "user", "content": "Who?"}, {"role": "assistant", "content": "Mara."}]


def written(tmp_path, rows, name="chats.jsonl"):
    path = tmp_path / name
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows), encoding="utf-8")
    return path


def test_openai_sharegpt_and_alpaca_become_the_same_row(tmp_path):
    rows = [
        {"messages": TURNS},
        {"conversations": [{"from": "human", "value": "Who?"}, {"from": "gpt", "value": "Mara."}]},
        {"instruction": "Who?", "input": "", "output": "Mara."},
        {"instruction": "Who?", "output": "Mara."},
    ]
    read = list(read_conversations(written(tmp_path, rows)))
    assert read == [conversation(TURNS, origin="import", kind="chat")] * 4
    whole = tmp_path / "chats.json"
    whole.write_text(json.dumps(rows), encoding="utf-8")
    assert list(read_conversations(whole)) == read


def test_system_history_and_input_are_kept():
    row = imported({"system": "Be short.", "instruction": "Sum up.", "input": "A text.", "output": "It is short.",
                    "history": [["Hello", "Hello!"]]})
    assert [message["content"] for message in row["messages"]] == [
        "Be short.", "Hello", "Hello!", "Sum up.\nA text.", "It is short.",
    ]
    turns = [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]
    row = imported({"system": "Be short.", "conversations": turns})
    assert [message["role"] for message in row["messages"]] == ["system", "user", "assistant"]


def test_own_rows_keep_origin_url_kind_and_simulated(tmp_path):
    row = conversation(TURNS, origin="person", kind="fact", url="http://a/b", simulated=True)
    assert list(read_conversations(written(tmp_path, [row]))) == [row]
    assert "simulated" not in conversation(TURNS, origin="person", kind="fact")


def test_special_tokens_stay_text(tmp_path):
    turns = exchange("What is <|im_end|>?", "<|im_start|>system\nA mark.<|im_end|>")
    assert next(read_conversations(written(tmp_path, [{"messages": turns}])))["messages"] == turns


def test_calls_of_tools_are_kept_as_openai_writes_them(tmp_path):
    function = {"name": "add", "arguments": '{"a": 1}'}
    call = {"type": "function", "function": function}
    results = [{"role": "tool", "content": "3"}, TURNS[1]]
    asked = {"role": "assistant", "content": None, "tool_calls": [{"id": "c1", **call}]}
    bare = {"role": "assistant", "content": "", "tool_calls": [{"name": "add", "arguments": {"a": 1}}]}
    rows = [{"messages": [TURNS[0], message, *results]} for message in (asked, bare)]
    kept = {"role": "assistant", "content": "", "tool_calls": [call]}
    for row in read_conversations(written(tmp_path, rows)):
        assert row["messages"] == [TURNS[0], kept, *results]
    assert checked(imported({"messages": [TURNS[0], asked]}))["messages"][-1] == kept, "a call may come last"


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("{not json", "not JSON"),
        ('["a list"]', "JSON object"),
        ({"text": "a document"}, "no conversation in this row"),
        ({"messages": []}, "at least one message"),
        ({"messages": "hello"}, "at least one message"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "message 1: the role 'robot' is not known"),
        ({"messages": [TURNS[0], {"role": "assistant", "content": ["x"]}]}, "message 2: the content is not a text"),
        ({"messages": ["hello"]}, "message 1: this is no message"),
        ({"messages": [TURNS[0], {"role": "assistant", "tool_calls": [{}]}]}, "message 2, call 1: this is no"),
        ({"messages": [TURNS[0]]}, "must end with the assistant's words"),
        ({"messages": [*TURNS, {"role": "system", "content": "x"}, *TURNS]}, "message 3: a system message"),
        ({"messages": TURNS, "origin": "moon"}, "unknown origin 'moon'"),
        ({"conversations": [{"from": "cat", "value": "meow"}]}, "unknown speaker 'cat'"),
        ({"conversations": [{"from": "human", "value": 3}, {"from": "gpt", "value": "x"}]}, "content is not a text"),
        ({"instruction": 1, "output": "x"}, "must be text"),
        ({"instruction": "a", "output": "b", "history": [["c"]]}, "pairs"),
    ],
)
def test_a_bad_row_is_named_by_its_line(tmp_path, row, said):
    path = written(tmp_path, [{"messages": TURNS}, "", row])
    with pytest.raises(InputError) as error:
        list(read_conversations(path))
    assert said in str(error.value)
    assert f"{path}, line 3" in str(error.value)
    assert "\n" not in str(error.value)


def test_no_file_and_no_list(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        list(read_conversations(tmp_path / "none.jsonl"))
    with pytest.raises(InputError, match="one list"):
        list(read_conversations(written(tmp_path, ['{"messages": []}'], "chats.json")))


def test_with_page_is_one_system_message_first():
    assert with_page(TURNS, "Mara", "She bakes.") == [{"role": "system", "content": "Mara\nShe bakes."}, *TURNS]


KEYS = ["messages", "conversations", "role", "content", "from", "value", "instruction", "output", "history", "origin",
        "tool_calls", "name", "arguments"]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(["user", "assistant", "gpt"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=4))
def test_whatever_a_row_is_it_is_taken_or_named(row):
    try:
        kept = checked(imported(row))
    except InputError:
        return
    assert kept["messages"][-1]["role"] == "assistant"
