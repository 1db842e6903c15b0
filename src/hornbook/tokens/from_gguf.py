"""The tokenizer in a GGUF file's metadata, as tokenizer.json and tokenizer_config.json say it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hornbook.core.errors import DamagedError, InputError
from hornbook.tokens.cuts import CUTS
from hornbook.tokens.description import BPE, FROM_LETTERS, Description
from hornbook.tokens.special import listed

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)  # llama.cpp's kinds of tokens
SPACE = "\u2581"  # how SentencePiece spells a space
ENDS = ("eos_token_id", "eot_token_id", "eom_token_id")  # of a text, of a turn, of a call
KEY = "tokenizer.ggml."


def read_vocabulary(metadata: Mapping[str, Any], where: object) -> tuple[Description, dict[str, Any], list[int]]:
    """(tokenizer.json, tokenizer_config.json, the ids that end an answer) of a GGUF file's metadata.

    Of the kinds `gpt2` (byte-level BPE, cut as `tokenizer.ggml.pre` names) and `llama` (SentencePiece's BPE, whose
    merges are found again from the scores). Text is read as llama.cpp reads it: no characters are composed first.
    Raises InputError where there is none, or one of another kind, DamagedError for lists that do not fit each other.
    """
    kind = metadata.get(f"{KEY}model")
    if kind not in ("gpt2", "llama"):
        what = "it has no tokenizer" if kind is None else f"a tokenizer of the kind {str(kind)[:20]!r} is not read"
        raise InputError(what, where=where, fix="take one with byte-level BPE, or the Hugging Face folder")
    tokens, kinds = _list(metadata, "tokens", str, where), _list(metadata, "token_type", int, where, [])
    kinds = kinds or [NORMAL] * len(tokens)
    while kinds and kinds[-1] == UNUSED:  # padding, so that the matrices have round sizes
        tokens, kinds = tokens[: len(kinds) - 1], kinds[:-1]
    if not tokens or len(kinds) != len(tokens) or len(set(tokens)) != len(tokens):
        raise DamagedError("its tokens, their kinds and their names do not fit each other", where=where,
                           fix="fetch the file again, or take another")
    make = _byte_level if kind == "gpt2" else _sentencepiece
    description, begins = make(metadata, tokens, kinds, where)
    added = [{"id": token, **listed(text), "special": kinds[token] != USER_DEFINED}
             for token, text in enumerate(tokens) if kinds[token] in (CONTROL, UNKNOWN, USER_DEFINED)]  # fmt: skip
    named = {name: _token(metadata, f"{name}_token_id", tokens, where) for name in ("bos", "eos", "padding", "unknown")}
    first = named["bos"] if metadata.get(f"{KEY}add_bos_token", begins) else None
    description = {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": added, **description,
        "post_processor": None if first is None else _beginning(first, metadata),
    }  # fmt: skip
    configuration = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "added_tokens_decoder": {str(one["id"]): {k: v for k, v in one.items() if k != "id"} for one in added},
        "bos_token": named["bos"], "eos_token": named["eos"], "pad_token": named["padding"],
        "unk_token": named["unknown"], "add_bos_token": first is not None, "clean_up_tokenization_spaces": False,
        "model_max_length": 1_000_000_000, "chat_template": metadata.get("tokenizer.chat_template"),
    }  # fmt: skip
    given = [_token(metadata, name, tokens, where) for name in ENDS]
    return description, configuration, [tokens.index(text) for text in dict.fromkeys(given) if text is not None]


def _byte_level(
    metadata: Mapping[str, Any], tokens: list[str], kinds: list[int], where: object
) -> tuple[Description, bool]:
    """BPE over GPT-2's letters for bytes, and whether texts begin with a token by default."""
    name = metadata.get(f"{KEY}pre")
    if name not in CUTS:
        raise InputError(f"where its tokenizer cuts text ({str(name)[:30]!r}) is not known", where=where,
                         fix=f"take one of {', '.join(CUTS)}")
    cut = CUTS[name]
    merges = [_pair(text, where) for text in _list(metadata, "merges", str, where)]
    steps = list(cut.steps)
    return {
        "normalizer": None,
        "pre_tokenizer": steps[0] if len(steps) == 1 else {"type": "Sequence", "pretokenizers": steps},
        "decoder": FROM_LETTERS,
        "model": {**BPE, "ignore_merges": cut.whole, "vocab": _ids(tokens), "merges": merges},
    }, cut.begins


