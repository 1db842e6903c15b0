"""Training a BPE tokenizer and applying it, against Hugging Face's tokenizers and tiktoken on the same text.

    python -m benchmarks.tokenizer --json

Training: the same texts, pattern and size, all threads. Encoding: the same vocabulary, one thread, texts one after the
other. The two take turns; times are medians.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.results import keep
from benchmarks.texts import prose
from hornbook.tokens.tokenizer import SPECIAL, SPLIT, Tokenizer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one object a figure")
    parser.add_argument("--megabytes", type=float, default=50.0, help="text to train on, at most")
    parser.add_argument("--vocabulary", type=int, default=32_768, help="tokens to learn")
    parser.add_argument("--repeats", type=int, default=3, help="times each is measured")
    options = parser.parse_args()
    os.environ["TOKENIZERS_PARALLELISM"] = "true"
    texts = prose(round(options.megabytes * 1e6))
    figures = [*_training(texts, options), *_encoding(texts, options)]
    for figure in figures:
        print(json.dumps(figure) if options.json else f"{figure['figure']:20} {figure['value']:.2f} {figure['unit']}")
    keep("tokenizer", figures)


def _training(texts: list[str], options: argparse.Namespace) -> list[dict]:
    def ours() -> None:
        Tokenizer.train(texts, options.vocabulary)

    def theirs() -> None:
        _peer().train_from_iterator(texts, _trainer(options.vocabulary - len(SPECIAL)))

    return [_figure("bpe_train_vs_hf", "tokenizers", texts, *_timed(options.repeats, ours, theirs))]


def _encoding(texts: list[str], options: argparse.Namespace) -> list[dict]:
    import tiktoken
    import tokenizers

    tokenizer = Tokenizer.train(texts, options.vocabulary)
    with tempfile.TemporaryDirectory() as folder:
        tokenizer.save(Path(folder))
        fast = tokenizers.Tokenizer.from_file(f"{folder}/tokenizer.json")
    ranks = {tokenizer.decode_bytes([token]): token for token in range(tokenizer.vocab_size - len(SPECIAL))}
    plain = tiktoken.Encoding("peer", pat_str=SPLIT, mergeable_ranks=ranks, special_tokens={})
    some = texts[:: max(1, len(texts) // 2000)]
    for text in some[:50]:
        assert tokenizer.encode(text) == plain.encode_ordinary(text) == fast.encode(text).ids

    def each(encode: Callable[[str], Any]) -> Callable[[], None]:
        def run() -> None:
            for text in some:
                encode(text)

        return run

    figures = []
    for figure, peer, encode in (
        ("encode_vs_tiktoken", "tiktoken", plain.encode_ordinary), ("encode_vs_hf", "tokenizers", fast.encode),
    ):  # fmt: skip
        seconds = _timed(options.repeats, each(tokenizer.encode), each(encode))
        figures.append(_figure(figure, peer, some, *seconds))
    return figures


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


def _figure(name: str, peer: str, texts: list[str], ours: list[float], theirs: list[float]) -> dict:
    """How many times as fast as the peer, and the megabytes a second of both."""
    size = sum(len(text.encode()) for text in texts) / 1e6
    ratios = [other / own for own, other in zip(ours, theirs, strict=True)]
    return {
        "figure": name, "value": round(statistics.median(ratios), 3), "unit": f"times as fast as {peer}",
        "peer": round(size / statistics.median(theirs), 3), "ratio": round(statistics.median(ratios), 3),
        "n": len(ratios), "interval": [round(min(ratios), 3), round(max(ratios), 3)], "megabytes": round(size, 1),
        "megabytes_per_second": round(size / statistics.median(ours), 3),
    }  # fmt: skip


if __name__ == "__main__":
    main()
