"""How much memory a training run holds at its peak, part by part: arithmetic on shapes, checked against real processes.

The parts are what the code asks for: see `models/rows.py` and `models/attention.py` for what goes back, `models/
products.py` and `cpp/linear.cpp` for panels, `objectives/next_token.py` and `cpp/head.cpp` for the head, `optimiser.py`
for Muon's work space and the looks at how far weights move. Writing a checkpoint takes nothing (`models/weights.py`).

Where the peak lies depends on how malloc gives back (`models/device.py` sets it): a block of `OWN_BLOCK` bytes and
more has pages of its own and goes back when it is freed; smaller ones share a heap that stays as large as it ever was.
So the peak is what always lies there, the heap at its fullest, and the large blocks of the moment that has most of
them.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from hornbook.models.config import TransformerConfig
from hornbook.models.counts import parameters
from hornbook.training.objectives.next_token import CHUNK_TOKENS

PROCESS = 269 << 20  # Python, torch, and what a stage imports: a model of next to nothing (measured: docs/log.md)
OWN_BLOCK = 32 << 20  # M_MMAP_THRESHOLD in `use_processor`
HOLES = 0.35  # of the heap: freed in another order than it was asked for, it has holes (measured: docs/log.md)
PAD = 24 << 20  # `use_processor` lets the heap grow by 64 MB at a time: not all of it is used
PANEL_PLACES = 1024  # at a time, of which `cpp/linear.cpp` lays panels
HEAD_GROUP, HEAD_SLICES = 192, 8  # of `cpp/head.cpp`

Moment = Mapping[str, list[int]]  # the sizes of the blocks by what they are for


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
    weights, states = _lasting(shape)
    own = OWN_BLOCK if batching.attention != "fused" else sys.maxsize  # on a GPU torch keeps blocks of any size
    moments = _moments(shape, batching)
    heap = max(_bytes(moment, 0, own) for moment in moments)
    peak = max(moments, key=lambda moment: (_bytes(moment, own), _bytes(moment)))
    return {
        "Python and torch": PROCESS, "weights": weights, "optimiser": states,
        **({"panels of products": _panels(shape, batching)} if batching.products else {}),
        **{part: sum(blocks) for part, blocks in peak.items()},
        "freed, not given back": PAD + heap - _bytes(peak, 0, own) + round(HOLES * heap),
    }  # fmt: skip


def models_memory(shape: TransformerConfig, *, models: int, trained: int) -> int:
    """Bytes that so many models of a shape take at the least, some of which are trained, whatever they read."""
    weights, states = _lasting(shape)
    return PROCESS + models * weights + trained * (states + weights)


def recomputed_to_fit(shape: TransformerConfig, batching: Batching, limit: int) -> int:
    """Of how many blocks the activations must be computed again for a step to fit into `limit` bytes: as few as may be;
    of all but the last, with which the way back begins, where not even that is enough."""
    last = shape.num_hidden_layers - 1
    needs = (sum(peak_memory(shape, replace(batching, recomputed=blocks)).values()) for blocks in range(last))
    return next((blocks for blocks, needed in enumerate(needs) if needed <= limit), last)


def kept_for_backward(shape: TransformerConfig, batching: Batching) -> int:
    """Bytes of what the way there keeps for the way back, all blocks and the two ends; blocks that are computed again
    keep what they read."""
    return sum(_kept(shape, batching))


def _lasting(shape: TransformerConfig) -> tuple[int, int]:
    """Bytes of the weights, and of what the optimisers remember of them."""
    count = parameters(shape)
    return 4 * count.total, 4 * count.matrices + 8 * (count.total - count.matrices)


def _moments(shape: TransformerConfig, batching: Batching) -> list[Moment]:
    """What is held, beside what always lies there, at the moments of a step that hold most: the last scores of the
    head; the beginning of the way back, when the head's gradient is multiplied by the loss's; and in the optimiser,
    when it looks how far the weights move."""
    D, tokens = shape.hidden_size, batching.tokens
    every, kept = _parameters(shape), _kept(shape, batching)
    words, x = 4 * shape.vocab_size * D, batching.bytes * tokens * D
    times = 2 if batching.attention == "fused" else 1  # on a GPU nobody waits to see that the loss's gradient is 1
    gathered = {"gradients": every} if batching.accumulate > 1 else {}
    return [
        {**gathered, "activations": kept, "the head's loss": [words, x, *_scores(shape, batching)]},
        {**gathered, "activations": kept, "the head's gradient": [words, x] * times},
        {"gradients": every, "weights before the step": every, "Muon's work space": _newton_schulz(shape, batching)},
        {"gradients": every, "weights before the step": every, "how far they moved": [max(every)]},
    ]


def _bytes(moment: Moment, least: int = 0, below: int = sys.maxsize) -> int:
    """Of its blocks that are so large."""
    return sum(size for blocks in moment.values() for size in blocks if least <= size < below)


def _kept(shape: TransformerConfig, batching: Batching) -> list[int]:
    """The blocks of `kept_for_backward`."""
    D, F, E = shape.hidden_size, shape.intermediate_size, shape.head_dim
    queries, keys = shape.num_attention_heads * E, shape.num_key_value_heads * E
    heads, a = shape.num_attention_heads + shape.num_key_value_heads, batching.bytes
    # what each norm read and made, the projections, the heads taken apart, what they found, gate and up, their product
    a_token = [*[a * D] * 4, a * (queries + 2 * keys), a * queries, a * keys, a * keys, a * queries, 2 * a * F, a * F]
    a_token += [4 * 2, 4 * heads, 4 * heads]
    if not batching.kernels:  # each norm keeps its input in fp32, where that is another type, and what it made of it
        inside = a if a == 4 else 4 + a
        a_token += [inside * D, inside * D, inside * queries, inside * keys, a * F]
    if batching.attention == "tiles":
        a_token.append(a * shape.num_attention_heads * batching.window)
    matrices = [*[D * queries] * 2, *[D * keys] * 2, *[D * F] * 3]
    joined = [D * (queries + 2 * keys), 2 * D * F]  # in fp32 only the weights that are used side by side are copied
    copies = [a * size for size in matrices] if a == 2 and not batching.products else [4 * size for size in joined]
    block = [batching.tokens * size for size in a_token] + copies
    again = batching.recomputed  # these keep what they read
    return block * (shape.num_hidden_layers - again) + [a * batching.tokens * D] * (2 + again)


def _scores(shape: TransformerConfig, batching: Batching) -> list[int]:
    """What the loss holds of one chunk's scores: by our products the room of the head's kernel; without them scores,
    the head and a part of its gradient, in the type that is computed in."""
    V, D, a, places = shape.vocab_size, shape.hidden_size, batching.bytes, min(batching.chunk, batching.tokens)
    if batching.products:
        groups = -(-V // HEAD_GROUP)
        raised, sums = 2 * groups * HEAD_GROUP * places, 8 * groups * places
        return [raised + sums + 4 * min(groups, HEAD_SLICES) * places * D + 2 * places * D]
    scores = places * V
    return [a * scores, *[a * V * D] * 2, *([] if batching.kernels else [4 * scores] * 3)]


def _panels(shape: TransformerConfig, batching: Batching) -> int:
    """The panels of a block's largest product on its way back, which stay from call to call: the weight, and of so many
    places both x and what comes back, all as bf16."""
    places = min(PANEL_PLACES, batching.tokens)
    D, widest = shape.hidden_size, 2 * shape.intermediate_size
    return 2 * (D * widest + places * (D + widest))


def _parameters(shape: TransformerConfig) -> list[int]:
    """Bytes of each matrix in fp32; norms and biases are too small to count."""
    words = [4 * shape.vocab_size * shape.hidden_size]
    return words * (1 if shape.tie_word_embeddings else 2) + [
        4 * rows * columns for rows, columns in _matrices(shape) for _ in range(shape.num_hidden_layers)
    ]


def _matrices(shape: TransformerConfig) -> list[tuple[int, int]]:
    """Those of one block."""
    D, F, E = shape.hidden_size, shape.intermediate_size, shape.head_dim
    queries, keys = shape.num_attention_heads * E, shape.num_key_value_heads * E
    return [(queries, D), (keys, D), (keys, D), (D, queries), (F, D), (F, D), (D, F)]


def _newton_schulz(shape: TransformerConfig, batching: Batching) -> list[int]:
    """Muon's largest group of matrices of one shape: its gradients side by side, what momentum makes of them, and the
    update, in fp32 by kernel, in bf16 as three matrices by torch."""
    sizes: dict[tuple[int, int], int] = {}
    for each in _matrices(shape):
        sizes[each] = sizes.get(each, 0) + shape.num_hidden_layers * each[0] * each[1]
    largest = max(sizes.values())
    return [4 * largest] * 3 + ([] if batching.products else [2 * largest] * 3)
