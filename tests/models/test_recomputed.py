"""Blocks that are computed again on the way back: the same bits, less kept."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn.attention import flex_attention

from hornbook.models import Transformer, TransformerConfig, blocks
from hornbook.models.kernels import use_kernels
from hornbook.tokens.batch import Batch
from hornbook.training.batch import on_device
from hornbook.training.objectives.next_token import next_token

CONFIG = TransformerConfig(
    vocab_size=24, hidden_size=64, intermediate_size=96, num_hidden_layers=3, num_attention_heads=2,
    num_key_value_heads=1, head_dim=32, layer_types=("full_attention", "sliding_attention", "full_attention"),
    sliding_window=11,
)


def batch_of(rows: int, window: int) -> Batch:
    generator = torch.Generator().manual_seed(0)
    batch = Batch.empty(rows, window)
    batch.ids_BT[:], batch.targets_BT[:] = torch.randint(0, 24, (2, rows, window), generator=generator).numpy()
    batch.documents_BT[:], batch.weights_BT[:] = 0, 1.0
    batch.documents_BT[:, window // 3 :] = 1
    return on_device(batch, "cpu")


def learnt(model: Transformer, objective=next_token) -> tuple[dict[str, Tensor], int]:
    """The loss and all gradients, and how many bytes were kept on the way there."""
    model.zero_grad(set_to_none=True)
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        total = objective(model, batch_of(2, 64)).total
    total.backward()
    return {"": total.detach(), **{name: p.grad for name, p in model.named_parameters() if p.grad is not None}}, sum(
        kept.values()
    )


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32], ids=str)
@pytest.mark.parametrize("kernels", [True, False], ids=["kernels", "plain"])
def test_the_same_bits_and_less_kept(dtype: torch.dtype, kernels: bool) -> None:
    use_kernels(kernels)
    model = Transformer(CONFIG, compute_dtype=dtype, seed=0)
    whole, before = learnt(model)
    for blocks_again in (1, 2, 3):
        model.recomputed = blocks_again
        again, kept = learnt(model)
        assert kept < before
        before = kept
        assert again.keys() == whole.keys()
        assert all(torch.equal(again[name], whole[name]) for name in whole)


def test_one_graph_of_recomputing_attention_by_blocks_and_the_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a GPU compiles: no break in it, and the same loss and gradients."""
    monkeypatch.setattr(blocks, "SIDE", 16)
    monkeypatch.setattr(blocks, "in_graph", lambda x, length, head_size: torch.compiler.is_compiling())
    monkeypatch.setattr(flex_attention, "_validate_device", lambda *tensors: None)
    torch._dynamo.reset()
    use_kernels(False)
    model = Transformer(CONFIG, seed=0)
    plain, _ = learnt(model)
    for blocks_again in (0, 2):
        model.recomputed = blocks_again
        run = torch.compile(
            lambda model, batch: next_token(model, batch).total, backend="aot_eager", fullgraph=True, dynamic=False
        )
        model.zero_grad(set_to_none=True)
        total = run(model, batch_of(2, 64))
        total.backward()
        torch.testing.assert_close(total, plain[""], rtol=1e-5, atol=1e-5)
        for name, parameter in model.named_parameters():
            torch.testing.assert_close(parameter.grad, plain[name], rtol=1e-4, atol=1e-5, msg=name)
