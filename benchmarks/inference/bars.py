"""What each figure must show, and whether it does."""

from __future__ import annotations

BARS: dict[str, tuple[str, float]] = {
    "decode_vs_hf_1": ("at least", 2), "decode_vs_hf_8": ("at least", 4), "decode_vs_hf_32": ("at least", 6),
    "decode_vs_llamacpp_f32_1": ("at least", 0.8), "decode_vs_llamacpp_q8_1": ("at least", 0.6),
    "decode_vs_llamacpp_f32_8": ("at least", 1.0), "batching_speedup": ("at least", 6),
    "smollm2_first_token": ("under", 0.5), "smollm2_vs_hf": ("at least", 1.5),
    "greedy_equal": ("at least", 1), "batched_equal": ("at least", 1), "cached_equal": ("at least", 1),
    "speculation_equal": ("at least", 1), "logprob_max_diff": ("under", 1e-4),
    "streams_lost": ("at most", 0), "memory_growth_mb": ("under", 50), "clients_pass": ("at least", 1),
    "gate_stream_equal": ("at least", 1), "gate_cost": ("under", 0.05),
}  # fmt: skip


def judged(found: dict) -> dict:
    """The figure with its bar and whether it is held, where there is a bar."""
    if found["figure"] not in BARS:
        return found
    word, limit = BARS[found["figure"]]
    value = found["value"]
    kept = {"at least": lambda: value >= limit, "at most": lambda: value <= limit, "under": lambda: value < limit}
    return found | {"bar": f"{word} {limit:g}", "held": value is not None and kept[word]()}
