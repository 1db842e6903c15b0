"""Answers of a given form: JSON, JSON of a schema, a regular expression, a grammar; llguidance says what may come next.

Each function reads a form once and gives a maker of guides, one for each answer. Source: llguidance (Microsoft), an
Earley parser over derivatives of regular expressions, which neither backtracks nor builds an automaton in advance.
"""

from __future__ import annotations

import json
import threading
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from llguidance import LLMatcher, LLTokenizer

from hornbook.core.errors import InputError
from hornbook.inference.guide import Guide
from hornbook.tokens.tokenizer import Tokenizer

Maker = Callable[[], Guide]
# White space as Python's json writes it: given its freedom, a small model goes on and on with spaces.
COMPACT: Any = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}
ANY_OBJECT = {"type": "object"}
_made: weakref.WeakKeyDictionary[Tokenizer, LLTokenizer] = weakref.WeakKeyDictionary()
_lock = threading.Lock()


def json_object(tokenizer: Tokenizer) -> Maker:
    """Guides to any JSON object."""
    return json_schema(tokenizer, ANY_OBJECT)


def json_schema(tokenizer: Tokenizer, schema: dict[str, Any]) -> Maker:
    """Guides to JSON of this schema. Raises InputError for one that cannot be followed: no schema, one that names what
    is not understood or lies elsewhere, one that nothing fits."""
    try:
        compiled = LLMatcher.grammar_from_json_schema(schema, overrides=COMPACT)
    except ValueError as error:
        raise _cannot("schema", str(error)) from None
    return _maker(tokenizer, compiled, "schema")


def regex(tokenizer: Tokenizer, pattern: str) -> Maker:
    """Guides to what the whole pattern matches. Raises InputError for one that cannot be followed."""
    return _maker(tokenizer, LLMatcher.grammar_from_regex(pattern), "regex")


def choice(tokenizer: Tokenizer, texts: Sequence[str]) -> Maker:
    """Guides to one of the texts."""
    options = " | ".join(json.dumps(text, ensure_ascii=False) for text in texts)
    return _maker(tokenizer, LLMatcher.grammar_from_lark(f"start: {options}"), "choice")


def grammar(tokenizer: Tokenizer, text: str) -> Maker:
    """Guides to what a grammar in llguidance's kind of Lark derives; `<name>` stands for a special token. Raises
    InputError for one that cannot be followed."""
    return _maker(tokenizer, LLMatcher.grammar_from_lark(text), "grammar")


class _Guide:
    """One answer's. Where the form turns out to need more than llguidance's limits, the answer ends."""

    def __init__(self, matcher: LLMatcher, only_ends: np.ndarray):
        self._matcher, self._only_ends = matcher, only_ends

    def allowed(self) -> np.ndarray:
        """What may come next."""
        words = np.frombuffer(self._matcher.compute_bitmask(), dtype=np.int32)
        return self._only_ends if self._matcher.is_error() or not words.any() else words

    def advance(self, token: int) -> None:
        """The token that was chosen."""
        self._matcher.consume_token(token)

    @property
    def done(self) -> bool:
        """Whether the form is whole and nothing can follow."""
        return self._matcher.is_stopped()


def _maker(tokenizer: Tokenizer, compiled: str, where: str) -> Maker:
    known = _known(tokenizer)
    if error := LLMatcher.validate_grammar(compiled, known):
        raise _cannot(where, error)
    first = LLMatcher(known, compiled, log_level=0)
    if not any(first.compute_bitmask()) or first.is_error():
        raise _cannot(where, "nothing can begin as it asks")
    bits = np.zeros((tokenizer.vocab_size + 31) // 32 * 32, dtype=np.uint8)
    bits[list(tokenizer.ends)] = 1
    only_ends = np.packbits(bits, bitorder="little").view(np.int32)

    def make() -> Guide:
        return _Guide(LLMatcher(known, compiled, log_level=0), only_ends)

    return make


def _known(tokenizer: Tokenizer) -> LLTokenizer:
    """The tokenizer as llguidance knows it, made once."""
    with _lock:
        if tokenizer not in _made:
            _made[tokenizer] = LLTokenizer(
                json.dumps(tokenizer.description), n_vocab=tokenizer.vocab_size, eos_token=list(tokenizer.ends),
                slices=LLTokenizer.json_slices(),
            )  # fmt: skip
        return _made[tokenizer]


def _cannot(where: str, why: str) -> InputError:
    line = " ".join(why.split())[:300]
    return InputError(f"this cannot be followed ({line})", where=where, fix="write it more simply")
