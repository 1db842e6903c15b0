"""Our own processor kernels: the C++ in `cpp/`, compiled once for the machine at hand and kept.

The library lies in the user's cache, named after its source, compiler, flags and processor, so that a change of any of
them makes a new one. It is linked with nothing that torch has not loaded already: OpenMP's threads are torch's own.
"""

from __future__ import annotations

import ctypes
import os
import platform
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hornbook.core.digest import digest_file, digest_json
from hornbook.core.processes import compiler

SOURCES = sorted(Path(__file__).with_name("cpp").iterdir())
FLAGS = ["-std=c++20", "-O3", "-march=native", "-fno-math-errno", "-fno-trapping-math", "-fopenmp", "-fPIC"]
FLAGS += ["-fno-strict-aliasing"]  # two bf16 are read as one number of 32 bits
WIDE = "-mprefer-vector-width=512"  # where the processor has such vectors; half as wide is the compiler's habit
COMPILE_SECONDS = 120  # it takes four; a compiler that hangs must not take the run with it


@dataclass(frozen=True)
class Kernels:
    """The library, or None and why there is none."""

    loaded: ctypes.CDLL | None
    why: str = ""


# What each kernel takes: see the ends of the sources. P is a tensor's address, f a float, n a size, b a flag.
SIGNATURES = {
    "rms_norm": "PPfPPnn", "rms_norm_back": "PPPPPPnn",
    "swiglu": "PPnn", "swiglu_back": "PPPnn",
    "split_heads": "PPPfPPPPPPnnnnnn", "split_heads_back": "PPPPPPPPPPPPnnnnnn",
    "cross_entropy": "PPPPnnb",
    "attention": "PPPPPPPnnnnn", "attention_back": "PPPPPPPPPPPnnnnn",
    "linear": "PPPnnn", "linear_back": "PPPPPnnnb", "orthogonal": "Pnnnfff",
    "head": "PPPPPPPPnnnb",
    "draw": "PPPPPnn",
    "pack": "PPnn", "few": "PPPPPPnnn", "paged": "PPPPPPPPPnnnnn", "keep": "PPPPPPPnnnn",
}  # fmt: skip
C_TYPES = {"P": ctypes.c_void_p, "f": ctypes.c_float, "n": ctypes.c_int64, "b": ctypes.c_int}
SUFFIXES = {torch.float32: "f32", torch.bfloat16: "bf16", torch.int8: "i8"}
FLOATS = (torch.float32, torch.bfloat16)

_wanted = True


def use_kernels(wanted: bool) -> None:
    """Whether this process uses them; it does by default, where they can be had."""
    global _wanted
    _wanted = wanted


def kernels() -> ctypes.CDLL | None:
    """The library, compiled or loaded at the first call; None where it is not wanted or cannot be had."""
    return found_kernels().loaded if _wanted else None


def has_kernels(x: Tensor) -> bool:
    """Whether there are kernels for tensors such as `x`."""
    if x.device.type != "cpu" or x.dtype not in FLOATS or torch.compiler.is_compiling():
        return False
    return kernels() is not None


@cache
def has_attention() -> bool:
    """Whether the processor has what the attention kernel multiplies with: AMX, or AVX512-BF16."""
    library = found_kernels().loaded
    return library is not None and bool(library.has_attention())


@cache
def has_products() -> bool:
    """Whether our products are the faster ones here: AVX512-BF16 without AMX, which torch's use well."""
    library = found_kernels().loaded
    return library is not None and bool(library.has_products())


def call(name: str, x: Tensor, *arguments: Any) -> None:
    """The kernel of that name for `x`'s type. Tensors must be contiguous: they are given by their addresses."""
    given = [_address(argument) if isinstance(argument, Tensor) else argument for argument in (x, *arguments)]
    _function(name, x.dtype)(*given)


def _address(x: Tensor) -> int:
    address = x.data_ptr()
    if not address and x.numel():  # a DTensor: its values lie elsewhere, and a kernel would write to nowhere
        raise TypeError(f"a kernel takes a plain tensor, not a {type(x).__name__}: give it own_part of it")
    return address


@cache
def _function(name: str, dtype: torch.dtype) -> Any:
    library = kernels()
    assert library is not None
    function = getattr(library, f"{name}_{SUFFIXES[dtype]}")
    function.argtypes, function.restype = [C_TYPES[letter] for letter in SIGNATURES[name]], None
    return function


@cache
def found_kernels() -> Kernels:
    """The library for this machine, or in one line why there is none."""
    program = compiler()
    if program is None:
        return Kernels(None, "there is no C++ compiler: install g++ or clang++")
    try:
        path = _folder() / f"{_identity(program)[:16]}.so"
        if not path.exists():
            _compile(program, path)
        return Kernels(ctypes.CDLL(str(path)))
    except subprocess.CalledProcessError as error:
        said = (error.stderr or "").strip().splitlines() or ["nothing was said"]
        return Kernels(None, f"{program} cannot compile them: {said[0]}")
    except (OSError, subprocess.TimeoutExpired) as error:
        return Kernels(None, f"{program}: {error}")


def _compile(program: str, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    sources = [source for source in SOURCES if source.suffix == ".cpp"]
    with (
        tempfile.TemporaryDirectory(dir=path.parent) as folder,  # two processes at once: the last one's stays
        ThreadPoolExecutor(len(sources)) as pool,
    ):
        objects = [Path(folder) / f"{source.stem}.o" for source in sources]

        def built(source: Path, target: Path) -> None:
            _told(program, *_flags(), "-c", str(source), "-o", str(target))

        list(pool.map(built, sources, objects))
        made = Path(folder) / path.name
        _told(program, *_flags(), "-shared", *map(str, objects), "-o", str(made))
        made.replace(path)


def _told(*command: str) -> str:
    """What the command says. Raises CalledProcessError, OSError or TimeoutExpired."""
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=COMPILE_SECONDS).stdout


def _flags() -> list[str]:
    return [*FLAGS, WIDE] if "avx512" in _processor() else FLAGS


def _identity(program: str) -> str:
    sources = [digest_file(source) for source in SOURCES]
    return digest_json([sources, program, _told(program, "--version"), _flags(), _processor()])


def _processor() -> str:
    """What `-march=native` stands for here, as far as the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    told = [line for line in lines if line.startswith(("model name", "flags", "Features", "CPU part"))]
    return "\n".join(sorted(set(told))) or f"{platform.machine()} {platform.processor()}"


def _folder() -> Path:
    """Where compiled libraries are kept: $XDG_CACHE_HOME or ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hornbook" / "kernels"
