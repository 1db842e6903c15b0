"""Near copies against datatrove's four stages: passages of real prose, a tenth of them edited copies of others.

Speed is the processor's seconds of one process for all of it: signatures, bands, groups and what is left; ours compares
the texts of every pair besides. Recall is that of planted pairs of known similarity; false are the pairs that were
linked and are less alike than the threshold. Memory is the slope of what Python and numpy hold at most, over two sizes.
"""

from __future__ import annotations

import random
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet

from benchmarks.results import Absent, against, figure
from benchmarks.texts import DOCUMENTATION, PACKAGES, pages
from hornbook.corpus.copies.duplicates import THRESHOLD, Links, find_signed_copies, link
from hornbook.corpus.copies.folding import words
from hornbook.corpus.copies.minhash import Signatures, bands_for, candidates, sign

NAMES = ("minhash_vs_datatrove", "minhash_recall", "minhash_false", "dedup_bytes_per_document")
DOCUMENTS, COPIES = 20_000, 2_000
TURNS = 3
FIELD = 0.75  # what FineWeb's 14 bands of 8 rows are for; THRESHOLD is ours
ALIKE = (0.8, 0.9)
TIMES = 3  # how often the documents stand in the larger corpus that memory is measured with, in other words each time
SHARD = 1_000


def figures() -> Iterator[dict]:
    texts, planted = with_copies(passages(DOCUMENTS - COPIES), COPIES)
    ours, theirs = [], []
    for _ in range(TURNS):
        seconds, links, left = _our_stages(texts, FIELD)
        ours.append(seconds)
        seconds, left_by_peer, clusters = _their_stages(texts)
        theirs.append(seconds)
    yield against(
        "minhash_vs_datatrove", "datatrove 0.10", ours, theirs, documents=len(texts),
        words=sum(len(text.split()) for text in texts), kept=len(left), kept_by_peer=len(left_by_peer),
    )
    inside = [pair for pair in planted if ALIKE[0] <= similarity(texts, *pair) <= ALIKE[1]]
    found = sum(links.components.together(*pair) for pair in inside)
    by_peer = sum(clusters.get(one, one) == clusters.get(other, other) for one, other in inside)
    yield figure("minhash_recall", round(found / len(inside), 4), "of pairs 0.8 to 0.9 alike",
                 peer=round(by_peer / len(inside), 4), n=len(inside))  # fmt: skip
    linked = {FIELD: links, THRESHOLD: _our_stages(texts, THRESHOLD)[1]}
    false = sum(similarity(texts, *pair) < least for least, own in linked.items() for pair in own.pairs.tolist())
    yield figure("minhash_false", false, "pairs linked below the threshold",
                 n=sum(len(own.pairs) for own in linked.values()))  # fmt: skip
    small, large = _most_held(texts, 1), _most_held(texts, TIMES)
    slope = (large - small) / (len(texts) * (TIMES - 1))
    yield figure("dedup_bytes_per_document", round(slope, 1), "bytes a document", n=len(texts) * TIMES,
                 megabytes=round(large / 1e6, 1))  # fmt: skip


def passages(count: int) -> list[str]:
    """Passages of 100 to 500 words out of the documentation here, whole lines. Raises Absent where it is less."""
    rng = random.Random(0)
    found: list[str] = []
    for text in _plain_texts():
        lines: list[str] = []
        size, wanted = 0, rng.randint(100, 500)
        for line in text.splitlines():
            lines.append(line)
            size += len(line.split())
            if size >= wanted:
                found.append("\n".join(lines))
                lines, size, wanted = [], 0, rng.randint(100, 500)
        if len(found) >= count:
            return found[:count]
    packages = " ".join(PACKAGES)
    raise Absent(f"{len(found)} passages in {DOCUMENTATION} instead of {count}: apt-get install {packages}")


def with_copies(texts: list[str], count: int) -> tuple[list[str], list[tuple[int, int]]]:
    """The texts and `count` edited copies behind them; the pairs (text, copy). Words are replaced, left out, put in."""
    rng = random.Random(1)
    pairs = []
    copies = []
    for index in rng.sample(range(len(texts)), count):
        edited, share = [], rng.uniform(0.002, 0.05)
        for word in texts[index].split(" "):
            kind = rng.choice(("replace", "leave out", "put in")) if rng.random() < share else "keep"
            if kind != "leave out":
                edited.append(f"edit{rng.randrange(10**6)}" if kind == "replace" else word)
            if kind == "put in":
                edited.append(f"edit{rng.randrange(10**6)}")
        pairs.append((index, len(texts) + len(copies)))
        copies.append(" ".join(edited))
    return texts + copies, pairs


