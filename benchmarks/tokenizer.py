"""Training a BPE tokenizer and applying it, against Hugging Face's tokenizers and tiktoken on the same text; and the
stream of batches, stopped and gone on with at other numbers of processes.

    python -m benchmarks.tokenizer --json

Training: the same texts, pattern and size, all threads. Encoding: the same vocabulary, one thread, texts one after the
other; with gigatoken where it is installed, as Hornbook then does, and without it. They take turns; medians.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.results import Absent, against, figure, keep
from benchmarks.stream import elastic_equal
from benchmarks.texts import prose
from hornbook.tokens.special import special_tokens
from hornbook.tokens.split import SPLIT
from hornbook.tokens.tokenizer import Tokenizer

NAMES = ("bpe_train_vs_hf", "encode_vs_tiktoken", "encode_vs_hf", "encode_plain_vs_tiktoken")
ENCODED = 4e6  # bytes of text that one turn of encoding takes, spread over all


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one object a figure")
    parser.add_argument("--megabytes", type=float, default=50.0, help="text to train on, at most")
    parser.add_argument("--vocabulary", type=int, default=32_768, help="tokens to learn")
    parser.add_argument("--repeats", type=int, default=5, help="times each is measured")
    options = parser.parse_args()
    os.environ["TOKENIZERS_PARALLELISM"] = "true"
    try:
        texts = prose(round(options.megabytes * 1e6))
    except Absent as absent:
        figures = [figure(name, None, "", why=str(absent)) for name in NAMES]
    else:
        figures = [_training(texts, options), *_encoding(texts, options)]
    figures.append(elastic_equal())
    for found in figures:
        print(json.dumps(found) if options.json else f"{found['figure']:26} {found['value']} {found['unit']}")
    keep("tokenizer", figures)


def _training(texts: list[str], options: argparse.Namespace) -> dict:
    def ours() -> None:
        Tokenizer.train(texts, options.vocabulary)

    def theirs() -> None:
        ordinary = options.vocabulary - len(special_tokens(options.vocabulary))
        _peer().train_from_iterator(texts, _trainer(ordinary), length=len(texts))

    seconds = _timed(min(3, options.repeats), ours, theirs)
    return against("bpe_train_vs_hf", "tokenizers", *seconds, megabytes=_megabytes(texts))


def _encoding(texts: list[str], options: argparse.Namespace) -> Iterator[dict]:
    import tiktoken
    import tokenizers

    tokenizer = Tokenizer.train(texts, options.vocabulary)
    with tempfile.TemporaryDirectory() as folder:
        tokenizer.save(Path(folder))
        fast = tokenizers.Tokenizer.from_file(f"{folder}/tokenizer.json")
    ordinary = tokenizer.vocab_size - len(tokenizer.special)
    ranks = {tokenizer.pieces[token]: token for token in range(ordinary)}
    plain = tiktoken.Encoding("peer", pat_str=SPLIT, mergeable_ranks=ranks, special_tokens={})
    some = texts[:: max(1, round(_megabytes(texts) * 1e6 / ENCODED))]
    for text, ids in zip(some, tokenizer.encode_batch(some, threads=1), strict=True):
        assert tokenizer.encode(text) == plain.encode_ordinary(text) == ids.tolist()
    assert all(tokenizer.encode(text) == fast.encode(text).ids for text in some[:50])

    def ours() -> None:
        tokenizer.encode_batch(some, threads=1)

    def one_by_one(encode: Callable[[str], Any]) -> Callable[[], Any]:
        return lambda: [encode(text) for text in some]

    more = {"megabytes": _megabytes(some)}
    for name, peer, own, encode in (
        ("encode_vs_tiktoken", "tiktoken", ours, plain.encode_ordinary),
        ("encode_vs_hf", "tokenizers", ours, fast.encode),
        ("encode_plain_vs_tiktoken", "tiktoken", one_by_one(tokenizer.encode), plain.encode_ordinary),
    ):
        by = "tiktoken" if "plain" in name else tokenizer.encoder
        repeats = options.repeats if peer == "tokenizers" else 3 * options.repeats
        yield against(name, peer, *_timed(repeats, own, one_by_one(encode)), **more, encoder=by)


def _peer() -> Any:
    from tokenizers import Regex, models, pre_tokenizers
    from tokenizers import Tokenizer as Fast

    fast = Fast(models.BPE())
    fast.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(SPLIT), behavior="isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])
    return fast


def _trainer(vocabulary: int) -> Any:
    from tokenizers import pre_tokenizers, trainers

    alphabet = pre_tokenizers.ByteLevel.alphabet()
    return trainers.BpeTrainer(vocab_size=vocabulary, initial_alphabet=alphabet, show_progress=False)


def _timed(repeats: int, *calls: Callable[[], None]) -> list[list[float]]:
    """Seconds of each call, `repeats` times, by turns."""
    seconds: list[list[float]] = [[] for _ in calls]
    for _ in range(repeats):
        for taken, call in zip(seconds, calls, strict=True):
            began = time.perf_counter()
            call()
            taken.append(time.perf_counter() - began)
    return seconds


def _megabytes(texts: list[str]) -> float:
    return round(sum(len(text.encode()) for text in texts) / 1e6, 1)


if __name__ == "__main__":
    main()
