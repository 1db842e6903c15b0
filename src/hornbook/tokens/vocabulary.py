"""The letters in which `tokenizer.json` spells bytes, and the pairs from which each token was merged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from heapq import heappop, heappush


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
        middle = _middle(pieces[own], rank, own)
        yield pieces[own][:middle], pieces[own][middle:]


def _middle(piece: bytes, rank: Mapping[bytes, int], own: int) -> int:
    """Where the last of the merges below `own` parts the piece. Of a line of a million equal letters pieces grow as
    long, so the next merge comes from a heap: the lowest rank, the leftmost of several."""
    ends = list(range(1, len(piece) + 1))  # of the part that begins at each place, 0 where none does
    before = list(range(-1, len(piece)))  # where the part before it begins
    pairs: list[tuple[int, int, int]] = []

    def look(start: int) -> None:
        if start >= 0 and ends[start] < len(piece):
            end = ends[ends[start]]
            if (found := rank.get(piece[start:end], own)) < own:
                heappush(pairs, (found, start, end))

    for start in range(len(piece)):
        look(start)
    for _ in range(len(piece) - 2):
        while pairs:
            _, start, end = heappop(pairs)
            middle = ends[start]
            if middle and middle < len(piece) and ends[middle] == end:
                break
        else:
            raise ValueError(f"{piece!r} is not a merge of two tokens before it")
        ends[start], ends[middle], before[end] = end, 0, start
        look(before[start])
        look(start)
    return ends[0]


@cache
def _alphabet() -> tuple[list[str], dict[str, int]]:
    """Bytes that print in Latin-1 stand for themselves; the rest take the letters from U+0100 on, in order."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    spare = iter(range(0x100, 0x200))
    letters = [chr(byte) if byte in printable else chr(next(spare)) for byte in range(256)]
    return letters, {letter: byte for byte, letter in enumerate(letters)}
