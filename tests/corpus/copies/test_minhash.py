from __future__ import annotations

import multiprocessing
import random
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from itertools import combinations

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hornbook.core.errors import InputError
from hornbook.corpus.copies.minhash import CROWD, Signatures, bands_for, bucket_pairs, candidates, sign
from hornbook.corpus.copies.shingles import hash_words, jaccard, mixed, shingle_sets, shingles

TEXTS = st.lists(st.lists(st.sampled_from("abcd"), max_size=60).map(" ".join), max_size=12)
EMPTY = 0xFFFFFFFF


def same(one: Signatures, other: Signatures) -> bool:
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in ("digests", "keys", "words"))


def plain_keys(text: str, bands: int, rows: int) -> list[int]:
    """The signature of one text, as the papers say it."""
    bins = bands * rows
    minima = [EMPTY] * bins
    for value in shingles(hash_words([text])).values.tolist():
        own = (value >> 32) * bins >> 32
        minima[own] = min(minima[own], value & 0xFFFFFFFF)
    ranks = mixed(np.arange(1, bins * bins + 1, dtype=np.uint64)).reshape(bins, bins)
    lenders = [sorted(range(bins), key=lambda attempt, own=own: int(ranks[attempt, own])) for own in range(bins)]
    full = [next((minima[lender] for lender in [own, *lenders[own]] if minima[lender] != EMPTY), EMPTY)
            for own in range(bins)]  # fmt: skip
    keys = []
    for band in range(bands):
        key = mixed(np.array([band + 1], np.uint64))
        for minimum in full[band * rows : (band + 1) * rows]:
            key = mixed(key + np.uint64(minimum))
        keys.append(int(key[0]))
    return keys


@pytest.mark.parametrize(("threshold", "expected"), [(0.1, (22, 1)), (0.45, (55, 4)), (0.7, (27, 7)),
                                                     (0.75, (22, 8)), (0.8, (21, 10))])  # fmt: skip
def test_bands_follow_from_the_threshold(threshold: float, expected: tuple[int, int]) -> None:
    bands, rows = bands_for(threshold)
    assert (bands, rows) == expected
    assert 1 - (1 - threshold**rows) ** bands >= 0.9


def test_every_threshold_has_bands() -> None:
    for threshold in np.linspace(0.001, 1, 1000):
        bands, rows = bands_for(float(threshold))
        assert 1 <= bands <= 64
        assert bands * rows <= 256


@settings(max_examples=60)
@given(TEXTS)
def test_signatures_are_those_of_the_plain_form(texts: list[str]) -> None:
    assert sign(texts, 6, 2).keys.tolist() == [plain_keys(text, 6, 2) for text in texts]


@settings(max_examples=60)
@given(TEXTS, st.integers(0, 12))
def test_shards_change_nothing(texts: list[str], cut: int) -> None:
    whole = sign(texts, 5, 3)
    assert same(whole, Signatures.joined([sign(texts[:cut], 5, 3), sign(texts[cut:], 5, 3)], len(texts)))
    assert whole.words.tolist() == [len(text.split()) for text in texts]


@pytest.mark.parametrize("words", [60, 300, 3000])
def test_minima_agree_with_the_probability_of_the_similarity(words: int) -> None:
    rng = random.Random(words)
    agreeing, similarity = [], []
    for _ in range(30):
        text = [str(rng.random()) for _ in range(words)]
        other = [str(rng.random()) if rng.random() < 0.05 else word for word in text]
        texts = [" ".join(text), " ".join(other)]
        one, two = sign(texts, 256, 1).keys
        agreeing.append(float(np.mean(one == two)))
        similarity.append(jaccard(*shingle_sets(texts)))
    assert abs(np.mean(agreeing) - np.mean(similarity)) < 0.03
    assert np.max(np.abs(np.subtract(agreeing, similarity))) < (0.3 if words == 60 else 0.15)


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(6, 11), st.integers(12, 17)), max_size=CROWD))
def test_candidates_are_all_pairs_of_all_buckets(rows: list[tuple[int, int, int]]) -> None:
    keys = np.array(rows, np.uint64).reshape(-1, 3)
    buckets = defaultdict(list)
    for index, row in enumerate(rows):
        for key in row:
            buckets[key].append(index)
    expected = sorted(pair for members in buckets.values() for pair in combinations(members, 2))
    found = sorted(tuple(sorted(pair)) for block in candidates(keys) for pair in block.tolist())
    assert found == expected
    among = np.arange(1, len(keys), 2)
    assert sorted(tuple(sorted(pair)) for block in candidates(keys, among) for pair in block.tolist()) == [
        pair for pair in expected if pair[0] % 2 and pair[1] % 2
    ]


