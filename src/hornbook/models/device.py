"""Which device, which number type, and whether there is a compiler: looked at once, by capability."""

from __future__ import annotations

import os
import shutil

import torch


def pick_device() -> torch.device:
    """CUDA where there is a GPU, the processor elsewhere."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def pick_dtype(device: torch.device | str) -> torch.dtype:
    """bf16 where the hardware multiplies it natively (AMX, AVX512-BF16, Ampere and later), fp32 elsewhere.

    bf16 that a processor only emulates is slower than fp32, so capability decides and not support.
    """
    if torch.device(device).type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float32
    native = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return torch.bfloat16 if native else torch.float32


def can_compile(device: torch.device | str = "cpu") -> bool:
    """Whether torch.compile has what it needs: a C++ compiler on the processor, Triton on a GPU."""
    if torch.device(device).type == "cuda":
        from torch.utils._triton import has_triton

        return has_triton()
    return any(shutil.which(name) for name in (os.environ.get("CXX", "g++"), "g++", "clang++"))
