"""Which share of the machine's rate training uses: width 512, depth 8, 8 rows of 512, vocabulary 8192.

The work of a token is counted as 6 times the parameters that multiply and 12 L T d for attention (PaLM,
arXiv:2204.02311), as if every place saw every other; ours are causal. The rate is that of one bf16 product of
4096 x 512 x 1536 in the same run. What the optimiser computes is not counted as work, but its time is.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from benchmarks.pretrain.trainers import PRODUCT, Shape, Trainer
from benchmarks.results import figure

NAMES = ("train_share_of_peak",)
SHAPE = Shape(depth=8, width=512, inner=1536, vocabulary=8192)
TURNS = 7


def figures() -> Iterator[dict]:
    step, product = Trainer("ours_bf16", SHAPE), Trainer("product", SHAPE)
    shares, rates = [], []
    M, K, N = PRODUCT
    for _ in range(TURNS):
        rates.append(2 * M * K * N / statistics.median(product.steps(8)))
        shares.append(_work(SHAPE) / statistics.median(step.steps(2)) / rates[-1])
    step.close()
    product.close()
    share = round(statistics.median(shares), 3)
    yield figure(
        "train_share_of_peak", share, "of the product's rate", ratio=share, n=TURNS, bar=0.40,
        interval=[round(min(shares), 3), round(max(shares), 3)], product_gflops=round(statistics.median(rates) / 1e9),
    )  # fmt: skip


def _work(shape: Shape) -> float:
    """Floating-point operations a step."""
    block = 4 * shape.width**2 + 3 * shape.width * shape.inner
    matrices = shape.depth * block + shape.vocabulary * shape.width
    return shape.tokens * (6 * matrices + 12 * shape.depth * shape.window * shape.width)
