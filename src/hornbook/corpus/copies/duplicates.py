"""Exact and near copies: MinHash proposes pairs, the exact Jaccard similarity of their word 5-grams decides.

FineWeb merges whatever shares a band (Penedo et al. 2024, 3.4). Here every pair is verified on the texts themselves, so
pages of one template that share some wording and differ in what they say are not merged for it.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from hornbook.corpus.copies.components import Components
from hornbook.corpus.copies.minhash import Signatures, bands_for, candidates, sign
from hornbook.corpus.copies.shingles import jaccard, shingle_sets

THRESHOLD = 0.45  # one word changed in fifteen leaves half of the 5-grams
_PAIRS = 1 << 14  # gathered before texts are read, so that a pair proposed by many bands is verified once
_WORDS = 1 << 18  # of the texts that are held at a time
TextOf = Callable[[Sequence[int]], Sequence[str]]  # the texts of some documents, given by ascending index


@dataclass(frozen=True, slots=True)
class Copy:
    """Document `index` is a copy of document `of`; `similarity` is their Jaccard similarity, 1 for an exact copy."""

    index: int
    of: int
    similarity: float
    exact: bool


@dataclass(frozen=True)
class Links:
    """A spanning forest of the graph of all pairs that are alike: `pairs` (int64, (links, 2)), the lesser index first,
    their Jaccard `similarities` (float64), and the `components` they make."""

    pairs: np.ndarray
    similarities: np.ndarray
    components: Components


def find_copies(
    texts: Sequence[str], better: Callable[[int], tuple], *, threshold: float = THRESHOLD
) -> list[Copy]:
    """The texts to leave out: of every group of copies all but the one with the least `better(index)`.

    Groups are the connected components of the pairs at least `threshold` alike, so a chain of copies is one group.
    Texts equal but for case, punctuation and white space are exact copies.
    """
    signatures = sign(texts, *bands_for(threshold))
    return find_signed_copies(signatures, lambda indices: [texts[i] for i in indices], better, threshold=threshold)


def find_signed_copies(
    signatures: Signatures, text_of: TextOf, better: Callable[[int], tuple], *, threshold: float = THRESHOLD,
    pairs: Iterable[np.ndarray] | None = None,
) -> list[Copy]:
    """`find_copies` for more texts than memory holds: of each its signature, the texts of proposed pairs by `text_of`.

    `pairs` are blocks of candidates, int64 of shape (n, 2), where a cluster has grouped the keys; else they are grouped
    here. To find copies of documents that were kept before as well, join their signatures to these and let `better`
    prefer them; where their texts are gone, see `earlier`.
    """
    first_of = _exact(signatures.digests, better)
    exact = np.flatnonzero(first_of != np.arange(len(first_of)))
    if pairs is None:
        pairs = candidates(signatures.keys, np.flatnonzero(first_of == np.arange(len(first_of))))
    links = link((first_of[block] for block in pairs), signatures.words, text_of, threshold)
    copies = [Copy(index, of, 1.0, True) for index, of in zip(exact.tolist(), first_of[exact].tolist(), strict=True)]
    copies += _near(links, signatures.words, text_of, better)
    return sorted(copies, key=lambda copy: copy.index)


def link(blocks: Iterable[np.ndarray], words: np.ndarray, text_of: TextOf, threshold: float) -> Links:
    """Verify candidates: those at least `threshold` alike are joined. `words` (uint32) is how many each text has.

    A pair that is connected already is not read again; that leaves the components as they are.
    """
    components = Components(len(words))
    pairs, similarities = array("q"), array("d")
    for block in _gathered(blocks, components):
        for batch, sets in _read(block, words, text_of):
            for one, other in batch.tolist():
                if components.together(one, other):
                    continue
                similarity = jaccard(sets[one], sets[other])
                if similarity >= threshold:
                    components.join(one, other)
                    pairs.extend((one, other))
                    similarities.append(similarity)
    return Links(np.array(pairs, np.int64).reshape(-1, 2), np.array(similarities, np.float64), components)


def _exact(digests: np.ndarray, better: Callable[[int], tuple]) -> np.ndarray:
    """For each text the best of those with the same digest, int64."""
    first_of = np.arange(len(digests))
    order = np.lexsort((digests[:, 1], digests[:, 0]))
    ranked = digests[order]
    borders = np.flatnonzero((ranked[1:] != ranked[:-1]).any(axis=1)) + 1
    starts = np.concatenate([[0], borders])
    sizes = np.diff(starts, append=len(order))
    for start, size in zip(starts[sizes > 1].tolist(), sizes[sizes > 1].tolist(), strict=True):
        members = order[start : start + size]
        first_of[members] = min(members.tolist(), key=better)
    return first_of


def _gathered(blocks: Iterable[np.ndarray], components: Components) -> Iterator[np.ndarray]:
    """The pairs not yet connected, each once in a block of some thousands, the lesser index first."""
    waiting: list[np.ndarray] = []
    count = 0
    for block in blocks:
        block = block[components.roots(block[:, 0]) != components.roots(block[:, 1])]
        waiting.append(np.sort(block, axis=1))
        count += len(block)
        if count >= _PAIRS:
            yield _arranged(waiting)
            waiting, count = [], 0
    if count:
        yield _arranged(waiting)


def _arranged(blocks: Sequence[np.ndarray]) -> np.ndarray:
    """Each pair once, and those that hang together one after another, so that their texts are read together."""
    pairs = np.concatenate(blocks)
    _, first = np.unique(_codes(pairs), return_index=True)
    pairs = pairs[np.sort(first)]
    texts, places = np.unique(pairs, return_inverse=True)
    proposed = Components(len(texts))
    places = places.reshape(-1, 2)
    for one, other in places.tolist():
        proposed.join(one, other)
    return pairs[np.argsort(proposed.roots(places[:, 0]), kind="stable")]


def _read(
    pairs: np.ndarray, words: np.ndarray, text_of: TextOf
) -> Iterator[tuple[np.ndarray, dict[int, np.ndarray]]]:
    """The pairs in batches with the shingle sets of their texts, so few at a time that these are not too many words."""
    texts = np.unique(pairs)
    if len(pairs) > 1 and words[texts].sum() > _WORDS:
        yield from _read(pairs[: len(pairs) // 2], words, text_of)
        yield from _read(pairs[len(pairs) // 2 :], words, text_of)
    elif len(pairs):
        indices = texts.tolist()
        yield pairs, dict(zip(indices, shingle_sets(text_of(indices)), strict=True))


def _near(links: Links, words: np.ndarray, text_of: TextOf, better: Callable[[int], tuple]) -> Iterator[Copy]:
    """The copies of each component, with their similarity to the one that stays, by which few were linked."""
    pairs = array("q")
    for group in links.components.groups():
        first = min(group.tolist(), key=better)
        for index in group[group != first].tolist():
            pairs.extend((index, first))
    copies = np.array(pairs, np.int64).reshape(-1, 2)
    similarities = np.full(len(copies), np.nan)
    _, ours, theirs = np.intersect1d(
        _codes(np.sort(copies, axis=1)), _codes(links.pairs), assume_unique=True, return_indices=True
    )
    similarities[ours] = links.similarities[theirs]
    unknown = np.flatnonzero(np.isnan(similarities))
    found = [jaccard(sets[index], sets[of]) for batch, sets in _read(copies[unknown], words, text_of)
             for index, of in batch.tolist()]  # fmt: skip
    similarities[unknown] = found
    for (index, of), similarity in zip(copies.tolist(), similarities.tolist(), strict=True):
        yield Copy(index, of, round(similarity, 4), False)


def _codes(pairs: np.ndarray) -> np.ndarray:
    """A pair as one number."""
    return pairs[:, 0] << 32 | pairs[:, 1]
