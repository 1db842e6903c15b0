"""A tokenizer as GGUF's metadata: what llama.cpp must know to cut text into the same tokens."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from hornbook.core.errors import InputError
from hornbook.tokens.cuts import CUTS, name_of
from hornbook.tokens.described import opened
from hornbook.tokens.description import Description
from hornbook.tokens.from_gguf import BYTE, CONTROL, KEY, NORMAL, SPACE, UNKNOWN, UNUSED, USER_DEFINED, find_merges

FIX = "export --to hf, or train the tokenizer as kind = \"bpe\""


def vocabulary_metadata(
    description: Description, configuration: Mapping[str, Any], ends: Sequence[int], vocab_size: int, where: object
) -> dict[str, Any]:
    """GGUF's keys for tokenizer.json, tokenizer_config.json and the ids that end an answer, filled up to `vocab_size`.

    Of llama.cpp's tokenizers the one that reads alike is named. Raises InputError where there is none.
    """
    model, added = description["model"], description["added_tokens"]
    if model.get("type") != "BPE" or not model.get("merges"):
        raise InputError(f"llama.cpp knows no tokenizer like this one ({model.get('type')})", where=where, fix=FIX)
    pieces = {token: text for text, token in model["vocab"].items()} | {one["id"]: one["content"] for one in added}
    tokens = [pieces.get(token, f"[PAD{token}]") for token in range(max(vocab_size, max(pieces) + 1))]
    kinds = [NORMAL if token in pieces else UNUSED for token in range(len(tokens))]
    for one in added:
        kinds[one["id"]] = CONTROL if one["special"] else USER_DEFINED
    if len(tokens) > vocab_size:
        raise InputError(f"the tokenizer has {len(tokens):,} tokens, the model {vocab_size:,}", where=where,
                         fix="a model and its tokenizer must belong together")
    byte_level = '"ByteLevel"' in json.dumps(description.get("decoder"))
    own = _byte_level(description, where) if byte_level else _sentencepiece(description, tokens, kinds, where)
    ids = {text: token for token, text in enumerate(tokens)}
    special = {
        f"{KEY}{name}_token_id": ids[text] for name, key in (("bos", "bos"), ("unknown", "unk"), ("padding", "pad"))
        if (text := _content(configuration.get(f"{key}_token"))) in ids
    }  # fmt: skip
    for name, token in zip(("eos", "eot", "eom"), ends, strict=False):
        special[f"{KEY}{name}_token_id"] = token
    library = opened(description)
    first, bare = library.encode("a").ids, library.encode("a", add_special_tokens=False).ids
    template = configuration.get("chat_template")
    return {
        **own, f"{KEY}tokens": tokens, f"{KEY}token_type": kinds, **special,
        f"{KEY}add_bos_token": len(first) > len(bare) and first[0] == special.get(f"{KEY}bos_token_id"),
        f"{KEY}add_eos_token": len(first) > len(bare) and first[-1] in ends,
        **({"tokenizer.chat_template": template} if template else {}),
    }  # fmt: skip


def _byte_level(description: Description, where: object) -> dict[str, Any]:
    """Byte-level BPE: the name of its cut, and its merges."""
    model, normalizer = description["model"], description.get("normalizer")
    if normalizer is not None and normalizer.get("type") != "NFC":  # llama.cpp composes nothing, and is used so
        raise InputError(f"llama.cpp does not change text first ({normalizer.get('type')})", where=where, fix=FIX)
    whole = bool(model.get("ignore_merges"))
    name = name_of(description.get("pre_tokenizer"), whole) or name_of(description.get("pre_tokenizer"))
    if name is None:
        raise InputError("llama.cpp knows no tokenizer that cuts text where this one does", where=where, fix=FIX)
    if CUTS[name].whole != whole and (lost := _never_merged(description)):
        raise InputError(f"llama.cpp would not come to its token {lost[:40]!r} by merging", where=where, fix=FIX)
    return {f"{KEY}model": "gpt2", f"{KEY}pre": name, f"{KEY}merges": [" ".join(pair) for pair in _pairs(model)]}


def _sentencepiece(
    description: Description, tokens: Sequence[str], kinds: list[int], where: object
) -> dict[str, Any]:
    """SentencePiece's BPE: a score a token, from which its merges must be found again."""
    model, normalizer = description["model"], description.get("normalizer") or {}
    steps = normalizer.get("normalizers", [normalizer])
    spaces = {"type": "Replace", "pattern": {"String": " "}, "content": SPACE}
    prefix = {"type": "Prepend", "prepend": SPACE}
    if description.get("pre_tokenizer") or steps not in ([spaces], [prefix, spaces]):
        raise InputError("llama.cpp knows no tokenizer that writes spaces as this one does", where=where, fix=FIX)
    pairs, scores = _pairs(model), [0.0] * len(tokens)
    for rank, (left, right) in reversed(list(enumerate(pairs))):
        scores[model["vocab"][left + right]] = -float(rank)
    for token, text in enumerate(tokens):
        if text == model.get("unk_token"):
            kinds[token] = UNKNOWN
        elif kinds[token] == NORMAL and text.startswith("<0x") and text.endswith(">") and len(text) == 6:
            kinds[token] = BYTE
    if find_merges(tokens, kinds, scores) != pairs:
        raise InputError("its merges do not follow from scores of its tokens", where=where, fix=FIX)
    return {
        f"{KEY}model": "llama", f"{KEY}pre": "default", f"{KEY}scores": scores,
        f"{KEY}add_space_prefix": len(steps) > 1,
    }  # fmt: skip


def _never_merged(description: Description) -> str | None:
    """A token that the merges do not make of its own letters."""
    from tokenizers.models import BPE

    model, added = description["model"], {one["content"] for one in description["added_tokens"]}
    merging = BPE(model["vocab"], [(left, right) for left, right in _pairs(model)])
    return next((text for text in model["vocab"] if text not in added and len(merging.tokenize(text)) != 1), None)


def _pairs(model: Description) -> list[list[str]]:
    """The merges; older files have each as one text."""
    return [merge.split(" ", 1) if isinstance(merge, str) else list(merge) for merge in model["merges"]]


def _content(token: Any) -> Any:
    return token.get("content") if isinstance(token, dict) else token