def _sentencepiece(
    metadata: Mapping[str, Any], tokens: list[str], kinds: list[int], where: object
) -> tuple[Description, bool]:
    """SentencePiece's BPE: a text's characters, pairs merged by the score of what they make, bytes for the unknown."""
    scores = _list(metadata, "scores", float, where)
    if len(scores) < len(tokens):
        raise DamagedError("it has fewer scores than tokens", where=where, fix="fetch the file again, or take another")
    space, text = {"String": SPACE}, {"String": " "}
    written: list[Description] = [{"type": "Replace", "pattern": text, "content": SPACE}]
    read: list[Description] = [{"type": "Replace", "pattern": space, "content": " "}, {"type": "ByteFallback"},
                               {"type": "Fuse"}]  # fmt: skip
    if metadata.get(f"{KEY}add_space_prefix", True):
        written.insert(0, {"type": "Prepend", "prepend": SPACE})
        read.append({"type": "Strip", "content": " ", "start": 1, "stop": 0})
    unknown = next((text for text, kind in zip(tokens, kinds, strict=True) if kind == UNKNOWN), None)
    merges = find_merges(tokens, kinds, scores)
    return {
        "normalizer": {"type": "Sequence", "normalizers": written},
        "pre_tokenizer": None,
        "decoder": {"type": "Sequence", "decoders": read},
        "model": {**BPE, "ignore_merges": False, "unk_token": unknown, "fuse_unk": True, "byte_fallback": BYTE in kinds,
                  "vocab": _ids(tokens), "merges": merges},
    }, True  # fmt: skip


def find_merges(tokens: Sequence[str], kinds: Sequence[int], scores: Sequence[float]) -> list[list[str]]:
    """Every pair of tokens that makes a token, the best score first: the order in which SentencePiece merges."""
    ids = {text: token for token, text in enumerate(tokens) if kinds[token] in (NORMAL, USER_DEFINED)}
    pairs = [
        (-scores[whole], ids[text[:middle]], ids[text[middle:]], text[:middle], text[middle:])
        for text, whole in ids.items() if kinds[whole] == NORMAL
        for middle in range(1, len(text)) if text[:middle] in ids and text[middle:] in ids
    ]  # fmt: skip
    return [[left, right] for *_, left, right in sorted(pairs)]


def _beginning(text: str, metadata: Mapping[str, Any]) -> Description:
    """A text is the beginning-of-text token and its own tokens."""
    first, own = {"SpecialToken": {"id": text, "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}
    other = {"Sequence": {"id": "B", "type_id": 1}}
    known = {text: {"id": text, "ids": [metadata[f"{KEY}bos_token_id"]], "tokens": [text]}}
    return {"type": "TemplateProcessing", "single": [first, own], "pair": [first, own, first, other],
            "special_tokens": known}  # fmt: skip


def _token(metadata: Mapping[str, Any], name: str, tokens: Sequence[str], where: object) -> str | None:
    """The text of the token whose id stands under the name."""
    token = metadata.get(KEY + name)
    if token is None:
        return None
    if not isinstance(token, int) or not 0 <= token < len(tokens):
        raise DamagedError(f"{KEY}{name} = {str(token)[:20]} is no token of its own", where=where,
                           fix="fetch the file again, or take another")
    return tokens[token]


def _list(metadata: Mapping[str, Any], name: str, kind: type, where: object, default: Any = None) -> list[Any]:
    found = metadata.get(KEY + name, default)
    if not isinstance(found, list) or not all(isinstance(value, kind) for value in found):
        raise DamagedError(f"its tokenizer has no {name}", where=where, fix="fetch the file again, or take another")
    return found


def _pair(text: str, where: object) -> list[str]:
    """A merge: two tokens with a space between them. The first may be a letter that is a space no longer."""
    left, found, right = text[:1] + text[1:].split(" ", 1)[0], " " in text[1:], text[1:].partition(" ")[2]
    if not found:
        raise DamagedError(f"the merge {text[:20]!r} is not of two tokens", where=where, fix="take another file")
    return [left, right]


def _ids(tokens: Sequence[str]) -> dict[str, int]:
    return {text: token for token, text in enumerate(tokens)}
