"""The letters in which `tokenizer.json` spells bytes, and the pairs from which each token was merged."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from functools import cache


def letters_of(piece: bytes) -> str:
    """The bytes as printable letters, one a byte (GPT-2's alphabet: Radford et al. 2019)."""
    letters, _ = _alphabet()
    return "".join(letters[byte] for byte in piece)


def bytes_of(letters: str) -> bytes:
    """What `letters_of` spelled. Raises KeyError for a letter that is not of the alphabet."""
    _, byte_of = _alphabet()
    return bytes(byte_of[letter] for letter in letters)


def byte_pairs(pieces: Sequence[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """The two parts each token after the first 256 was merged from, in the order of the tokens.

    The vocabulary alone tells them: the merges before a token's own, applied to its bytes, leave its two parts.
    """
    rank = {piece: index for index, piece in enumerate(pieces)}
    for own in range(256, len(pieces)):
        parts = [bytes([byte]) for byte in pieces[own]]
        while len(parts) > 2:
            ranks = [rank.get(left + right, own) for left, right in itertools.pairwise(parts)]
            at = min(range(len(ranks)), key=ranks.__getitem__)
            if ranks[at] >= own:
                raise ValueError(f"{pieces[own]!r} is not a merge of two tokens before it")
            parts[at : at + 2] = [parts[at] + parts[at + 1]]
        yield parts[0], parts[1]


@cache
def _alphabet() -> tuple[list[str], dict[str, int]]:
    """Bytes that print in Latin-1 stand for themselves; the rest take the letters from U+0100 on, in order."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    spare = iter(range(0x100, 0x200))
    letters = [chr(byte) if byte in printable else chr(next(spare)) for byte in range(256)]
    return letters, {letter: byte for byte, letter in enumerate(letters)}