def similarity(texts: Sequence[str], one: int, other: int) -> float:
    """The Jaccard similarity of two texts' word 5-grams, by the sets themselves."""
    ours, theirs = ({tuple(own[start : start + 5]) for start in range(len(own) - 4)}
                    for own in (words(texts[one]), words(texts[other])))  # fmt: skip
    return len(ours & theirs) / len(ours | theirs)


def _plain_texts() -> Iterator[str]:
    from resiliparse.extract.html2text import extract_plain_text

    for _, body, media in pages():
        text = body.decode("utf-8", "replace")
        yield extract_plain_text(text, preserve_formatting=True) if media == "text/html" else text


def _our_stages(texts: list[str], threshold: float) -> tuple[float, Links, list[str]]:
    """Processor seconds, what was linked, and the texts left."""
    started = time.process_time()
    signatures = sign(texts, *bands_for(threshold))
    links = link(candidates(signatures.keys), signatures.words, _by_index(texts), threshold)
    roots = links.components.roots(np.arange(len(texts)))
    left = [text for index, text in enumerate(texts) if roots[index] == index]
    return time.process_time() - started, links, left


def _by_index(texts: Sequence[str]) -> Callable[[Sequence[int]], list[str]]:
    return lambda indices: [texts[index] for index in indices]


def _their_stages(texts: list[str]) -> tuple[float, list[str], dict[int, int]]:
    """Processor seconds, the texts left, and the cluster of each text that is in one, below 0."""
    try:
        from datatrove.data import Document
        from datatrove.pipeline.dedup.minhash import (
            MinhashConfig,
            MinhashDedupBuckets,
            MinhashDedupCluster,
            MinhashDedupFilter,
            MinhashDedupSignature,
        )
        from loguru import logger
    except ImportError as error:
        raise Absent(f"{error.name}: pip install 'datatrove==0.10.*' spacy 'xxhash<4'") from None
    logger.disable("datatrove")
    documents = [Document(text=text, id=str(index)) for index, text in enumerate(texts)]
    config = MinhashConfig()
    with tempfile.TemporaryDirectory() as folder:
        at = {name: f"{folder}/{name}" for name in ("signatures", "buckets", "removed")}
        signature = MinhashDedupSignature(at["signatures"], config)
        signature.get_shingles("The word tokenizer is loaded before the clock runs.")
        started = time.process_time()
        signature.run(documents, 0, 1)
        for bucket in range(config.num_buckets):
            MinhashDedupBuckets(at["signatures"], at["buckets"], config=config).run(None, bucket, config.num_buckets)
        MinhashDedupCluster(at["buckets"], at["removed"], config, save_cluster_id=True).run(None, 0, 1)
        left = [document.text for document in MinhashDedupFilter(at["removed"]).run(documents, 0, 1)]
        seconds = time.process_time() - started
        clusters = np.fromfile(f"{at['removed']}/000000.clusters", "<u4").reshape(-1, 2)
    return seconds, left, {document: -1 - own for document, own in clusters.tolist()}


def _most_held(texts: list[str], times: int) -> int:
    """The most bytes held while the documents are signed from shards on disk, and their copies found."""
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for ending in "abcdefgh"[:times]:
            for start in range(0, len(texts), SHARD):
                shard = [text.replace(" ", f"{ending} ") for text in texts[start : start + SHARD]]
                paths.append(Path(folder, f"{len(paths):06d}.parquet"))
                pyarrow.parquet.write_table(pyarrow.table({"text": shard}), paths[-1])

        def read(number: int) -> list[str]:
            return pyarrow.parquet.read_table(paths[number]).column("text").to_pylist()

        def text_of(indices: Sequence[int]) -> list[str]:
            found = []
            for number in sorted({index // SHARD for index in indices}):
                shard = read(number)
                found += [shard[index % SHARD] for index in indices if index // SHARD == number]
            return found

        bands = bands_for(THRESHOLD)
        tracemalloc.start()
        signatures = Signatures.joined((sign(read(number), *bands) for number in range(len(paths))), len(texts) * times)
        find_signed_copies(signatures, text_of, lambda index: (index,))
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return most
