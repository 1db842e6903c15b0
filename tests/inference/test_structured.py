"""Answers of a given form from a model that knows none, and forms that cannot be followed."""

from __future__ import annotations

import json
import re

import pytest

from hornbook.core.errors import InputError
from hornbook.inference import Engine, Request, Sampling, structured

PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string", "maxLength": 5}, "age": {"type": "integer", "minimum": 0, "maximum": 99}},
    "required": ["name", "age"], "additionalProperties": False,
}  # fmt: skip
CYCLIC = {"$defs": {"a": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}
RECURSIVE = {"$defs": {"a": {"type": "object", "properties": {"x": {"$ref": "#/$defs/a"}}}}, "$ref": "#/$defs/a"}


@pytest.fixture(scope="module")
def engine(model, tokenizer):
    return Engine(model, tokenizer, slots=8)


def answers(engine, guide, count: int = 6, **sampling) -> list:
    asked = Request(ids=engine.tokenizer.encode("the cat"), guide=guide,
                    sampling=Sampling(**{"temperature": 1, "max_tokens": 120, **sampling}))
    return engine.generate(asked.repeated(count))


def test_json_of_a_schema(engine, tokenizer):
    for done in answers(engine, structured.json_schema(tokenizer, PERSON)):
        person = json.loads(done.text)
        assert set(person) == {"name", "age"}
        assert len(person["name"]) <= 5
        assert 0 <= person["age"] <= 99
        assert done.finish_reason == "stop"


def test_any_json_a_pattern_a_choice_a_grammar(engine, tokenizer):
    for done in answers(engine, structured.json_object(tokenizer)):
        if done.finish_reason == "stop":
            assert isinstance(json.loads(done.text), dict)
    for done in answers(engine, structured.regex(tokenizer, r"[a-c]{3}-\d+")):
        assert done.finish_reason == "length" or re.fullmatch(r"[a-c]{3}-\d+", done.text)
    assert {done.text for done in answers(engine, structured.regex(tokenizer, 'a/"b'), 2)} == {'a/"b'}
    texts = {done.text for done in answers(engine, structured.choice(tokenizer, ['say "mill"', "naïve 猫", "x"]), 12)}
    assert texts <= {'say "mill"', "naïve 猫", "x"}
    assert len(texts) > 1
    call = structured.grammar(tokenizer, 'start: <tool_call> /[a-z]{2}/ </tool_call>')
    for done in answers(engine, call):
        assert re.fullmatch(r"<tool_call>[a-z]{2}</tool_call>", done.text)
        assert done.ids[0] == tokenizer.special["<tool_call>"]


def test_others_beside_it_are_not_touched(engine, tokenizer):
    plain = Request(ids=tokenizer.encode("the dog"), sampling=Sampling(max_tokens=20))
    alone = engine.generate([plain])[0]
    guided = Request(ids=tokenizer.encode("the cat"), guide=structured.json_schema(tokenizer, PERSON),
                     sampling=Sampling(max_tokens=60))
    assert engine.generate([guided, plain, guided])[1].ids == alone.ids


@pytest.mark.parametrize("schema", [
    CYCLIC, {"type": "wizard"}, {"$ref": "https://evil.example/schema"}, {"not": {"type": "string"}},
    {"type": "string", "pattern": "["}, {"type": "string", "pattern": "(?=a)b"}, {"enum": []}, {"properties": 3},
    {"type": "array", "uniqueItems": True}, {"allOf": [{"type": "string"}, {"type": "integer"}]},
])  # fmt: skip
def test_schemas_that_cannot_be_followed_are_said(tokenizer, schema):
    with pytest.raises(InputError, match="cannot be followed"):
        structured.json_schema(tokenizer, schema)


@pytest.mark.parametrize("pattern", ["[", "(?=a)b", "(?P<x"])
def test_patterns_that_cannot_be_followed_are_said(tokenizer, pattern):
    with pytest.raises(InputError, match="cannot be followed"):
        structured.regex(tokenizer, pattern)


@pytest.mark.parametrize("text", ["", "start", "start: nothing", 'start: "a', "start: <no_such_token>"])
def test_grammars_that_cannot_be_followed_are_said(tokenizer, text):
    with pytest.raises(InputError, match="cannot be followed"):
        structured.grammar(tokenizer, text)


@pytest.mark.parametrize("pattern", ["(a+)+$", "(x+x+)+y", "(.*a){500}.{1000}b", "(a|a)*b"])
def test_patterns_that_others_choke_on_are_followed(engine, tokenizer, pattern):
    assert len(answers(engine, structured.regex(tokenizer, pattern), 2, max_tokens=8)) == 2


def test_a_schema_that_names_itself_is_followed(engine, tokenizer):
    for done in answers(engine, structured.json_schema(tokenizer, RECURSIVE), 3):
        assert done.finish_reason == "length" or isinstance(json.loads(done.text), dict)
