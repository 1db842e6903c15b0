"""gigatoken, where it is installed: the same ids some ten times as fast as tiktoken."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib import import_module

import numpy as np

from hornbook.tokens.description import Description
from hornbook.tokens.split import readable

Encode = Callable[[str], list[int]]

FORGET = 1 << 27  # it keeps every word it ever read, 110 bytes each: after so many characters it begins anew

# What splitting and merging could get wrong: a library that reads all of it alike is taken at its word for the rest.
TRIAL = (
    "", "It's 1,234.50 or  two\n\n  words\t\tand\r\n\r\n  'LL more ", "  \n \n\n x\u00a0\u00a0y\u2028z\u3000\u3000w ",
    "naïve Übermäßig ÅSTRÖM Ωμέγα русский עברית العربية हिन्दी ไทย 한국어 日本語ページ", "a\u0301e\u0308 ﬁ Ⅷ ½ ١٢٣ ǅ",
    "🙂🙂👩\u200d👩\u200d👧 \x00\x01\x7f\x1c\x85\ufeff\ufffd\U0010ffff",
    "def f(x):\n    return x**2  # <|endoftext|><think>\n",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" * 9, "-" * 300 + "\n" * 300 + " " * 300 + "x",
)  # fmt: skip


def gigatoken(description: Description, encode: Encode) -> Callable[[str], np.ndarray] | None:
    """One text to its ids, as an int32 array; special tokens in it stay text.

    None where gigatoken is not installed, does not know how this tokenizer splits, or gives other ids than `encode` for
    any of TRIAL.
    """
    try:
        gigatoken = import_module("gigatoken")
    except ImportError:
        return None
    bare = json.dumps({**description, "added_tokens": []})
    try:
        library, read = gigatoken.Tokenizer.from_json(bare), 0
    except (RuntimeError, ValueError):
        return None

    def ids_of(text: str) -> np.ndarray:
        nonlocal library, read
        read += len(text)
        if read > FORGET:
            library, read = gigatoken.Tokenizer.from_json(bare), len(text)
        return library.encode(readable(text)).astype(np.int32)

    return ids_of if all(ids_of(text).tolist() == encode(text) for text in TRIAL) else None