def test_a_crowd_is_bounded_and_copies_in_it_stand_together() -> None:
    rng = np.random.default_rng(0)
    keys = rng.integers(0, 1 << 62, (4000, 8)).astype(np.uint64)
    keys[:, 3] = 7  # a band that the template fills alone
    keys[3777, 2] = keys[11, 2]
    blocks = list(candidates(keys))
    assert sum(map(len, blocks)) <= 4000 * CROWD + 1
    assert max(map(len, blocks)) <= 256 * CROWD
    pairs = [tuple(sorted(pair)) for block in blocks for pair in block.tolist()]
    assert pairs.count((11, 3777)) == 2


def test_another_process_signs_the_same() -> None:
    texts = ["one two three four five six", "", "漢字 and some more words", "x" * 300]
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        assert same(pool.submit(sign, texts, 22, 8).result(), sign(texts, 22, 8))


def test_a_cluster_may_group_the_keys() -> None:
    daft = pytest.importorskip("daft")
    rng = random.Random(3)
    pages = [[rng.choice("abcdefgh") * rng.randint(1, 3) for _ in range(60)] for _ in range(40)]
    texts = [" ".join(page) for page in [*pages, *[[*page[:50], *page[:5]] for page in pages]]]
    keys = sign(texts, 22, 8).keys
    table = daft.from_pydict({"text": list(range(len(texts))), "key": keys.tolist()}).explode("key")
    shared = table.groupby("key").agg(daft.col("text").list_agg())
    rows = shared.sort("key").to_pydict()
    members = [(text, key) for own, key in zip(rows["text"], rows["key"], strict=True) for text in sorted(own)]
    grouped = bucket_pairs(*(np.array(column) for column in zip(*members, strict=True)))
    pairs = {tuple(sorted(pair)) for block in grouped for pair in block.tolist()}
    assert len(pairs) >= 30
    assert pairs == {tuple(sorted(pair)) for block in candidates(keys) for pair in block.tolist()}


def test_signatures_can_be_stored(tmp_path) -> None:
    signatures = sign(["one two three four five six", "", "漢字"], 22, 8)
    pyarrow.parquet.write_table(signatures.table(), tmp_path / "signatures.parquet")
    back = Signatures.from_table(pyarrow.parquet.read_table(tmp_path / "signatures.parquet"))
    assert same(signatures, back)
    assert back.rows == 8
    parts = pyarrow.concat_tables([signatures.table(), sign(["seven"], 22, 8).table()])
    assert len(Signatures.from_table(parts)) == 4
    assert same(Signatures.from_table(parts.slice(1, 2)), Signatures.from_table(signatures.table().slice(1)))
    empty = Signatures.from_table(sign([], 22, 8).table())
    assert empty.keys.shape == (0, 22)
    other = signatures.table().replace_schema_metadata({"version": "0", "rows": "8"})
    with pytest.raises(InputError, match="sign those documents again"):
        Signatures.from_table(other)
    with pytest.raises(InputError, match="14 bands of 8 rows"):
        Signatures.joined([signatures, sign(["x"], 14, 8)], 4)
    with pytest.raises(ValueError, match="3 texts, where 4"):
        Signatures.joined([signatures], 4)
