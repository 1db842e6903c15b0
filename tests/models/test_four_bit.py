"""NF4 and FP4 against bitsandbytes, bit for bit, and against what was kept of it where it is not installed."""

from __future__ import annotations

import hashlib
import os

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hornbook.models.quantise.four_bit import BLOCKS, TYPES, FourBit, dynamic_code, four_bit

DTYPES = (torch.float32, torch.bfloat16, torch.float16)


@pytest.fixture(scope="module")
def theirs():
    os.environ.setdefault("TORCHDYNAMO_DISABLE", "1")  # it compiles what it can
    return pytest.importorskip("bitsandbytes.functional")


def drawn(shape: tuple[int, int], dtype: torch.dtype, seed: int, empty: bool = False) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(shape, generator=generator) * torch.rand((), generator=generator)
    if empty:
        values[: shape[0] // 2] = 0
    return values.to(dtype)


def equal(own: torch.Tensor, other: torch.Tensor) -> bool:
    return own.dtype == other.dtype and torch.equal(own, other)


@settings(max_examples=60)
@given(
    st.tuples(st.integers(1, 150), st.integers(1, 200)), st.sampled_from(DTYPES), st.sampled_from(sorted(TYPES)),
    st.sampled_from(BLOCKS), st.booleans(), st.booleans(), st.integers(0, 999),
)  # fmt: skip
def test_every_byte_is_theirs(theirs, shape, dtype, kind, block, nested, empty, seed):
    values = drawn(shape, dtype, seed, empty)
    own = four_bit(values, kind, block=block, nested=nested)
    codes, state = theirs.quantize_4bit(values, quant_type=kind, compress_statistics=nested, blocksize=block)
    assert equal(own.codes, codes)
    assert equal(own.absmax, state.absmax)
    if nested:
        assert equal(own.nested_absmax, state.state2.absmax)
        assert own.offset == float(state.offset)
    # Over rows that are no multiple of a block its kernel for AVX-512 takes scales of other blocks: ask it for one row.
    if values.numel() % 2 == 0:
        state.shape = torch.Size([values.numel()])
        assert equal(own.values(), theirs.dequantize_4bit(codes, state).view(shape))


def test_its_tables_are_theirs(theirs):
    assert equal(dynamic_code(torch.device("cpu")), theirs.create_dynamic_map())
    for kind, values in TYPES.items():
        assert equal(torch.tensor(values), theirs.get_4bit_type(kind, device="cpu"))


@pytest.mark.parametrize(("kind", "kept"), [("nf4", "232c74b2ceeae076"), ("fp4", "c63112fb202e14cd")])
def test_without_it_too(kind, kept):
    """Bytes that were equal to those of bitsandbytes 0.50.2."""
    own = four_bit((torch.arange(3 * 700).view(3, 700) * 37 % 1009 - 500.0) / 4096, kind)
    parts = (own.codes, own.absmax, own.nested_absmax, own.values())
    digest = hashlib.sha256(b"".join(bytes(part.contiguous().view(torch.uint8).flatten().tolist()) for part in parts))
    assert digest.hexdigest()[:16] == kept


@settings(max_examples=30)
@given(st.sampled_from(sorted(TYPES)), st.sampled_from(BLOCKS[:4]), st.integers(0, 99))
def test_a_value_goes_to_one_of_its_neighbours(kind, block, seed):
    values = drawn((8, 256), torch.float32, seed)
    own = four_bit(values, kind, block=block, nested=False)
    scales = own.scales().repeat_interleave(block).view(8, 256)
    steps = torch.tensor(sorted(TYPES[kind]))
    widest = (steps[1:] - steps[:-1]).max() / 2
    assert ((own.values() - values).abs() <= widest * scales * 1.001).all()
    again = four_bit(own.values(), kind, block=block, nested=False)
    assert equal(again.values(), own.values())  # and not the codes: FP4 has two zeros


def test_its_size():
    own: FourBit = four_bit(drawn((512, 512), torch.float32, 0))
    kept = sum(part.nbytes for part in (own.codes, own.absmax, own.nested_absmax) if part is not None)
    assert kept * 8 / 512**2 == pytest.approx(4.127, abs=0.001)  # QLoRA's 4.127 bits a weight
