"""One vector for a text."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hornbook.models.pooling import pooled


  # the first call to torch is slow
@given(before=st.integers(0, 5), length=st.integers(1, 9), after=st.integers(0, 5))
def test_padding_on_either_side_changes_nothing(before: int, length: int, after: int) -> None:
    x_TD = torch.randn(before + length + after, 6, generator=torch.Generator().manual_seed(length))
    text_TD = x_TD[before : before + length]
    mask_T = torch.tensor([0] * before + [1] * length + [0] * after)
    wanted = {"mean": text_TD.mean(0), "cls": text_TD[0], "last": text_TD[-1]}
    for how, vector_D in wanted.items():
        for kept in (mask_T, mask_T > 0):
            torch.testing.assert_close(pooled(x_TD[None], kept[None], how)[0], vector_D)
        unit_D = vector_D / vector_D.norm()
        torch.testing.assert_close(pooled(x_TD[None], mask_T[None], how, normalised=True)[0], unit_D)


@pytest.mark.parametrize("how", ["mean", "cls", "last"])
def test_a_row_of_padding_alone_gives_zeros_and_types_are_kept(how) -> None:
    x_BTD, mask_BT = torch.randn(2, 4, 3).bfloat16(), torch.tensor([[1, 1, 0, 0], [0, 0, 0, 0]])
    x_BD = pooled(x_BTD, mask_BT, how, normalised=True)
    assert x_BD.dtype == torch.bfloat16
    assert (x_BD[1] == 0).all()
    assert x_BD[0].float().norm() == pytest.approx(1.0, abs=0.01)
