"""Paragraphs that an earlier document has already: what pages quote, repeat and carry along.

Source: CCNet (Wenzek et al. 2020, section 3.1) and Dolma (Soldaini et al. 2024), with an order: documents are earlier
or later as the caller gives them, so it does not matter in which shards their paragraphs were hashed. Repetition within
one document is Gopher's to judge, not ours.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from hornbook.corpus.copies.shingles import Hashes, blocks, digests, hash_words

LEAST = 200  # characters of a paragraph; headings, list items and formulas of politeness may stand in many documents
_PARTS = 16
_BORDER = re.compile(r"(\n(?:[^\S\n]*\n)+)")
_FENCE = re.compile(r"^\s*(?:```|~~~)", re.MULTILINE)


def paragraphs(text: str) -> list[str]:
    """The parts between empty lines; a code block is one part with its empty lines."""
    first, *rest = _BORDER.split(text)
    parts, in_code = [first], _opens_or_closes(first)
    for border, part in zip(rest[::2], rest[1::2], strict=True):
        if in_code:
            parts[-1] += border + part
        else:
            parts.append(part)
        in_code ^= _opens_or_closes(part)
    return parts


def hash_paragraphs(texts: Sequence[str], least: int = LEAST) -> Hashes:
    """Eight bytes for each paragraph of at least `least` characters, folded as `folding.fold` does."""
    parts = []
    for block in blocks(texts):
        long = [[part for part in paragraphs(text) if len(part) >= least] for text in block]
        values = digests(hash_words([part for own in long for part in own]))[:, 0]
        parts.append(Hashes(values, np.array([len(own) for own in long], np.int64)))
    return Hashes.joined(parts)


def repeated(hashes: Hashes, claims: np.ndarray | None = None) -> np.ndarray:
    """Whether an earlier text has the paragraph, bool, one for each hash. The texts of `hashes` are all there are, in
    their order: `Hashes.joined` puts those of the shards together. Where `claims` (bool, one for each text) are given,
    only texts with a claim count as earlier."""
    ends, found = hashes.ends, np.zeros(len(hashes.values), bool)
    claims = np.ones(len(ends), bool) if claims is None else claims
    for part in range(_PARTS):  # a part of the hashes at a time, for sorting takes several times their memory
        places = np.flatnonzero(hashes.values % np.uint64(_PARTS) == part)
        _, own = np.unique(hashes.values[places], return_inverse=True)
        texts = np.searchsorted(ends, places, side="right")
        claimed = claims[texts]
        first = np.full(len(places), len(ends))  # the first text with a claim to each
        np.minimum.at(first, own[claimed], texts[claimed])
        found[places] = texts > first[own]
    return found


def without_repeated(text: str, seen: Sequence[bool], least: int = LEAST) -> str:
    """The text without its paragraphs that were `seen`: one truth for each that `hash_paragraphs` hashed of it."""
    if not any(seen):
        return text
    flags = iter(seen)
    return "\n\n".join(part for part in paragraphs(text) if len(part) < least or not next(flags))


def _opens_or_closes(part: str) -> bool:
    return len(_FENCE.findall(part)) % 2 == 1
