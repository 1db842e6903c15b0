"""Where byte-level BPE of other makers cuts text, by the names llama.cpp has for it.

A cut is the list of `pre_tokenizers` in tokenizer.json's words, told in a form that does not depend on the wording.
Source: llama.cpp's vocabulary (src/llama-vocab.cpp) and the tokenizer.json of the models the names are taken from.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hornbook.tokens.description import FROM_LETTERS, LETTERS, Description, split_at
from hornbook.tokens.split import SPLIT

GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
LLAMA3 = SPLIT.replace(r"|\p{N}|", r"|\p{N}{1,3}|")
WORDS_TO_LETTERS = {**FROM_LETTERS, "add_prefix_space": False}  # as GPT-2 cuts, and its letters, at once
DIGITS: Description = {"type": "Digits", "individual_digits": True}


@dataclass(frozen=True)
class Cut:
    """`steps` of tokenizer.json's pre_tokenizer; `whole`: a part that is a token is taken as it is, without merging;
    `begins`: llama.cpp puts the beginning-of-text token before every text unless the file says otherwise."""

    steps: tuple[Description, ...]
    whole: bool = False
    begins: bool = False


_GPT2, _SMOLLM = Cut((WORDS_TO_LETTERS,)), Cut((DIGITS, WORDS_TO_LETTERS))
_LLAMA3 = (split_at(LLAMA3), LETTERS)
CUTS = {
    "gpt-2": _GPT2, "phi-2": _GPT2, "olmo": _GPT2, "mpt": _GPT2, "jais": _GPT2,
    "smollm": _SMOLLM, "starcoder": _SMOLLM, "refact": _SMOLLM, "command-r": _SMOLLM, "codeshell": _SMOLLM,
    "qwen2": Cut((split_at(SPLIT), LETTERS)), "deepseek-r1-qwen": Cut((split_at(SPLIT), LETTERS)),
    "stablelm2": Cut((split_at(SPLIT), LETTERS)),
    "llama-bpe": Cut(_LLAMA3, whole=True, begins=True), "llama3": Cut(_LLAMA3, whole=True, begins=True),
    "llama-v3": Cut(_LLAMA3, whole=True, begins=True), "dbrx": Cut(_LLAMA3), "smaug-bpe": Cut(_LLAMA3),
}  # fmt: skip


def name_of(pre_tokenizer: Description | None, whole: bool | None = None) -> str | None:
    """llama.cpp's name for the cut of a tokenizer.json, None where it has none. Of names for the same cut the first,
    and with `whole` the first that merges so."""
    given = list(_told(pre_tokenizer))
    for name, cut in CUTS.items():
        alike = [part for step in cut.steps for part in _told(step)] == given
        if alike and whole in (None, cut.whole):
            return name
    return None


def _told(step: Description | None) -> Iterator[Any]:
    """What a step does, in words that are the same for the same doing."""
    kind = (step or {}).get("type")
    if step is None or kind is None:
        return
    if kind == "Sequence":
        for inner in step["pretokenizers"]:
            yield from _told(inner)
    elif kind == "ByteLevel" and not step.get("add_prefix_space", True):
        if step.get("use_regex", True):
            yield "matches", GPT2
        yield "letters"
    elif kind == "Split" and (step["behavior"], step["invert"]) in (("Isolated", False), ("Removed", True)):
        yield "matches", step["pattern"].get("Regex")
    elif kind == "Digits" and step.get("individual_digits"):
        yield "digits"
    else:
        yield step
