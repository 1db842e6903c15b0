"""Headers of strangers: what the package reads of a good one, and one line for a bad one, before memory is taken."""

from __future__ import annotations

import contextlib
import resource
import struct

import gguf
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hornbook.core.errors import DamagedError, HornbookError, InputError
from hornbook.models.gguf.header import read_header
from hornbook.models.gguf.reading import gguf_source
from hornbook.models.gguf.writing import write_gguf
from tests.models.gguf.conftest import write_folder


@pytest.fixture(scope="module")
def good(tokenizer, tmp_path_factory):
    """A whole file."""
    folder = tmp_path_factory.mktemp("gguf")
    write_gguf(write_folder(folder / "model", tokenizer), folder / "good.gguf", "q8_0", said={"name": "good"})
    return folder / "good.gguf"


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value)) + value.encode()


def file(*, magic=b"GGUF", version=3, tensors=0, values=0, rest=b"") -> bytes:
    return magic + struct.pack("<IQQ", version, tensors, values) + rest


def tensor(name="a", shape=(32,), kind=0, offset=0) -> bytes:
    dimensions = struct.pack(f"<I{len(shape)}Q", len(shape), *shape)
    return text(name) + dimensions + struct.pack("<IQ", kind, offset)


HUGE = 1 << 62
BAD = {
    "no GGUF file": file(magic=b"GGML"),
    "version 9": file(version=9),
    "big-endian": b"GGUF" + struct.pack(">IQQ", 3, 0, 0),
    "ends within its header": file()[:10],
    "names 4,611,686,018,427,387,904 values": file(values=HUGE),
    "names 4,611,686,018,427,387,904 tensors": file(tensors=HUGE),
    "ends within": file(values=1, rest=struct.pack("<Q", HUGE) + b"key" * 20),
    "unknown type 77": file(values=1, rest=text("key") + struct.pack("<I", 77) + b"0" * 20),
    "more than it can hold": file(values=1, rest=text("key") + struct.pack("<IIQ", 9, 10, HUGE) + b"0" * 99),
    "unknown type 9": file(values=1, rest=text("key") + struct.pack("<IIQ", 9, 9, 4) + b"0" * 99),
    "stands in it twice": file(values=2, rest=(text("key") + struct.pack("<IB", 0, 1)) * 2),
    "not UTF-8": file(values=1, rest=struct.pack("<Q", 2) + b"\xff\xfe" + b"0" * 20),
    "alignment of 3": file(values=1, rest=text("general.alignment") + struct.pack("<II", 4, 3)),
    "alignment of 0": file(values=1, rest=text("general.alignment") + struct.pack("<II", 4, 0)),
    "tensor a stands in it twice": file(tensors=2, rest=tensor() * 2 + b"0" * 999),
    "tensor a has no shape": file(tensors=1, rest=tensor(shape=()) + b"0" * 99),
    "tensor a lies outside": file(tensors=1, rest=tensor(shape=(HUGE, 8)) + b"0" * 99),
    "tensor b lies outside": file(tensors=1, rest=tensor("b", offset=HUGE - HUGE % 32) + b"0" * 999),
    "tensor a has the unknown type 4": file(tensors=1, rest=tensor(kind=4) + b"0" * 99),
    "tensor a of Q8_0 cannot have the shape (31,)": file(tensors=1, rest=tensor(shape=(31,), kind=8) + b"0" * 99),
    "tensor b lies over another": file(tensors=2, rest=tensor() + tensor("b") + b"0" * 999),
}


@pytest.mark.parametrize("says", BAD)
def test_a_bad_header_is_one_line(tmp_path, says):
    path = tmp_path / "bad.gguf"
    path.write_bytes(BAD[says])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    kind = InputError if list(BAD).index(says) < 3 else DamagedError  # a file of another kind, or one that is not whole
    with pytest.raises(kind) as caught:
        read_header(path)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # KiB


def test_a_good_header_is_what_the_package_reads(good):
    header, theirs = read_header(good), gguf.GGUFReader(good)
    fields = {key: field.contents() for key, field in theirs.fields.items() if not key.startswith("GGUF.")}
    assert header.metadata == fields
    for one in theirs.tensors:
        entry = header.tensors[one.name]
        assert (entry.start, entry.bytes, entry.type) == (one.data_offset, one.n_bytes, one.tensor_type.name)
        assert list(entry.shape) == one.shape.tolist()[::-1]
    assert len(header.tensors) == len(theirs.tensors)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(data=st.data())
def test_damage_is_one_line_or_nothing(good, tmp_path, data):
    """Cut off anywhere, or with any eight bytes of the header overwritten: our own error, or a file that reads."""
    whole = good.read_bytes()
    place = data.draw(st.integers(0, len(whole) // 3))
    if data.draw(st.booleans()):
        damaged = whole[:place]
    else:
        damaged = whole[:place] + data.draw(st.binary(min_size=8, max_size=8)) + whole[place + 8 :]
    path = tmp_path / "damaged.gguf"
    path.write_bytes(damaged)
    with contextlib.suppress(HornbookError):
        _, source = gguf_source(read_header(path))
        for name in source.shapes:
            source.read(name)


@pytest.mark.parametrize(("key", "value", "says"), [
    ("general.architecture", "mamba", "the architecture 'mamba' is not read"), ("llama.block_count", 10**9, "blocks"),
    ("llama.block_count", 3, "is missing"), ("llama.embedding_length", 128, "its numbers ask for"),
    ("llama.attention.head_count", 0, "num_attention_heads"), ("llama.expert_count", 8, "experts"),
    ("llama.rope.scaling.type", "yarn", "rope scaling 'yarn'"), ("llama.context_length", None, "does not say"),
    ("llama.feed_forward_length", "many", "cannot be"), ("llama.rope.dimension_count", 8, "in part"),
])  # fmt: skip
def test_a_model_that_is_not_read_is_one_line(good, key, value, says):
    header = read_header(good)
    header.metadata[key] = value
    if value is None:
        del header.metadata[key]
    kind = DamagedError if says in ("blocks", "is missing", "its numbers ask for") else InputError
    with pytest.raises(kind, match=says) as caught:
        gguf_source(header)
    assert "\n" not in str(caught.value)


def test_other_tensors_and_other_types_are_said(good):
    header = read_header(good)
    entry = header.tensors["blk.0.attn_q.weight"]
    header.tensors["blk.0.attn_sinks.weight"] = entry
    with pytest.raises(InputError, match=r"no place for, such as blk\.0\.attn_sinks"):
        gguf_source(header)
    del header.tensors["blk.0.attn_sinks.weight"]
    object.__setattr__(entry, "type", "Q8_K")
    with pytest.raises(InputError, match="of the type Q8_K, which is not unpacked"):
        gguf_source(header)


@pytest.mark.parametrize(("make", "says"), [
    (lambda path: path.mkdir(), "this is a folder"), (lambda path: None, "no such file"),
    (lambda path: path.write_bytes(b""), "no GGUF file"),
])  # fmt: skip
def test_what_is_no_file(tmp_path, make, says):
    make(tmp_path / "it")
    with pytest.raises(InputError, match=says):
        read_header(tmp_path / "it")
