"""One training step of ours or of a peer, in a process of its own that works when it is told to.

    python -m benchmarks.pretrain.trainers NAME SHAPE

SHAPE is JSON (`Shape`), the device in it. A line with a number on its standard input makes so many whole steps: batch,
forward, backward, gradient norm, optimiser. It answers with one JSON object a line: seconds a step, and the most memory
held so far.
Random tokens, rows of one document, two threads or as many as there are cores, the same for all.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.results import Absent
from hornbook.core.processes import cores

if TYPE_CHECKING:
    from hornbook.models import TransformerConfig

WARM_STEPS = 3


@dataclass(frozen=True)
class Shape:
    """A model, its batch, and what computes it. `inner` is SwiGLU's; nanochat has four times the width."""

    depth: int = 4
    width: int = 256
    inner: int = 768
    window: int = 512
    rows: int = 8
    vocabulary: int = 4096
    head: int = 64  # a head's width
    device: str = "cpu"

    @property
    def heads(self) -> int:
        return self.width // self.head

    @property
    def tokens(self) -> int:
        """A step's."""
        return self.rows * self.window


class Trainer:
    """A trainer in a process of its own."""

    def __init__(self, name: str, shape: Shape):
        missing = lacking(name)
        if missing:
            raise Absent(missing)
        environment = os.environ | ENVIRONMENTS.get(name, {})
        self.name = name
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.pretrain.trainers", name, json.dumps(asdict(shape))],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment,
        )
        self.steps(WARM_STEPS)

    def steps(self, count: int) -> list[float]:
        """Seconds of each of so many steps."""
        return self._asked(count)["seconds"]

    def peak_bytes(self) -> int:
        """The most memory the process has held."""
        return self._asked(0)["peak_bytes"]

    def close(self) -> None:
        """End the process."""
        self.process.communicate()

    def _asked(self, count: int) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{count}\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the trainer {self.name} ended: see what it said above")
        return json.loads(line)


def lacking(name: str) -> str:
    """What has to be brought before the trainer can work; nothing where all is here."""
    if name.startswith("nanochat"):
        folder = os.environ.get("HORNBOOK_NANOCHAT")
        if not folder or not (Path(folder) / "nanochat" / "gpt.py").is_file():
            return "a checkout of github.com/karpathy/nanochat: --nanochat PATH"
    return ""


def config_of(shape: Shape) -> TransformerConfig:
    """Our model of the shape."""
    from hornbook.models import TransformerConfig

    return TransformerConfig(
        vocab_size=shape.vocabulary, hidden_size=shape.width, intermediate_size=shape.inner,
        num_hidden_layers=shape.depth, num_attention_heads=shape.heads, num_key_value_heads=shape.heads,
        head_dim=shape.head, max_position_embeddings=shape.window,
    )  # fmt: skip


def ours(shape: Shape, dtype: str, *, fp8: bool = False, graphs: bool = False) -> Iterator[float]:
    """`fit`, as a stage calls it, on batches of the loader; with `graphs` what is compiled is replayed as CUDA graphs,
    which no stage asks for."""
    import torch

    from hornbook.models import Transformer
    from hornbook.models.device import use_processor
    from hornbook.models.float8 import use_float8
    from hornbook.tokens.loader import PackedBatches
    from hornbook.training.compiled import compiled
    from hornbook.training.fit import fit
    from hornbook.training.objectives.next_token import next_token
    from hornbook.training.optimiser import Optimiser
    from hornbook.training.schedule import constant

    use_processor(cores())
    if graphs:
        import torch._inductor.config

        torch._inductor.config.triton.cudagraphs = True
    model = Transformer(config_of(shape), compute_dtype=getattr(torch, dtype), seed=0).to(shape.device)
    if fp8:
        use_float8(model.model.layers)
    text = np.random.default_rng(0).integers(0, shape.vocabulary, (64, shape.window + 1))
    batches = PackedBatches(list(text), None, window=shape.window, rows=shape.rows, seed=0)

    def work(on_step: Callable[[int, dict[str, float]], None]) -> None:
        fit(
            model, batches, compiled(next_token, shape.device), Optimiser(model), constant, folder=None,
            device=shape.device, steps=10**9, on_step=on_step,
        )  # fmt: skip

    return _called_back(work, shape.tokens)


def transformers(shape: Shape, dtype: str) -> Iterator[float]:
    """transformers' Qwen3 and torch's fused AdamW, eager; in bf16 weights and all, which is its fastest."""
    import torch
    from transformers import Qwen3Config, Qwen3ForCausalLM

    torch.set_num_threads(cores())
    config = Qwen3Config(
        vocab_size=shape.vocabulary, hidden_size=shape.width, intermediate_size=shape.inner,
        num_hidden_layers=shape.depth, num_attention_heads=shape.heads, num_key_value_heads=shape.heads,
        head_dim=shape.head, max_position_embeddings=shape.window, tie_word_embeddings=False, use_cache=False,
    )  # fmt: skip
    model = Qwen3ForCausalLM(config).to(getattr(torch, dtype))
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
    while True:
        ids_BT = torch.randint(0, shape.vocabulary, (shape.rows, shape.window))
        started = time.perf_counter()
        model(input_ids=ids_BT, labels=ids_BT).loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad()
        yield time.perf_counter() - started


