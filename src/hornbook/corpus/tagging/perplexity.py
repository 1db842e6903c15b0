"""How surprising a page is to a small n-gram model of its own corpus: bits a character, for any language.

The model reads the plainest pages of the corpus itself, so nothing is shipped and a small language is judged by its own
pages, as CCNet does with models of Wikipedia (Wenzek et al. 2020, arXiv:1911.00359). Low: boilerplate and repetition;
high: tables, noise, other languages. What lies between is prose like the rest.

Interpolated Witten-Bell (Witten and Bell 1991) on bytes, in hashed tables (Talbot and Osborne 2007): probabilities may
sum to a little more than 1 where two n-grams share a place. `evaluation/ngram.py` is the exact model that figures are
compared with; this one gives up exactness for a few table reads a character.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import numpy as np

from hornbook.core.errors import DamagedError
from hornbook.core.files import write_bytes
from hornbook.corpus.tagging.hashed import BYTES, Hashes, mixed

ORDER = 5
BITS = 19
READ = 2_000_000  # bytes of the plainest pages


@dataclass(frozen=True)
class PageModel:
    """`found`: what each n-gram of each order adds to a probability, `spared`: the share its contexts leave to the
    order below; float32, (2 halves, ORDER, 2^BITS). Each half has read the pages that the other has not."""

    found: np.ndarray
    spared: np.ndarray

    @classmethod
    def trained(cls, texts: Sequence[str], plainness: Sequence[float], read: int = READ) -> PageModel:
        """Read the texts of highest plainness (any score: the column `quality`, say), up to `read` bytes together."""
        halves: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
        for index in sorted(range(len(texts)), key=lambda index: (-plainness[index], texts[index])):
            if read <= 0:
                break
            for data in _pieces(texts[index]):
                halves[_half(texts[index])].append(data[:read])
                read -= min(len(data), max(read, 0))
        tables = [_read(half) for half in halves]
        return cls(np.stack([found for found, _ in tables]), np.stack([spared for _, spared in tables]))

    def bits_per_character(self, texts: Iterable[str]) -> list[float]:
        """For each text what its first `BYTES` bytes cost, by the half of the model that has not read it; 8 bits a byte
        is what knowing nothing costs. An empty text costs 0."""
        return [round(self._bits(text), 4) for text in texts]

    def save(self, path: Path) -> None:
        """Write the tables, as safetensors."""
        from safetensors.numpy import save

        write_bytes(path, save({"found": self.found, "spared": self.spared}))

    @classmethod
    def load(cls, path: Path) -> PageModel:
        """The model that `save` wrote. Raises DamagedError where it is none."""
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        try:
            tensors = load_file(path)
            return cls(tensors["found"], tensors["spared"])
        except (SafetensorError, KeyError) as error:
            raise DamagedError(f"not a page model ({error})", where=path, fix="make the corpus again") from None

    def _bits(self, text: str) -> float:
        data = next(_pieces(text), None)
        if data is None:
            return 0.0
        other = 1 - _half(text)
        probability = np.full(len(data), 1 / 256, np.float32)
        context = np.zeros(len(data), np.int64)
        for order, grams in enumerate(_grams(data)):
            found, spared = self.found[other, order], self.spared[other, order]
            probability[order:] = found[grams] + spared[context[: len(grams)]] * probability[order:]
            context = grams
        return float(-np.log2(np.minimum(probability, 1.0), dtype=np.float64).sum()) / len(_start(text))


def _read(pieces: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    found, spared = np.zeros((ORDER, 1 << BITS), np.float32), np.ones((ORDER, 1 << BITS), np.float32)
    for order in range(ORDER):
        grams, contexts = [], []
        for data in pieces:
            own = list(_grams(data))[: order + 1]
            grams.append(own[order])
            contexts.append(own[order - 1][: len(own[order])] if order else np.zeros(len(own[order]), np.int64))
        if not pieces:
            continue
        seen, first, counts = np.unique(np.concatenate(grams), return_index=True, return_counts=True)
        before = np.concatenate(contexts)[first]
        total = np.bincount(before, counts, 1 << BITS)
        sorts = np.bincount(before, minlength=1 << BITS)
        spared[order] = np.where(total > 0, sorts / np.maximum(total + sorts, 1), 1)
        found[order, seen] = counts / (total + sorts)[before]
    return found, spared


def _grams(data: np.ndarray) -> Iterator[np.ndarray]:
    """For each order from 1 the place of the n-gram that begins at each byte, int64."""
    hashes, starts = Hashes(data), np.arange(len(data))
    for order in range(ORDER):
        begins = starts[: max(len(data) - order, 0)]
        every = mixed(hashes.of(begins, begins + order + 1) + np.uint64(order))
        yield (every >> np.uint64(64 - BITS)).astype(np.int64)


def _start(text: str) -> str:
    return text.encode("utf-8", "replace")[:BYTES].decode("utf-8", "ignore")


def _pieces(text: str) -> Iterator[np.ndarray]:
    whole = np.frombuffer(text.encode("utf-8", "replace"), np.uint8)
    for start in range(0, len(whole), BYTES):
        yield whole[start : start + BYTES]


def _half(text: str) -> int:
    return blake2b(text.encode("utf-8", "replace"), digest_size=1).digest()[0] & 1
