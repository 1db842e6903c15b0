"""How much memory a training run holds at its peak, part by part: arithmetic on shapes, checked against real processes.

The parts are what the code keeps: see `models/rows.py` and `models/attention.py` for what goes back, `objectives/
next_token.py` for the head, `optimiser.py` for Muon's work space, `checkpoint.py` for what writing takes. Where the
peak lies depends on the shape: at the end of the way there, in the optimiser, or while a checkpoint is written.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from hornbook.models.config import TransformerConfig
from hornbook.models.counts import parameters
from hornbook.training.objectives.next_token import CHUNK_TOKENS

PROCESS = 305 << 20  # Python, torch, and what a stage imports, before a model is built (measured: docs/log.md)
FREED = 0.35  # of what goes back: freed in another order than it was asked for, it leaves holes in the heap
PAD = 48 << 20  # `use_processor` lets the heap grow by 64 MB at a time: on average most of one is not used
WHILE_SAVED = 2  # copies of all tensors while a checkpoint is written: as bytes, and once more as the file's


@dataclass(frozen=True)
class Batching:
    """How a step is computed: `rows` of `window` tokens at once, `accumulate` times.

    `kernels` are ours for processors, or on a GPU the compiler's; with `products` they multiply too. `attention` is how
    it is done: in "blocks" (ours) or "fused" (torch's) nothing of a window's square is kept, in "tiles" it is.
    """

    rows: int
    window: int
    accumulate: int = 1
    bytes: Literal[2, 4] = 2  # of a number of the type that is computed in
    kernels: bool = True
    attention: Literal["blocks", "fused", "tiles"] = "blocks"
    products: bool = False
    chunk: int = CHUNK_TOKENS  # tokens whose scores over the vocabulary are held at once
    recomputed: int = 0  # blocks that keep what they read alone, and are computed again on the way back

    @property
    def tokens(self) -> int:
        """Tokens at once."""
        return self.rows * self.window

    @property
    def step_tokens(self) -> int:
        """Tokens a step."""
        return self.tokens * self.accumulate


def peak_memory(shape: TransformerConfig, batching: Batching) -> dict[str, int]:
    """Bytes at the peak by part, in the order a reader asks for them; their sum is the peak.

    On one device, weights and their gradients in fp32. What is read of token shards through a memory map is not
    counted: the system takes it back when it has need of it.
    """
    count = parameters(shape)
    weights, states = 4 * count.total, 4 * count.matrices + 8 * (count.total - count.matrices)
    kept = kept_for_backward(shape, batching)
    phases = {
        "activations": _on_the_way(shape, batching, kept),
        "optimiser": {"gradients": weights, "Muon's work space": _newton_schulz(shape, batching.products)},
        "checkpoint": {"the checkpoint's bytes": WHILE_SAVED * (weights + states)},
    }
    peak = max(phases.values(), key=lambda parts: sum(parts.values()))
    parts = {"Python and torch": PROCESS, "weights": weights, "optimiser": states, **peak}
    return {**parts, "freed, not given back": PAD + round(FREED * kept)}


def recomputed_to_fit(shape: TransformerConfig, batching: Batching, limit: int) -> int:
    """Of how many blocks the activations must be computed again for a step to fit into `limit` bytes: as few as may be;
    of all but the last, with which the way back begins, where not even that is enough."""
    count = parameters(shape)
    held = PROCESS + 4 * count.total + 4 * count.matrices + 8 * (count.total - count.matrices)
    last = shape.num_hidden_layers - 1
    for blocks in range(last):
        fewer = replace(batching, recomputed=blocks)
        kept = kept_for_backward(shape, fewer)
        if held + sum(_on_the_way(shape, fewer, kept).values()) + PAD + round(FREED * kept) <= limit:
            return blocks
    return last


def kept_for_backward(shape: TransformerConfig, batching: Batching) -> int:
    """Bytes of what the way there keeps for the way back, all blocks and the two ends; blocks that are computed again
    keep what they read."""
    D, F, E = shape.hidden_size, shape.intermediate_size, shape.head_dim
    queries, keys = shape.num_attention_heads * E, shape.num_key_value_heads * E
    heads = shape.num_attention_heads + shape.num_key_value_heads
    a = batching.bytes
    # what each norm read and made, the projections, the heads taken apart, what they found, gate and up, their product
    a_token = a * (4 * D + 2 * (queries + 2 * keys) + queries + 3 * F) + 4 * (2 + 2 * heads)
    if not batching.kernels:  # each norm keeps its input in fp32, where that is another type, and what it made of it
        inside = (a if a == 4 else 4 + a)
        a_token += inside * (2 * D + queries + keys) + a * F
    if batching.attention == "tiles":
        a_token += a * shape.num_attention_heads * batching.window
    matrices = parameters(shape).matrices // shape.num_hidden_layers
    joined = D * (queries + 2 * keys) + 2 * D * F  # in fp32 only the weights that are used side by side are copied
    a_block = batching.tokens * a_token + (a * matrices if a == 2 and not batching.products else 4 * joined)
    whole = shape.num_hidden_layers - batching.recomputed
    return whole * a_block + (2 + batching.recomputed) * a * batching.tokens * D


def _on_the_way(shape: TransformerConfig, batching: Batching, kept: int) -> dict[str, int]:
    """What is held besides weights and states where the way back begins."""
    count = parameters(shape)
    gradients = 4 * (count.total if batching.accumulate > 1 else count.embedding)
    return {"gradients": gradients, "activations": kept, "the head's loss": _head(shape, batching)}


def _head(shape: TransformerConfig, batching: Batching) -> int:
    """The loss in chunks: the head in the computing type, its gradient, a part of that, the scores of one chunk."""
    V, D, a = shape.vocab_size, shape.hidden_size, batching.bytes
    chunk = min(batching.chunk, batching.tokens)
    if batching.products:  # the scores as they are and turned; the head in panels
        return V * D * (4 + a) + chunk * V * 2 * a + a * batching.tokens * D
    scores = chunk * V * (a if batching.kernels else a + 3 * 4)
    return V * D * (4 + 2 * a) + scores + a * batching.tokens * D


def _newton_schulz(shape: TransformerConfig, products: bool) -> int:
    """Muon's largest group of matrices of one shape: stacked twice in fp32, the update in fp32, in bf16 three times or,
    by kernel, a matrix a thread."""
    D, F, L = shape.hidden_size, shape.intermediate_size, shape.num_hidden_layers
    queries, keys = shape.num_attention_heads * shape.head_dim, shape.num_key_value_heads * shape.head_dim
    sizes: dict[tuple[int, int], int] = {}
    for each in ((queries, D), (keys, D), (keys, D), (D, queries), (F, D), (F, D), (D, F)):
        sizes[each] = sizes.get(each, 0) + L * each[0] * each[1]
    return (4 + 4 + 4 + (0 if products else 3 * 2)) * max(sizes.values())
