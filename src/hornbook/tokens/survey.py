"""What a tokenizer costs on texts, which of its entries it never uses, and how it splits what is hard to split."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from hornbook.tokens.tokenizer import Tokenizer

Counts = Callable[[Sequence[str]], int]  # texts to the number of their tokens

NUMBERS = ("7", "1848", "3.14159", "1,234,567", "-40 °C", "١٢٣")
SCRIPTS = {
    "Greek": "γλώσσα", "Cyrillic": "словарь", "Hebrew": "שפה", "Arabic": "لغة", "Devanagari": "भाषा", "Thai": "ภาษา",
    "Georgian": "ენა", "Amharic": "ቋንቋ", "Cherokee": "ᎦᏬᏂᎯᏍᏗ", "Hangul": "언어", "Han": "語言", "Kana": "ことば",
    "emoji": "🙂👍🏽",
}  # fmt: skip

# What tiktoken would download: the files of each encoding, as it names them. They are used where they lie already.
_AT = "https://openaipublic.blob.core.windows.net"
ENCODINGS = {
    "GPT-2": ("gpt2", (f"{_AT}/gpt-2/encodings/main/vocab.bpe", f"{_AT}/gpt-2/encodings/main/encoder.json")),
    "GPT-4": ("cl100k_base", (f"{_AT}/encodings/cl100k_base.tiktoken",)),
}


def cost(count: Counts, groups: Mapping[str, Sequence[str]]) -> dict[str, float]:
    """Bytes of UTF-8 a token in each group of texts: more is cheaper."""
    sizes = {name: sum(len(text.encode("utf-8", "replace")) for text in texts) for name, texts in groups.items()}
    return {name: size / max(1, count(groups[name])) for name, size in sizes.items()}


def tokens_of(tokenizer: Tokenizer) -> Counts:
    """How many tokens the tokenizer makes of texts."""
    return lambda texts: sum(map(len, tokenizer.encode_batch(texts)))


def uses(tokenizer: Tokenizer, texts: Sequence[str]) -> np.ndarray:
    """How often each id stands in the texts, as int64 of the vocabulary's size."""
    counts = np.zeros(tokenizer.vocab_size, np.int64)
    for ids in tokenizer.encode_batch(texts):
        np.add.at(counts, ids, 1)
    return counts


def learnt(tokenizer: Tokenizer) -> list[int]:
    """The ids that are more than one byte and no special token: what the vocabulary is spent on."""
    special = set(tokenizer.special.values())
    return [token for token, piece in enumerate(tokenizer.pieces) if len(piece) > 1 and token not in special]


def split(tokenizer: Tokenizer, text: str) -> list[str]:
    """The text's tokens as they can be shown; bytes that are no character by themselves in hexadecimal."""
    return [shown(tokenizer.pieces[token]) for token in tokenizer.encode(text)]


def shown(piece: bytes) -> str:
    """The bytes of a token as text, spaces visible, what is no UTF-8 in hexadecimal."""
    try:
        text = piece.decode()
    except UnicodeDecodeError:
        return piece.hex(" ").upper()
    return "".join(c if c.isprintable() and c != " " else {" ": "␣", "\n": "⏎", "\t": "⇥"}.get(c, "·") for c in text)


def known_encodings() -> tuple[dict[str, Counts], dict[str, str]]:
    """GPT-2's and GPT-4's tokenizers by name, where tiktoken has their files; and of the others the reason why not."""
    import tiktoken

    found, missing = {}, {}
    for name, (encoding, files) in ENCODINGS.items():
        if all((_cache() / hashlib.sha1(file.encode()).hexdigest()).is_file() for file in files):
            found[name] = _counts(tiktoken.get_encoding(encoding))
        else:
            missing[name] = f'left out: tiktoken has not fetched it (tiktoken.get_encoding("{encoding}") does)'
    return found, missing


def _counts(encoding) -> Counts:
    return lambda texts: sum(map(len, encoding.encode_ordinary_batch(list(texts))))


def _cache() -> Path:
    """Where tiktoken keeps what it fetched."""
    named = os.environ.get("TIKTOKEN_CACHE_DIR", os.environ.get("DATA_GYM_CACHE_DIR"))
    return Path(named) if named is not None else Path(tempfile.gettempdir(), "data-gym-cache")
