"""Attention in a graph: which blocks are looked at, and the same sums as torch's kernel over the whole mask.

No processor compiles FlexAttention's way back, so graphs are traced here and run plainly: what is checked is what a GPU
compiles, up to the kernel that it makes of it.
"""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.attention import flex_attention

from hornbook.models import blocks
from hornbook.models.attention import attend, attention_mask

SIDE = 8


@pytest.fixture
def traced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Graphs of a processor take the way of a GPU's."""
    monkeypatch.setattr(blocks, "SIDE", SIDE)
    monkeypatch.setattr(blocks, "in_graph", lambda x, length, head_size: torch.compiler.is_compiling())
    monkeypatch.setattr(flex_attention, "_validate_device", lambda *tensors: None)
    torch._dynamo.reset()


def seen_by(documents_BT: Tensor, prefixes_BT: Tensor, window: int | None, positions_BT: Tensor) -> Tensor:
    """(B, T, T), by the definition."""
    own, prefix = (numbers[:, :, None] == documents_BT[:, None] for numbers in (documents_BT, prefixes_BT))
    near = positions_BT[:, :, None] - positions_BT[:, None] < (window or 10**9)
    return ((own | prefix) & near).tril()


def in_documents(row: list[int]) -> tuple[list[int], list[int]]:
    """A row's documents from their lengths, and where in its document each place is."""
    numbers = [number for number, length in enumerate(row) for _ in range(length)]
    return numbers, [place for length in row for place in range(length)]


rows = st.lists(st.integers(1, 30), min_size=1, max_size=6).map(lambda row: [*row, 200]).map(in_documents)


@settings(max_examples=40)
@given(
    packed=st.lists(rows, min_size=1, max_size=3), count=st.integers(1, 7), prefixed=st.booleans(),
    window=st.none() | st.integers(1, 40), data=st.data(),
)  # fmt: skip
def test_blocks_left_out_hold_nothing_and_whole_ones_everything(packed, count, prefixed, window, data) -> None:
    T = SIDE * count
    documents_BT, positions_BT = (torch.tensor([row[part][:T] for row in packed]) for part in (0, 1))
    if data.draw(st.booleans(), label="padded"):
        documents_BT[-1, T // 2 :] = -1
    if data.draw(st.booleans(), label="in pieces"):
        documents_BT = documents_BT[:, torch.randperm(T, generator=torch.Generator().manual_seed(0))]
    prefixes_BT = torch.where(documents_BT == 1, 0, documents_BT) if prefixed else documents_BT
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "SIDE", SIDE)
        mask = blocks.visible(documents_BT, prefixes_BT if prefixed else None, window, positions_BT)
    seen_BTT = seen_by(documents_BT, prefixes_BT, window, positions_BT)
    by_block = seen_BTT.unflatten(2, (count, SIDE)).unflatten(1, (count, SIDE))
    any_BNN, all_BNN = by_block.any(4).any(2), by_block.all(4).all(2)
    assert mask.full_kv_num_blocks is not None
    assert mask.full_kv_indices is not None
    part = listed(mask.kv_num_blocks, mask.kv_indices)
    whole = listed(mask.full_kv_num_blocks, mask.full_kv_indices)
    assert not (part & whole).any()
    assert (part | whole)[any_BNN].all()
    assert all_BNN[whole].all()
    one_text = not prefixed and window is None and (documents_BT.diff(dim=1) >= 0).all()
    if one_text:  # then nothing is looked at in vain, either
        assert torch.equal(part | whole, any_BNN)
        assert torch.equal(whole, all_BNN)


def listed(counts_B1N: Tensor, indices_B1NN: Tensor) -> Tensor:
    """Which are among the first so many."""
    first_BNN = torch.arange(indices_B1NN.shape[-1]) < counts_B1N[:, 0, :, None]
    return torch.zeros_like(first_BNN).scatter(2, indices_B1NN[:, 0].long(), first_BNN)


@pytest.mark.parametrize("kv_heads", [4, 2, 1])
@pytest.mark.parametrize("window", [None, 11])
@pytest.mark.usefixtures("traced")
def test_the_same_sums_and_gradients_as_torchs_kernel(kv_heads: int, window: int | None) -> None:
    generator = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(3, heads, 40, 16, generator=generator).requires_grad_() for heads in (4, kv_heads, kv_heads))
    packed = [in_documents(row) for row in ([13, 27], [40], [5, 5, 30])]
    documents_BT, positions_BT = (torch.tensor([row[part] for row in packed]) for part in (0, 1))
    documents_BT[2, 10:] = -1
    weights = torch.randn(3, 40, 4, 16, generator=generator)

    def attended(q: Tensor, k: Tensor, v: Tensor, prefixes_BT: Tensor | None) -> Tensor:
        return attend(q, k, v, attention_mask(q, 3, 40, 16, documents_BT, prefixes_BT, window, positions_BT))

    for prefixes_BT in (None, torch.where(documents_BT == 1, 0, documents_BT)):
        ours = torch.compile(attended, backend="aot_eager", fullgraph=True, dynamic=False)(q, k, v, prefixes_BT)
        theirs = attended(q, k, v, prefixes_BT)
        for own, other in zip(
            [ours, *torch.autograd.grad(ours, (q, k, v), weights)],
            [theirs, *torch.autograd.grad(theirs, (q, k, v), weights)], strict=True,
        ):  # fmt: skip
            torch.testing.assert_close(own, other, rtol=1e-5, atol=1e-5)
