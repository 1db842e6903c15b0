"""Copies of documents of earlier crawls, of which the signatures were kept and the texts need not be.

With no text to compare, equal digests decide on exact copies, and near copies must agree on as many bands as two texts
of similarity 0.8 agree on in the mean: a stricter rule than the one threshold that verified pairs are held to.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow
import pyarrow.parquet

from hornbook.core.errors import DamagedError, InputError
from hornbook.corpus.copies.duplicates import Copy
from hornbook.corpus.copies.minhash import CROWD, Signatures, bands_for, check_comparable

SIGNATURES = "signatures.parquet"  # beside the documents of a corpus
SURE = 0.8  # the similarity that stands in for a comparison of the texts
_CHUNK = 4096  # signatures compared at a time


@dataclass(frozen=True)
class Origin:
    """What a file of signatures says of itself: the digest of the `pages` that its corpus was made of, the similarity
    `near_copy` that they were signed for."""

    pages: str
    near_copy: float

    @classmethod
    def read(cls, path: Path) -> Self:
        """Of the file at `path`. Raises DamagedError where it is no file of signatures."""
        try:
            said = pyarrow.parquet.read_schema(path).metadata
            return cls(said[b"pages"].decode(), float(said[b"near_copy"]))
        except (OSError, pyarrow.ArrowException, KeyError, TypeError):
            raise DamagedError("no signatures that Hornbook wrote", where=path, fix="make that corpus again") from None

    def check(self, path: Path, pages: str, near_copy: float) -> None:
        """Raises InputError where a corpus of `pages`, its near copies at `near_copy`, cannot go by these signatures:
        they were made for another similarity, or of these very pages, of which nothing would be left."""
        if self.pages == pages:
            raise InputError(
                "this corpus was made of the very pages that are to be read: all of them would have been seen before",
                where=path.parent, fix="take it out of `earlier`, or crawl again: there is nothing new here",
            )  # fmt: skip
        if bands_for(self.near_copy) != bands_for(near_copy):
            raise InputError(
                f"the documents of this corpus were signed for near_copy = {self.near_copy}, not {near_copy}",
                where=path.parent, fix=f"set near_copy = {self.near_copy} under [corpus], or make that corpus again",
            )  # fmt: skip


@dataclass(frozen=True)
class Kept:
    """The documents that a corpus kept: their URLs, in its order, and their signatures."""

    urls: pyarrow.ChunkedArray
    signatures: Signatures

    @classmethod
    def read(cls, path: Path) -> Self:
        """From a corpus's file of signatures. Raises InputError where another version signed."""
        table = pyarrow.parquet.read_table(path)
        return cls(table.column("url"), Signatures.from_table(table))


def find_earlier_copies(signatures: Signatures, earlier: Signatures) -> list[Copy]:
    """The documents that were seen before; `of` counts in `earlier`, `similarity` is estimated by the bands they share.

    Of several earlier documents the one that shares most bands is named. Raises InputError where the two were signed
    with different bands.
    """
    check_comparable(signatures, earlier)
    bands = signatures.keys.shape[1]
    of, agreeing = _nearest(signatures.keys, earlier.keys)
    exact = _same(signatures.digests, earlier.digests)
    agreeing[exact >= 0], of[exact >= 0] = bands, exact[exact >= 0]
    found = np.flatnonzero(agreeing >= math.ceil(bands * SURE**signatures.rows))
    return [
        Copy(index, int(of[index]), round(float(agreeing[index] / bands) ** (1 / signatures.rows), 4),
             bool(exact[index] >= 0))
        for index in found.tolist()
    ]  # fmt: skip


def _nearest(keys: np.ndarray, earlier: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each text the earlier one that shares most keys, and how many; of a crowded bucket only some are compared."""
    of, agreeing = np.full(len(keys), -1), np.zeros(len(keys), np.int64)
    for band in range(keys.shape[1]):
        order, places = _places(keys[:, band], earlier[:, band])
        texts = np.flatnonzero(agreeing < keys.shape[1])
        for distance in range(CROWD):
            texts = texts[places[texts] + distance < len(order)]
            others = order[places[texts] + distance]
            same = keys[texts, band] == earlier[others, band]
            texts, others = texts[same], others[same]
            if not len(texts):
                break
            shared = np.zeros(len(texts), np.int64)
            for start in range(0, len(texts), _CHUNK):
                part = slice(start, start + _CHUNK)
                shared[part] = np.count_nonzero(keys[texts[part]] == earlier[others[part]], axis=1)
            more = shared > agreeing[texts]
            agreeing[texts[more]], of[texts[more]] = shared[more], others[more]
    return of, agreeing


def _same(digests: np.ndarray, earlier: np.ndarray) -> np.ndarray:
    """The first earlier text with the same digest, -1 where there is none."""
    order, places = _places(digests[:, 0], earlier[:, 0])
    texts = np.flatnonzero(places < len(order))
    others = order[places[texts]]
    same = (digests[texts] == earlier[others]).all(axis=1)
    found = np.full(len(digests), -1)
    found[texts[same]] = others[same]
    return found


def _places(values: np.ndarray, earlier: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The order of the earlier values, and where each of ours would stand in it."""
    order = np.argsort(earlier, kind="stable")
    return order, np.searchsorted(earlier[order], values)
