"""How many bf16 multiplications and additions a device does a second at most: what training's share is counted against.

A GPU's are its maker's figures for dense products; a processor is asked, for makers tell none.
"""

from __future__ import annotations

import time

import torch

# TFLOP/s, by the first whose words are all in the device's name. NVIDIA's data sheets of each card, without sparsity.
DENSE_BF16 = (
    ("B200", 2250.0), ("H200 NVL", 836.0), ("H200", 989.0), ("H100 NVL", 835.0), ("H100 PCIe", 756.0), ("H100", 989.0),
    ("A100", 312.0), ("A40", 149.7), ("A30", 165.0), ("L40S", 362.0), ("L4", 121.0), ("5090", 209.5), ("4090", 165.2),
    ("3090", 71.0),
)  # fmt: skip
PRODUCT = (4096, 512, 1536)  # places, inputs, outputs: what a processor is asked with
TURNS = 5


def peak_flops(device: torch.device | str, dtype: torch.dtype) -> float | None:
    """FLOPs a second of products on the device, on a processor in `dtype` with the threads that are set; None for a GPU
    that is not in the table."""
    device = torch.device(device)
    if device.type == "cuda":
        return listed(torch.cuda.get_device_name(device))
    return _measured(dtype) if device.type == "cpu" else None


def listed(name: str) -> float | None:
    """The table's figure for a GPU of that name.

    >>> listed("NVIDIA H100 80GB HBM3"), listed("NVIDIA H100 PCIe"), listed("NVIDIA T4")
    (989000000000000.0, 756000000000000.0, None)
    """
    given = name.lower().replace("-", " ").split()
    for words, tera in DENSE_BF16:
        if all(word in given for word in words.lower().split()):
            return tera * 1e12
    return None


def _measured(dtype: torch.dtype) -> float:
    """The best of some products: what else the machine does only makes one slower. Takes a tenth of a second."""
    M, K, N = PRODUCT
    generator = torch.Generator().manual_seed(0)
    x_MK, weight_NK = (torch.randn(rows, K, generator=generator).to(dtype) for rows in (M, N))
    seconds = []
    for _ in range(TURNS):
        began = time.perf_counter()
        torch.mm(x_MK, weight_NK.T)
        seconds.append(time.perf_counter() - began)
    return 2 * M * K * N / min(seconds)
