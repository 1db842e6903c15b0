"""Compiling the kernels: once, for this machine, and in one line why not where that fails."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hornbook.core.processes import compiler
from hornbook.models import kernels

needs_compiler = pytest.mark.skipif(not compiler(), reason="there is no C++ compiler here")


@pytest.fixture
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Nothing compiled yet, and a cache of the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    kernels.found_kernels.cache_clear()
    yield tmp_path
    kernels.found_kernels.cache_clear()


@needs_compiler
def test_it_is_compiled_once(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert kernels.found_kernels().loaded is not None
    (made,) = (fresh / "hornbook" / "kernels").iterdir()
    monkeypatch.setattr(kernels, "_compile", lambda *_: pytest.fail("compiled again"))
    kernels.found_kernels.cache_clear()
    assert kernels.found_kernels().loaded is not None
    assert made.exists()


def test_without_a_compiler(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    found = kernels.found_kernels()
    assert found.loaded is None
    assert found.why == "there is no C++ compiler: install g++ or clang++"
    assert kernels.kernels() is None


def test_a_compiler_that_fails(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = fresh / "broken"
    program.write_text('#!/bin/sh\n[ "$1" = --version ] && exit 0\necho "it has no AVX" >&2\nexit 1\n')
    program.chmod(0o755)
    monkeypatch.setenv("CXX", str(program))
    assert kernels.found_kernels().why == f"{program} cannot compile them: it has no AVX"


def test_kernels_that_were_wanted_and_cannot_be_had_are_told_of(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    from hornbook.models.device import use_processor

    monkeypatch.setenv("CXX", "no-such-compiler")
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    heard: list[str] = []
    use_processor(torch.get_num_threads(), compile=True, warn=heard.append)
    use_processor(torch.get_num_threads(), compile=False, warn=heard.append)
    assert heard == [
        "the processor's kernels are not used, so this takes longer: there is no C++ compiler: install g++ or clang++"
    ]


@needs_compiler
def test_the_threads_are_torchs() -> None:
    """One OpenMP in the process: two would each keep their own threads spinning."""
    code = (
        "import torch; from hornbook.models.kernels import kernels; assert kernels() is not None\n"
        "lines = open('/proc/self/maps').read().split()\n"
        "print(len({word for word in lines if 'libgomp' in word or 'libomp' in word}))"
    )
    if not Path("/proc/self/maps").exists():
        pytest.skip("there is no /proc here")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    assert done.stdout.strip() == "1"


def test_the_same_model_with_kernels_and_without() -> None:
    import torch

    from hornbook.models import Transformer, TransformerConfig

    config = TransformerConfig(
        vocab_size=50,
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=16,
    )
    model = Transformer(config, seed=0)
    for parameter in model.parameters():  # the output projections begin at zero, which would hide everything
        torch.nn.init.normal_(parameter, std=0.2, generator=torch.Generator().manual_seed(1))
    ids_BT = torch.randint(0, 50, (3, 20), generator=torch.Generator().manual_seed(2))
    found = []
    try:
        for wanted in (True, False):
            kernels.use_kernels(wanted)
            logits_BTV = model(ids_BT)
            logits_BTV.square().sum().backward()
            with torch.no_grad():
                found.append([logits_BTV.detach(), model(ids_BT), *(p.grad.clone() for p in model.parameters())])
            model.zero_grad()
    finally:
        kernels.use_kernels(True)
    for own, other in zip(*found, strict=True):
        torch.testing.assert_close(own, other, rtol=1e-4, atol=1e-4 * float(other.abs().max()))
