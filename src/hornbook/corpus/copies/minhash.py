"""MinHash signatures and the pairs they propose: texts alike in their word 5-grams agree on a whole band of minima.

Source: Broder 1997. The minima are taken in one pass: every shingle falls into one bin by half of its hash and counts
there by the other half (Li, Owen, Zhang 2012); a bin that stays empty takes the minimum of another, which one being
the same for every text (Shrivastava 2017, "Optimal Densification"). So a signature of any length costs one pass, where
FineWeb's code takes 112, and two texts still agree on a minimum with the probability of their Jaccard similarity.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pyarrow

from hornbook.core.errors import InputError
from hornbook.corpus.copies.folding import FOLDING_VERSION
from hornbook.corpus.copies.shingles import Hashes, blocks, digests, hash_words, mixed, shingles

SIGNATURE_VERSION = f"{FOLDING_VERSION}.1"
FOUND = 0.9  # the probability to propose a pair that is exactly as alike as the threshold asks for
MOST_BANDS, MOST_MINIMA = 64, 256
CROWD = 64  # how many of its neighbours in a bucket a text is paired with
_CHUNK = 256  # texts of a bucket order whose pairs are made at a time
_EMPTY = np.uint32(0xFFFFFFFF)


def bands_for(threshold: float) -> tuple[int, int]:
    """Bands, and rows of a band, to find pairs of Jaccard similarity `threshold` and above.

    `b` bands of `r` rows propose a pair of similarity `s` with probability 1 - (1 - s^r)^b. Of what proposes 0.9 of the
    pairs at the threshold itself with no more than 64 bands and 256 minima, the most rows are taken: they propose the
    fewest pairs below.

    | threshold | bands x rows | at half of it | at the threshold | 1.1 times | 1.2 times |
    |---|---|---|---|---|---|
    | 0.45 | 55 x 4 | 0.13 | 0.90 | 0.97 | 0.99 |
    | 0.7 | 27 x 7 | 0.02 | 0.90 | 0.99 | 1.00 |
    | 0.75 | 22 x 8 | 0.01 | 0.90 | 1.00 | 1.00 |
    | 0.8 | 21 x 10 | 0.00 | 0.91 | 1.00 | 1.00 |

    FineWeb's 14 x 8 proposes 0.77 at 0.75 and 0.92 at 0.8.
    """
    for rows in range(MOST_MINIMA, 0, -1):
        missed = 1 - min(threshold, 0.99) ** rows  # by one band; nobody needs more rows than 0.99 asks for
        bands = math.ceil(math.log(1 - FOUND) / math.log(missed)) if missed < 1 else math.inf
        if bands <= MOST_BANDS and bands * rows <= MOST_MINIMA:
            return int(bands), rows
    return MOST_BANDS, 1


@dataclass(frozen=True)
class Signatures:
    """What is kept of each text: `digests` (uint64, (texts, 2)) of its words in order, equal for exact copies; `keys`
    (uint64, (texts, bands)), one a band, equal where all minima of the band are; `words` (uint32), how many it has.

    A key holds its band's number, so all keys may be grouped together.
    """

    digests: np.ndarray
    keys: np.ndarray
    words: np.ndarray
    rows: int

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def nbytes(self) -> int:
        return self.digests.nbytes + self.keys.nbytes + self.words.nbytes

    @classmethod
    def joined(cls, parts: Iterable[Signatures], count: int) -> Signatures:
        """The signatures of all shards, `count` texts, one shard after another: one of them is held beside the whole.

        Raises InputError where they were not signed alike, ValueError where they are not of `count` texts.
        """
        whole, end = None, 0
        for part in parts:
            if whole is None:
                whole = cls(
                    np.empty((count, 2), np.uint64), np.empty((count, part.keys.shape[1]), np.uint64),
                    np.empty(count, np.uint32), part.rows,
                )  # fmt: skip
            check_comparable(whole, part)
            own, end = slice(end, end + len(part)), end + len(part)
            whole.digests[own], whole.keys[own], whole.words[own] = part.digests, part.keys, part.words
        if whole is None or end != count:
            raise ValueError(f"signatures of {end} texts, where {count} are to be joined")
        return whole

    def table(self) -> pyarrow.Table:
        """Columns `digest` (16 bytes), `keys` (a list of uint64) and `words`, to be stored as Parquet."""
        columns = {
            "digest": pyarrow.FixedSizeBinaryArray.from_buffers(
                pyarrow.binary(16), len(self), [None, pyarrow.py_buffer(np.ascontiguousarray(self.digests))]
            ),
            "keys": pyarrow.FixedSizeListArray.from_arrays(self.keys.ravel(), self.keys.shape[1]),
            "words": pyarrow.array(self.words),
        }
        return pyarrow.table(columns, metadata={"version": SIGNATURE_VERSION, "rows": str(self.rows)})

    @classmethod
    def from_table(cls, table: pyarrow.Table) -> Signatures:
        """What `table` made. Raises InputError where another version signed, whose hashes mean something else."""
        metadata = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
        if metadata.get("version") != SIGNATURE_VERSION:
            raise InputError(
                f"signatures of version {metadata.get('version')}, where version {SIGNATURE_VERSION} is needed",
                fix="sign those documents again",
            )
        digest, keys, count = (table.column(name).combine_chunks() for name in ("digest", "keys", "words"))
        bands = table.schema.field("keys").type.list_size
        return cls(
            np.frombuffer(digest.buffers()[1], np.uint64).reshape(-1, 2)[digest.offset :][: len(digest)],
            keys.flatten().to_numpy().reshape(-1, bands), count.to_numpy(), int(metadata["rows"]),
        )  # fmt: skip


def check_comparable(one: Signatures, other: Signatures) -> None:
    """Raises InputError where two signatures are not of equally many bands and rows."""
    ours, theirs = ((each.keys.shape[1], each.rows) for each in (one, other))
    if ours != theirs:
        raise InputError(
            f"signatures of {theirs[0]} bands of {theirs[1]} rows beside some of {ours[0]} of {ours[1]}",
            fix="sign them for the same threshold",
        )


def sign(texts: Sequence[str], bands: int, rows: int) -> Signatures:
    """The signatures of some texts, each by itself: sign shards anywhere, in any size, and join them."""
    return Signatures.joined((_signed(block, bands, rows) for block in blocks(texts)), len(texts))


def candidates(keys: np.ndarray, among: np.ndarray | None = None) -> Iterator[np.ndarray]:
    """Pairs of texts that share a band's key, int64 of shape (pairs, 2), a bounded block at a time; a pair comes once
    for every band it shares. `among` are the indices to look at, all where none are given.

    A bucket is in the order of its texts' keys in the band before, then of their indices: in a crowd, where not all are
    paired with all, copies of each other share more keys than this one and stand together.
    """
    among = np.arange(len(keys)) if among is None else among
    for band in range(keys.shape[1]):
        order, buckets = _buckets(keys[among, band], keys[among, band - 1])
        yield from bucket_pairs(among[order], buckets)


def bucket_pairs(texts: np.ndarray, buckets: np.ndarray) -> Iterator[np.ndarray]:
    """The pairs of texts (int64) in the same bucket, where those of a bucket stand together, in blocks of (pairs, 2).

    In a bucket of more than `CROWD` texts each is paired with the next `CROWD` only: copies are chained all the same,
    and pages of one template, whose pairs will be refused, are not all compared with all. The buckets may come from
    `candidates` or from a cluster that grouped the keys of all bands.
    """
    following = np.lib.stride_tricks.sliding_window_view(np.pad(buckets, (0, CROWD + 1)), CROWD + 1)
    for start in range(0, len(texts), _CHUNK):
        own = following[start : min(start + _CHUNK, len(texts))]
        first, distance = np.nonzero(own[:, 1:] == own[:, :1])
        first += start
        second = first + distance + 1
        there = second < len(texts)  # and not in the padding
        if there.any():
            yield np.column_stack([texts[first[there]], texts[second[there]]])


def _signed(texts: Sequence[str], bands: int, rows: int) -> Signatures:
    words = hash_words(texts)
    minima = _minima(shingles(words), bands * rows).reshape(len(texts), bands, rows)
    keys = mixed(np.arange(1, bands + 1, dtype=np.uint64))
    for row in range(rows):
        keys = mixed(keys + minima[:, :, row])
    return Signatures(digests(words), keys, words.counts.astype(np.uint32), rows)


def _minima(found: Hashes, bins: int) -> np.ndarray:
    """The least hash in each bin of each text, uint32 of shape (texts * bins); `_EMPTY` for texts without shingles."""
    own = (found.values >> np.uint64(32)) * np.uint64(bins) >> np.uint64(32)
    own = own.astype(np.int64) + np.repeat(np.arange(len(found.counts)) * bins, found.counts)
    minima = np.full(len(found.counts) * bins, _EMPTY)
    np.minimum.at(minima, own, found.values.astype(np.uint32))
    original, borrowed = minima.copy(), _borrowed(bins)
    empty = np.flatnonzero(minima == _EMPTY)
    empty = empty[found.counts[empty // bins] > 0]
    for attempt in range(bins):
        if not len(empty):
            break
        text, own = np.divmod(empty, bins)
        minima[empty] = original[text * bins + borrowed[attempt, own]]
        empty = empty[minima[empty] == _EMPTY]
    return minima


@lru_cache(maxsize=4)
def _borrowed(bins: int) -> np.ndarray:
    """From which bin each bin borrows at each attempt, int64 of shape (attempts, bins): a random order of all bins."""
    return np.argsort(mixed(np.arange(1, bins * bins + 1, dtype=np.uint64)).reshape(bins, bins), axis=0)


def _buckets(keys: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The indices of those whose key is not theirs alone, bucket by bucket, and the bucket of each."""
    order = np.argsort(keys, kind="stable")
    ranked = keys[order]
    again = np.zeros(len(order) + 1, bool)
    again[1:-1] = ranked[1:] == ranked[:-1]
    order = order[again[1:] | again[:-1]]
    order = order[np.lexsort((order, others[order], keys[order]))]
    return order, keys[order]
