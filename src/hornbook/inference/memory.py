"""Memory that is read from end to end in every step, in large pages where the system has them: small ones take a line
of the processor's tables each, and what does not stand there must be looked up (docs/log.md has what that costs)."""

from __future__ import annotations

import contextlib
import mmap

import torch
from torch import Tensor

LARGE = 2 << 20  # bytes of a large page


def zeros(size: int) -> Tensor:
    """`size` bytes (uint8) on the CPU, zero; they take no room until they are written."""
    mapped = mmap.mmap(-1, size + LARGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if hasattr(mmap, "MADV_HUGEPAGE"):
        with contextlib.suppress(OSError):  # a kernel without large pages: then it is small ones
            mapped.madvise(mmap.MADV_HUGEPAGE)
    memory = torch.frombuffer(mapped, dtype=torch.uint8)
    skipped = -memory.data_ptr() % LARGE
    return memory[skipped : skipped + size]
