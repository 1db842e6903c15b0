"""Identity is canonical: the same request gives the same letters, another others, what JSON cannot hold raises."""

from __future__ import annotations

import json
import os

import pytest
import toys
from hypothesis import given
from hypothesis import strategies as st

from hornbook.core.digest import canonical_json
from hornbook.pipeline.config import InputPath, StageConfig
from hornbook.pipeline.identity import OutsideDigests, encoded, identity, paths_from_outside

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


class Anything(StageConfig):
    values: dict
    pages: tuple[InputPath, ...] = ()


def named(config: StageConfig, seed: int = 0, **inputs: str) -> str:
    return identity(toys.ROAD[2], config, seed, inputs, {})


@given(st.dictionaries(st.text(), VALUES, max_size=5), st.randoms())
def test_the_order_of_keys_bears_nothing(values, random):
    keys = list(values)
    random.shuffle(keys)
    assert named(Anything(values=values)) == named(Anything(values={key: values[key] for key in keys}))


@given(VALUES)
def test_canonical_json_reads_back(value):
    assert json.loads(canonical_json(value)) == value


@given(VALUES, VALUES)
def test_canonical_json_tells_apart_what_differs(one, other):
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (canonical_json(one) == canonical_json(other)) == same


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1: 2}, {"a": {2, 3}}, object(), b"x"])
def test_what_json_cannot_hold_raises(value):
    with pytest.raises(TypeError):
        canonical_json(value)


def test_a_set_in_a_configuration_raises():
    with pytest.raises(TypeError, match="a set has no order"):
        named(Anything(values={"a": {1, 2}}))


def test_every_part_of_the_request_bears():
    base = toys.LearnConfig(steps=3)
    names = {
        named(base, words="a"),
        named(base, words="b"),
        named(base, 1, words="a"),
        named(toys.LearnConfig(steps=4), words="a"),
    }
    assert len(names) == 4


class Older(StageConfig):
    steps: int = 3


class Newer(Older):
    later = ("twice",)
    twice: bool = False
    depth: int = 1


def test_a_later_key_bears_nothing_until_it_is_set():
    """What was made before the key was there is what its default asks for; any other key bears from the first."""
    assert encoded(Newer(), {}) == {"steps": 3, "depth": 1}
    assert named(Newer()) == named(Newer(twice=False)) != named(Newer(twice=True))
    assert named(Newer()) != named(Older())


def test_a_path_counts_by_its_content(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "page.txt").write_text("one")
    config = Anything(values={}, pages=(tmp_path / "a",))
    memory = OutsideDigests(tmp_path / "memory.json")
    before = memory.of(paths_from_outside(config))
    assert encoded(config, before)["pages"] == [{"content": before[str(tmp_path / "a")]}]
    os.rename(tmp_path / "a", tmp_path / "b")
    assert memory.of([InputPath(tmp_path / "b")])[str(tmp_path / "b")] == before[str(tmp_path / "a")]
    (tmp_path / "b" / "page.txt").write_text("two")
    assert memory.of([InputPath(tmp_path / "b")])[str(tmp_path / "b")] != before[str(tmp_path / "a")]


def test_what_is_outside_is_read_once(tmp_path, monkeypatch):
    (tmp_path / "a.txt").write_text("one")
    first = OutsideDigests(tmp_path / "memory.json").of([InputPath(tmp_path / "a.txt")])
    monkeypatch.setattr("hornbook.pipeline.identity.digest_file", lambda path: pytest.fail("read again"))
    assert OutsideDigests(tmp_path / "memory.json").of([InputPath(tmp_path / "a.txt")]) == first
