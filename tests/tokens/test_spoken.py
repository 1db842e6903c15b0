"""Words told apart, the same whatever the pieces they come in."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hornbook.tokens.spoken import Spoken, SpokenStream, thought_tokens

CALL = '<tool_call>\n{"name": "look", "arguments": {"at": "mill"}}\n</tool_call>'
LOOK = Spoken("call", "look", {"at": "mill"})


def told(pieces: list[str], *, calls: bool = True) -> list[Spoken]:
    stream = SpokenStream(calls=calls)
    found: list[Spoken] = []
    for piece in [*(stream.push(piece) for piece in pieces), stream.finish()]:
        for spoken in piece:
            if found and found[-1].kind == spoken.kind != "call":
                spoken = Spoken(spoken.kind, found.pop().text + spoken.text)
            found.append(spoken)
    return found


def words(text: str) -> Spoken:
    return Spoken("content", text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello there. ", [words("Hello there. ")]),
        ("", []),
        ("\n<think>\nHm, a mill.\n</think>\n\nIt grinds.", [Spoken("reasoning", "Hm, a mill."), words("It grinds.")]),
        ("<think>cut o", [Spoken("reasoning", "cut o")]),
        ("<think></think>Yes.", [words("Yes.")]),
        (f"Let me look.\n{CALL}", [words("Let me look."), LOOK]),
        (f"{CALL}\n{CALL}", [LOOK, LOOK]),
        (f"<think>Look.</think>\n{CALL}", [Spoken("reasoning", "Look."), LOOK]),
        ("<tool_call>\nnothing like it\n</tool_call> x", [words("<tool_call>\nnothing like it\n</tool_call>x")]),
        ('<tool_call>{"name": "look", "argum', [words('<tool_call>{"name": "look", "argum')]),
        ('<tool_call>{"name": "look"}</tool_call>', [Spoken("call", "look", {})]),
        ('<tool_call>{"name": 3}</tool_call>', [words('<tool_call>{"name": 3}</tool_call>')]),
        ("<think>Hm.</think>It grinds.", [Spoken("reasoning", "Hm."), words("It grinds.")]),
        ("<tool> < tool_call> </think>", [words("<tool> < tool_call> </think>")]),
    ],
)
def test_each_kind_is_told(text, expected):
    assert told([text]) == expected
    assert told(list(text)) == expected


def test_without_tools_there_are_no_calls():
    assert told(list("<think>Hm.</think>It grinds."), calls=False) == [Spoken("reasoning", "Hm."), words("It grinds.")]
    assert told(list(CALL), calls=False) == [words(CALL)]


@pytest.mark.parametrize(("thoughts", "words"), [("<think>a mill</think>", " it grinds"), ("\n<think>on and", ""),
                                                 ("", "the mill"), ("", "<thin"), ("", "")])
def test_thoughts_are_counted(tokenizer, thoughts, words):
    def ids(text: str) -> list[int]:
        return [token for part in re.split("(</?think>)", text)
                for token in ([tokenizer.special[part]] if part in tokenizer.special else tokenizer.encode(part))]

    assert thought_tokens(tokenizer, ids(thoughts) + ids(words)) == len(ids(thoughts))


PIECES = st.lists(st.sampled_from(["<think>", "</think>", CALL, "<tool_call>", "</tool_call>", "<to", "ol", " ", "\n",
                                   "word", "{", '"']), max_size=12)


@given(PIECES, st.data(), st.booleans())
def test_the_pieces_do_not_matter(parts, data, calls):
    text = "".join(parts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    pieces = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    whole = told([text], calls=calls)
    assert told(pieces, calls=calls) == whole
    lost = sum(len(piece.text) for piece in whole if piece.kind != "call")
    assert lost <= len(text)
