"""Copies of documents of earlier crawls, of which the signatures were kept and the texts need not be.

With no text to compare, equal digests decide on exact copies, and near copies must agree on as many bands as two texts
of similarity 0.8 agree on in the mean: a stricter rule than the one threshold that verified pairs are held to.
"""

from __future__ import annotations

import math

import numpy as np

from hornbook.corpus.copies.duplicates import Copy
from hornbook.corpus.copies.minhash import CROWD, Signatures, check_comparable

SURE = 0.8  # the similarity that stands in for a comparison of the texts
_CHUNK = 4096  # signatures compared at a time


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
