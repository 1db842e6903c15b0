"""What form an answer must have: JSON, JSON of a schema, a regular expression, a choice, a grammar."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, StrictBool, StrictStr, model_validator

from hornbook.inference import Guide, structured
from hornbook.serving.openai.common import Strict
from hornbook.tokens.tokenizer import Tokenizer


@dataclass(frozen=True)
class Guided:
    """Makes a guide for each answer; `for_vllm` asks vLLM for the same."""

    make: Callable[[], Guide]
    for_vllm: dict[str, Any]

    def __call__(self) -> Guide:
        return self.make()


class TextFormat(Strict):
    type: Literal["text"]


class JsonFormat(Strict):
    type: Literal["json_object"]


class Schema(Strict):
    """`strict` or not, the schema is followed."""

    model_config = ConfigDict(extra="forbid", validate_by_name=True, validate_by_alias=True)
    name: Annotated[StrictStr, Field(min_length=1, max_length=64)]
    schema_: dict[str, Any] | None = Field(None, alias="schema")
    description: StrictStr | None = None
    strict: StrictBool | None = None


class SchemaFormat(Strict):
    type: Literal["json_schema"]
    json_schema: Schema


class FlatSchemaFormat(Schema):
    """The same, as the Responses API writes it."""

    type: Literal["json_schema"]


Format = Annotated[TextFormat | JsonFormat | SchemaFormat, Field(discriminator="type")]
FlatFormat = Annotated[TextFormat | JsonFormat | FlatSchemaFormat, Field(discriminator="type")]


Option = Annotated[StrictStr, Field(min_length=1)]


class StructuredOutputs(Strict):
    """vLLM's own: one of these."""

    json_: dict[str, Any] | None = Field(None, alias="json")
    json_object: Literal[True] | None = None
    regex: Annotated[StrictStr, Field(min_length=1, max_length=10_000)] | None = None
    choice: Annotated[list[Option], Field(min_length=1, max_length=1000)] | None = None
    grammar: Annotated[StrictStr, Field(min_length=1, max_length=100_000)] | None = None

    @model_validator(mode="after")
    def _is_one(self) -> StructuredOutputs:
        if len(self.model_fields_set) != 1 or None in (getattr(self, name) for name in self.model_fields_set):
            raise ValueError("give exactly one of json, json_object, regex, choice and grammar")
        return self


def guide(tokenizer: Tokenizer, wanted: Format | FlatFormat | StructuredOutputs | None) -> Guided | None:
    """What makes the guides of a form; None for any. Raises InputError for a form that cannot be followed."""
    if wanted is None or isinstance(wanted, TextFormat):
        return None
    if isinstance(wanted, StructuredOutputs):
        return _of_vllm(tokenizer, wanted)
    schema = wanted.json_schema if isinstance(wanted, SchemaFormat) else wanted
    if isinstance(schema, JsonFormat) or schema.schema_ is None:
        return Guided(structured.json_object(tokenizer), {"json_object": True})
    return Guided(structured.json_schema(tokenizer, schema.schema_), {"json": schema.schema_})


def _of_vllm(tokenizer: Tokenizer, wanted: StructuredOutputs) -> Guided:
    if wanted.regex is not None:
        return Guided(structured.regex(tokenizer, wanted.regex), {"regex": wanted.regex})
    if wanted.grammar is not None:
        return Guided(structured.grammar(tokenizer, wanted.grammar), {"grammar": wanted.grammar})
    if wanted.choice is not None:
        return Guided(structured.choice(tokenizer, wanted.choice), {"choice": wanted.choice})
    if wanted.json_ is not None:
        return Guided(structured.json_schema(tokenizer, wanted.json_), {"json": wanted.json_})
    return Guided(structured.json_object(tokenizer), {"json_object": True})
