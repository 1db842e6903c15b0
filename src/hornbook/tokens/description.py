"""tokenizer.json and tokenizer_config.json, in the format of the `tokenizers` and `transformers` libraries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hornbook.tokens.special import listed
from hornbook.tokens.split import SPLIT
from hornbook.tokens.template import CHAT_TEMPLATE
from hornbook.tokens.vocabulary import byte_pairs, letters_of

Description = dict[str, Any]

LETTERS: Description = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
FROM_LETTERS: Description = {**LETTERS, "add_prefix_space": True, "use_regex": True}
BPE: Description = {
    "type": "BPE",
    "dropout": None,
    "unk_token": None,
    "continuing_subword_prefix": None,
    "end_of_word_suffix": None,
    "fuse_unk": False,
    "byte_fallback": False,
    "ignore_merges": True,  # a split that is a token as it stands is taken whole, as tiktoken does
}


def described(
    model: Description, special: Sequence[str], *, pre_tokenizers: Sequence[Description], decoder: Description
) -> Description:
    """The whole of tokenizer.json. The special tokens take the ids after the model's own."""
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{"id": len(model["vocab"]) + index, **listed(text)} for index, text in enumerate(special)],
        "normalizer": None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": list(pre_tokenizers)},
        "post_processor": None,
        "decoder": decoder,
        "model": model,
    }


def byte_level_bpe(pieces: Sequence[bytes], special: Sequence[str]) -> Description:
    """Byte-level BPE of the pieces in the order of their ids, the 256 bytes first."""
    vocabulary = {letters_of(piece): rank for rank, piece in enumerate(pieces)}
    merges = [[letters_of(left), letters_of(right)] for left, right in byte_pairs(pieces)]
    return _byte_level({**BPE, "vocab": vocabulary, "merges": merges}, special)


def is_byte_level_bpe(description: Description) -> bool:
    """Whether it is what `byte_level_bpe` would write of its own vocabulary, names and number of special tokens
    aside: then tiktoken encodes as its merges do."""
    model = description["model"]
    if model.get("type") != "BPE" or not isinstance(model.get("merges"), list):
        return False
    merged = ["".join(pair) for pair in model["merges"]]
    ours = {**BPE, "vocab": model["vocab"], "merges": model["merges"]}
    whole = _byte_level(ours, ()) | {"added_tokens": description["added_tokens"]}
    letters = [letters_of(bytes([byte])) for byte in range(256)] + merged
    return description == whole and model["vocab"] == {piece: rank for rank, piece in enumerate(letters)}


def split_at(pattern: str) -> Description:
    """Cut text into the matches of the pattern and what lies between them."""
    return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}


def configured(description: Description, end_of_document: str) -> Description:
    """tokenizer_config.json for transformers (4 and 5), vLLM and llama.cpp."""
    added = {str(token["id"]): {k: v for k, v in token.items() if k != "id"} for token in description["added_tokens"]}
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "added_tokens_decoder": added,
        "bos_token": None,
        "eos_token": "<|im_end|>",
        "pad_token": end_of_document,
        "additional_special_tokens": ["<|im_start|>"],
        "clean_up_tokenization_spaces": False,
        "model_max_length": 1_000_000_000,
        "chat_template": CHAT_TEMPLATE,
    }


def _byte_level(model: Description, special: Sequence[str]) -> Description:
    return described(model, special, pre_tokenizers=[split_at(SPLIT), LETTERS], decoder=FROM_LETTERS)
