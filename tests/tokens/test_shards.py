"""What is written is read; every token knows its document; damage is named in one line; a killed writer goes on."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hornbook.core.errors import DamagedError
from hornbook.tokens.shards import MANIFEST, Encoded, TokenShards, finished, write_tokens

DOCUMENTS = [Encoded(f"page-{index}é", np.arange(index * 3 % 11, dtype=np.int32) + index, f"{index // 9}é")
             for index in range(25)]
LISTS = st.lists(st.lists(st.integers(0, 99), max_size=9), max_size=12)


@settings(max_examples=30)
@given(LISTS, st.integers(1, 20), st.sampled_from([100, 1 << 17]))
def test_what_is_written_is_read(tmp_path_factory, documents, shard_tokens, vocab_size):
    folder = tmp_path_factory.mktemp("shards")
    named = [Encoded(str(index), np.array(ids, np.int64), "abca"[len(ids) % 4]) for index, ids in enumerate(documents)]
    manifest = write_tokens(folder, named, vocab_size=vocab_size, shard_tokens=shard_tokens)
    shards = TokenShards(folder)
    assert manifest["dtype"] == ("uint16" if vocab_size == 100 else "uint32")
    assert [ids.tolist() for ids in shards] == documents
    assert shards.lengths.tolist() == [len(ids) for ids in documents]
    assert shards.total == manifest["tokens"] == sum(map(len, documents))
    assert [shards.source_names[source] for source in shards.sources] == [each.source for each in named]
    by_source = {each.source: sum(len(other.ids) for other in named if other.source == each.source) for each in named}
    assert shards.tokens_by_source() == by_source
    owners = [str(index) for index, ids in enumerate(documents) for _ in ids]
    assert [shards.where(offset) for offset in range(shards.total)] == owners
    with pytest.raises(IndexError):
        shards.where(shards.total)


def test_a_killed_writer_goes_on_to_the_same_files(tmp_path):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    write_tokens(whole, DOCUMENTS, shard_tokens=20)

    def killed():
        yield from DOCUMENTS[:17]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_tokens(broken, killed(), shard_tokens=20)
    done = finished(broken)
    assert 0 < done < 17
    write_tokens(broken, DOCUMENTS[done:], shard_tokens=20)
    assert {path.name: path.read_bytes() for path in broken.iterdir()} == \
        {path.name: path.read_bytes() for path in whole.iterdir()}


@pytest.mark.parametrize(("name", "damage", "says"), [
    ("00000.bin", lambda data: data[:-2], "bytes and not"),
    ("00000.bin", lambda data: data[:-1] + b"\x07", "sha256 differs"),
    ("00000.idx", lambda data: data + b"\0", "bytes and not"),
    ("00000.ids", lambda data: data.replace(b"page", b"pege"), "sha256 differs"),
    ("00000.ids", lambda data: None, "missing"),
    (MANIFEST, lambda data: None, "missing"),
    (MANIFEST, lambda data: data[:40], "not JSON"),
    (MANIFEST, lambda data: b"{}", "not a list of token shards"),
    (MANIFEST, lambda data: data.replace(b"uint16", b"uint17"), "not a list of token shards"),
    (MANIFEST, lambda data: data.replace(b'"documents": 25,\n', b'"documents": 26,\n', 1), "in its shards and 26"),
    (MANIFEST, lambda data: data.replace(b'"sources"', b'"origins"'), "not a list of token shards"),
    (MANIFEST, lambda data: data.replace(b"9\n", b"8\n", 1), "the sources of shard 00000 are not those"),
    (MANIFEST, lambda data: b"[1]", "not a list of token shards"),
])
def test_damage_is_one_line(tmp_path, name, damage, says):
    write_tokens(tmp_path, DOCUMENTS)
    path = tmp_path / name
    data = damage(path.read_bytes())
    path.unlink() if data is None else path.write_bytes(data)
    with pytest.raises(DamagedError, match=says) as caught:
        TokenShards(tmp_path)
    assert "\n" not in str(caught.value)
    assert name in str(caught.value)


def test_names_are_checked_against_their_number_even_unverified(tmp_path):
    write_tokens(tmp_path, DOCUMENTS)
    (tmp_path / "00000.ids").write_text("one\n")
    with pytest.raises(DamagedError, match="names 1 documents of 25"):
        TokenShards(tmp_path, verify=False)


def test_ends_out_of_order_are_refused_even_unverified(tmp_path):
    write_tokens(tmp_path, DOCUMENTS)
    path = tmp_path / "00000.idx"
    ends = np.fromfile(path, "<u8")
    ends[3], ends[4] = ends[4] + 1, ends[3]
    path.write_bytes(ends.tobytes())
    with pytest.raises(DamagedError, match="out of order"):
        TokenShards(tmp_path, verify=False)


@pytest.mark.parametrize("ids", [[-1], [100]])
def test_an_id_outside_the_vocabulary_is_not_written(tmp_path, ids):
    with pytest.raises(ValueError, match=r"0\.\.99"):
        write_tokens(tmp_path, [Encoded("a", np.array(ids), "")], vocab_size=100)
    assert not (tmp_path / MANIFEST).exists()


def test_the_manifest_tells_what_is_there(tmp_path):
    write_tokens(tmp_path, DOCUMENTS, shard_tokens=20)
    manifest = json.loads((tmp_path / MANIFEST).read_text())
    assert manifest["documents"] == 25
    assert manifest["tokens"] == sum(len(each.ids) for each in DOCUMENTS)
    assert len(manifest["shards"]) > 2