def nanochat(shape: Shape, dtype: str, *, compiled: bool = False) -> Iterator[float]:
    """nanochat's model and optimiser from the checkout, at its default rates, with full windows as its script for
    processors has them, and as it advises for GPUs without its kernels. Its precision is what NANOCHAT_DTYPE says; its
    own training loop compiles the model."""
    import torch

    sys.path.insert(0, os.environ["HORNBOOK_NANOCHAT"])
    from nanochat.gpt import GPT, GPTConfig  # pyright: ignore[reportMissingImports]

    torch.set_num_threads(cores())
    config = GPTConfig(
        sequence_len=shape.window, vocab_size=shape.vocabulary, n_layer=shape.depth, n_head=shape.heads,
        n_kv_head=shape.heads, n_embd=shape.width, window_pattern="L",
    )  # fmt: skip
    with torch.device(shape.device):
        model = GPT(config)
        model.init_weights()
    optimiser = model.setup_optimizer()
    run = torch.compile(model, dynamic=False) if compiled else model
    while True:
        ids_BT, targets_BT = torch.randint(0, shape.vocabulary, (2, shape.rows, shape.window), device=shape.device)
        started = time.perf_counter()
        run(ids_BT, targets_BT).backward()
        optimiser.step()
        model.zero_grad(set_to_none=True)
        if shape.device != "cpu":  # as its own loop does
            torch.cuda.synchronize()
        yield time.perf_counter() - started


PRODUCT = (4096, 512, 1536)


def product(shape: Shape) -> Iterator[float]:
    """No trainer: torch's bf16 product of PRODUCT, whose rate others are measured by; seconds of one, of 8 in a row."""
    import torch

    torch.set_num_threads(cores())
    M, K, N = PRODUCT
    x_MK, weight_NK = torch.randn(M, K).bfloat16(), torch.randn(N, K).bfloat16()
    while True:
        started = time.perf_counter()
        for _ in range(8):
            torch.nn.functional.linear(x_MK, weight_NK)
        yield (time.perf_counter() - started) / 8


TRAINERS: dict[str, Callable[[Shape], Iterator[float]]] = {
    "ours_bf16": lambda shape: ours(shape, "bfloat16"),
    "ours_fp32": lambda shape: ours(shape, "float32"),
    "transformers_fp32": lambda shape: transformers(shape, "float32"),
    "transformers_bf16": lambda shape: transformers(shape, "bfloat16"),
    "nanochat_fp32": lambda shape: nanochat(shape, "float32"),
    "nanochat_bf16": lambda shape: nanochat(shape, "bfloat16"),
    "ours_fp8": lambda shape: ours(shape, "bfloat16", fp8=True),
    "ours_graphs": lambda shape: ours(shape, "bfloat16", graphs=True),
    "product": product,
    "nanochat_fp32_compiled": lambda shape: nanochat(shape, "float32", compiled=True),
    "nanochat_bf16_compiled": lambda shape: nanochat(shape, "bfloat16", compiled=True),
}
ENVIRONMENTS = {name: {"NANOCHAT_DTYPE": "bfloat16" if "bf16" in name else "float32"} for name in TRAINERS}


def _called_back(work: Callable[[Callable[[int, dict[str, float]], None]], None], tokens: int) -> Iterator[float]:
    """The seconds of every step of a loop that calls back, one by one: the loop waits in a thread of its own."""
    from threading import Semaphore, Thread

    go, done, found = Semaphore(0), Semaphore(0), []

    def on_step(step: int, row: dict[str, float]) -> None:
        found.append(tokens / row["tokens_per_second"])
        done.release()
        go.acquire()

    Thread(target=work, args=(on_step,), daemon=True).start()
    while True:
        done.acquire()
        yield found[-1]
        go.release()


def _peak_bytes(device: str) -> int:
    if device != "cpu":
        import torch

        return torch.cuda.max_memory_reserved()
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


def main() -> None:
    name, shape = sys.argv[1], Shape(**json.loads(sys.argv[2]))
    steps = TRAINERS[name](shape)
    answers, sys.stdout = sys.stdout, sys.stderr  # what peers print is no answer
    for line in sys.stdin:
        seconds = [next(steps) for _ in range(int(line))]
        print(json.dumps({"seconds": seconds, "peak_bytes": _peak_bytes(shape.device)}), file=answers, flush=True)
    os._exit(0)  # the loop's thread waits


if __name__ == "__main__":
    main()
