"""What a training step keeps, against what torch was seen to keep."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from hornbook.models import Transformer, TransformerConfig
from hornbook.models.counts import parameters
from hornbook.models.kernels import has_attention, has_products, kernels, use_kernels
from hornbook.road.here import fitted
from hornbook.tokens.loader import PackedBatches
from hornbook.training.batch import on_device
from hornbook.training.memory import Batching, kept_for_backward, models_memory, peak_memory, recomputed_to_fit

SHAPE = TransformerConfig(
    vocab_size=300, hidden_size=128, intermediate_size=384, num_hidden_layers=3, num_attention_heads=2,
    num_key_value_heads=1, head_dim=64,
)  # fmt: skip
LARGE = TransformerConfig(
    vocab_size=32_768, hidden_size=896, intermediate_size=2432, num_hidden_layers=14, num_attention_heads=14,
    num_key_value_heads=14, head_dim=64,
)  # fmt: skip
GIGABYTE = 1 << 30


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32], ids=str)
@pytest.mark.parametrize("compile", [True, False], ids=["kernels", "plain"])
def test_what_is_kept_for_the_way_back(dtype: torch.dtype, compile: bool) -> None:
    use_kernels(compile)
    with_kernels = kernels() is not None
    if compile and not with_kernels:
        pytest.skip("there is no compiler here")
    blocks = with_kernels and has_attention() and dtype == torch.bfloat16
    products = with_kernels and has_products() and dtype == torch.bfloat16
    batching = Batching(4, 128, 1, dtype.itemsize, with_kernels, "blocks" if blocks else "tiles", products)
    model = Transformer(SHAPE, compute_dtype=dtype)
    text = np.random.default_rng(0).integers(0, 300, (8, 129))
    batch = on_device(next(PackedBatches(list(text), None, window=128, rows=4, seed=0)), "cpu")
    own = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        if (place := tensor.untyped_storage().data_ptr()) not in own:
            kept[place] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        x_BTD = model.hidden(batch.ids_BT, batch.positions_BT, batch.documents_BT)
    assert kept_for_backward(SHAPE, batching) == pytest.approx(sum(kept.values()), rel=0.08)
    assert x_BTD.shape == (4, 128, 128)


def test_a_large_model_is_said_part_by_part() -> None:
    parts = peak_memory(LARGE, Batching(16, 2048, 16, attention="fused"))
    assert parts["weights"] == 4 * (14 * (4 * 896**2 + 3 * 896 * 2432 + 2 * 896 + 2 * 64) + 896 + 2 * 32_768 * 896)
    assert sum(parts.values()) < 30 * GIGABYTE
    more = peak_memory(LARGE, Batching(32, 2048, 8, attention="fused"))
    assert more["activations"] > 1.9 * parts["activations"]
    assert more["gradients"] == parts["gradients"] == pytest.approx(parts["weights"], rel=1e-3)


def test_large_blocks_go_back_and_small_ones_leave_the_heap_as_it_was() -> None:
    batching = Batching(8, 512, products=True)
    small, large = (peak_memory(SHAPE.model_copy(update={"vocab_size": V}), batching) for V in (4096, 131_072))
    kept = kept_for_backward(SHAPE, batching)
    assert small["activations"] == kept  # in the heap, and the heap is at its fullest then
    assert small["panels of products"] == 2 * (128 * 768 + 1024 * (128 + 768))  # two times the 384 of gate and up
    words = 4 * 131_072 * 128
    # the gradient, what goes back, and of one chunk the scores in groups of 192 words, two numbers a group and place,
    # eight parts of what goes back, and the places in pairs
    room = 683 * 192 * 1024 * 2 + 683 * 1024 * 8 + 8 * 1024 * 128 * 4 + 1024 * 128 * 2
    assert large["the head's loss"] == words + 2 * 8 * 512 * 128 + room
    assert large["activations"] == kept
    told, twice = (peak_memory(SHAPE, Batching(4, 128, accumulate, products=True)) for accumulate in (1, 2))
    assert sum(twice.values()) > sum(told.values())  # the gradients of the first batch lie there in the second


def test_models_at_once_take_their_weights_and_the_trained_ones_more() -> None:
    one = models_memory(SHAPE, models=1, trained=0)
    weights = models_memory(SHAPE, models=2, trained=0) - one
    assert weights == 4 * parameters(SHAPE).total
    assert models_memory(SHAPE, models=1, trained=1) - one > 2 * weights
    assert models_memory(SHAPE, models=1, trained=1) < sum(peak_memory(SHAPE, Batching(1, 32)).values())


def test_as_few_blocks_as_may_be_are_computed_again() -> None:
    batching = Batching(16, 2048, 16, attention="fused")
    sizes = [sum(peak_memory(LARGE, replace(batching, recomputed=count)).values()) for count in range(14)]
    assert sizes == sorted(sizes, reverse=True)
    assert recomputed_to_fit(LARGE, batching, sizes[0]) == 0
    for count in (1, 5, 12):
        assert recomputed_to_fit(LARGE, batching, sizes[count]) == count
        assert recomputed_to_fit(LARGE, batching, sizes[count] - 1) == count + 1
    assert recomputed_to_fit(LARGE, batching, 0) == 13
    assert fitted(LARGE, batching, "cpu") == batching
