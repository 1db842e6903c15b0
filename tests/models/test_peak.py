"""What a device computes at most: by its name, or asked."""

from __future__ import annotations

import pytest
import torch

from hornbook.models.peak import DENSE_BF16, listed, peak_flops


@pytest.mark.parametrize(
    ("name", "tera"),
    [
        ("NVIDIA H100 80GB HBM3", 989), ("NVIDIA H100 PCIe", 756), ("NVIDIA H100 NVL", 835), ("NVIDIA H200", 989),
        ("NVIDIA A100-SXM4-80GB", 312), ("NVIDIA L40S", 362), ("NVIDIA L4", 121),
        ("NVIDIA GeForce RTX 4090", 165.2), ("NVIDIA RTX 4000 Ada Generation", None), ("Tesla T4", None),
    ],
)  # fmt: skip
def test_a_gpu_is_known_by_its_name(name: str, tera: float | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: name)
    assert peak_flops("cuda:0", torch.bfloat16) == (None if tera is None else tera * 1e12)


def test_no_entry_hides_another() -> None:
    for words, tera in DENSE_BF16:
        assert listed(f"NVIDIA {words} 80GB") == tera * 1e12


def test_a_processor_is_asked() -> None:
    before = torch.random.get_rng_state()
    assert 1e8 < peak_flops("cpu", torch.float32) < 1e15
    assert torch.equal(torch.random.get_rng_state(), before)
