"""How fast answers are said: ours against transformers' `generate` and llama.cpp.

`decode_vs_hf_1`, `_8`, `_32`: tokens a second with so many answers at once, the best of our types (bf16, int8) over the
best of theirs (fp32, bf16); each row tells all of them. `decode_vs_llamacpp_f32_1`, `_q8_1`, `_f32_8`: fp32 against
fp32, int8 against q8_0. All are asked by turns, an answer each (`decoders.py`); ratios are medians over the turns of
the ratio within one, for the memory's speed changes from minute to minute.

    python -m benchmarks.inference --only decode
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing
from importlib.util import find_spec
from pathlib import Path

from benchmarks.inference.decoders import Decoder
from benchmarks.inference.shape import prompts, write_model
from benchmarks.results import figure

NAMES = (
    "decode_vs_hf_1", "decode_vs_hf_8", "decode_vs_hf_32", "decode_vs_llamacpp_f32_1", "decode_vs_llamacpp_q8_1",
    "decode_vs_llamacpp_f32_8",
)  # fmt: skip
ROWS, TURNS = (1, 8, 32), 5
KINDS = (
    "ours_bf16", "ours_int8", "ours_fp32", "transformers_bf16", "transformers_fp32", "llamacpp_f32", "llamacpp_q8_0",
)  # fmt: skip
OURS, HF = KINDS[:2], KINDS[3:5]
AGAINST = {  # figure: rows, ours, theirs
    "decode_vs_hf_1": (1, OURS, HF), "decode_vs_hf_8": (8, OURS, HF), "decode_vs_hf_32": (32, OURS, HF),
    "decode_vs_llamacpp_f32_1": (1, ("ours_fp32",), ("llamacpp_f32",)),
    "decode_vs_llamacpp_q8_1": (1, ("ours_int8",), ("llamacpp_q8_0",)),
    "decode_vs_llamacpp_f32_8": (8, ("ours_fp32",), ("llamacpp_f32",)),
}  # fmt: skip


def figures() -> Iterator[dict]:
    """Without `llama-cpp-python` its rows say so."""
    there = find_spec("llama_cpp") is not None
    kinds = [kind for kind in KINDS if there or not kind.startswith("llamacpp")]
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as open_:
        folder = write_model(Path(scratch))
        decoders = {kind: open_.enter_context(closing(Decoder(kind, folder))) for kind in kinds}
        for kind in kinds:
            decoders[kind].answer(prompts(1, 1000))
        rates: dict[tuple[str, int], list[float]] = {(kind, rows): [] for kind in kinds for rows in ROWS}
        for turn in range(TURNS):
            for rows in ROWS:
                for kind in kinds:
                    rates[kind, rows].append(decoders[kind].answer(prompts(rows, turn)).rate)
    for name, (rows, own, others) in AGAINST.items():
        if not there and "llamacpp" in name:
            yield figure(name, None, "", why="install llama-cpp-python from its sdist")
            continue
        medians = {kind: statistics.median(rates[kind, rows]) for kind in kinds}
        best, peer = max(own, key=medians.__getitem__), max(others, key=medians.__getitem__)
        ratios = [mine / theirs for mine, theirs in zip(rates[best, rows], rates[peer, rows], strict=True)]
        yield figure(
            name, round(statistics.median(ratios), 3), f"times as fast as {peer}, {best}", n=TURNS,
            interval=[round(min(ratios), 3), round(max(ratios), 3)], ratio=round(statistics.median(ratios), 3),
            tokens_a_second={kind: round(rate) for kind, rate in medians.items()},
        )  # fmt: skip
