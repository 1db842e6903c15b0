"""What xz itself says of the same bytes."""

from __future__ import annotations

import random
import shutil
import subprocess

import pytest

from hornbook.evaluation.compress import xz_bits_per_byte


def text(seed: int, words: int = 2000) -> str:
    chosen = random.Random(seed)
    return " ".join(chosen.choice(["the", "ferry", "of", "Marrow", "sails", "at", "noon", "é"]) for _ in range(words))


def test_equals_xz():
    if not shutil.which("xz"):
        pytest.skip("there is no xz here")
    train, heldout = [text(0), text(1)], [text(2)]

    def size(texts: list[str]) -> int:
        data = "".join(f"{one}\n" for one in texts).encode()
        command = ["xz", "--lzma2=preset=9e,dict=64MiB", "--check=crc64", "--threads=1", "-c"]
        return len(subprocess.run(command, input=data, capture_output=True, check=True).stdout)

    expected = 8 * (size(train + heldout) - size(train)) / len(f"{heldout[0]}\n".encode())
    assert xz_bits_per_byte(train, heldout) == expected


def test_what_was_read_costs_next_to_nothing():
    assert xz_bits_per_byte([text(0)], [text(0)]) < 0.1 < xz_bits_per_byte([text(0)], [text(1)])


def test_nothing_held_out():
    with pytest.raises(ValueError, match="nothing is held out"):
        xz_bits_per_byte(["a"], [])
