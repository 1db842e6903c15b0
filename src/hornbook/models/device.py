"""Which device, which number type, and whether there is a compiler: looked at once, by capability."""

from __future__ import annotations

from collections.abc import Callable

import torch

from hornbook.core.errors import InputError
from hornbook.core.processes import compiler, glibc, memory_limit, release_memory
from hornbook.core.words import counted
from hornbook.models.kernels import found_kernels, use_kernels

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD = -1, -2, -3  # glibc's malloc.h


def pick_device(asked: str = "auto") -> torch.device:
    """What is asked for; by itself CUDA where there is a GPU, the processor elsewhere. Raises InputError for a GPU that
    is not here."""
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    device = torch.device(("cuda" if count else "cpu") if asked == "auto" else asked)
    if device.type == "cuda" and (device.index or 0) >= count:
        raise InputError(f"torch finds {counted(count, 'GPU')} here", where=f"[run]: device = {asked!r}",
                         fix="set device = \"cpu\", or install a torch for CUDA")  # fmt: skip
    return device


def pick_dtype(device: torch.device | str) -> torch.dtype:
    """bf16 where the hardware multiplies it natively (AMX, AVX512-BF16, Ampere and later), fp32 elsewhere.

    bf16 that a processor only emulates is slower than fp32, so capability decides and not support.
    """
    if torch.device(device).type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float32
    native = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return torch.bfloat16 if native else torch.float32


def memory_for(device: torch.device | str) -> int:
    """The bytes that a process may fill: of a GPU's memory what is free, of a machine's what it may hold at most."""
    device = torch.device(device)
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else memory_limit()


def can_compile(device: torch.device | str = "cpu") -> bool:
    """Whether there is what makes training fast: a C++ compiler for our kernels, Triton for torch.compile on a GPU."""
    if torch.device(device).type == "cuda":
        from torch.utils._triton import has_triton

        return has_triton()
    return compiler() is not None


def use_processor(threads: int, *, compile: bool = True, warn: Callable[[str], None] = lambda text: None) -> None:
    """Compute with so many threads, with our kernels or not, and keep freed memory in the process for the next step.
    `warn` hears of kernels that were to be used and cannot be.

    A training step frees and asks again for the same hundreds of megabytes; by default glibc gives each block back to
    the kernel, which then clears every page anew: 3.6 million page faults in 40 steps against 0.2 million, 5,300
    tokens a second against 7,300 (docs/log.md).
    """
    torch.set_num_threads(threads)
    use_kernels(compile)
    if compile and pick_device().type == "cpu" and not found_kernels().loaded:
        warn(f"the processor's kernels are not used, so this takes longer: {found_kernels().why}")
    library = glibc()
    if library is not None:
        library.mallopt(M_MMAP_THRESHOLD, 32 << 20)
        library.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
        library.mallopt(M_TOP_PAD, 64 << 20)
    release_memory()
