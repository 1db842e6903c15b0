"""One engine, ours or a peer's, in a process of its own that answers when it is told to.

    python -m benchmarks.inference.decoders NAME FOLDER

NAME is `ours_bf16`, `ours_fp32`, `ours_int8`, `transformers_fp32`, `transformers_bf16`, `llamacpp_f32` or
`llamacpp_q8_0`. A line of JSON on its standard input is a list of prompts, of token ids, all of one length; it answers
each greedily with NEW tokens, ends ignored, on two threads, and says how long the first token took and how many tokens
a second came after it, of all prompts together.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks.inference.shape import NEW, THREADS, WINDOW
from benchmarks.results import Absent

Prompts = Sequence[Sequence[int]]
NEEDED = {"ours": "torch", "transformers": "transformers", "llamacpp": "llama_cpp"}
PACKAGES = {"llama_cpp": "pip install --no-binary llama-cpp-python llama-cpp-python"}


@dataclass(frozen=True)
class Pace:
    """seconds: to the first token of every prompt. rate: tokens a second of all after that."""

    seconds: float
    rate: float


class Decoder:
    """An engine in a process of its own. Raises Absent where it is not installed."""

    def __init__(self, name: str, folder: Path):
        module = NEEDED[name.partition("_")[0]]
        if find_spec(module) is None:
            raise Absent(PACKAGES.get(module, f"pip install {module}"))
        self.name = name
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.inference.decoders", name, str(folder)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )

    def answer(self, prompts: Prompts) -> Pace:
        """How fast it answers them together."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(prompts) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name} ended: see what it said above")
        return Pace(**json.loads(line))

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


def _ours(kind: str, folder: Path) -> Callable[[Prompts], Pace]:
    import torch

    from hornbook.inference import Engine, Request, Sampling
    from hornbook.models import load_model
    from hornbook.models.device import use_processor
    from hornbook.models.quantise import quantise
    from hornbook.tokens.foreign import load_tokenizer

    use_processor(THREADS)
    tokenizer = load_tokenizer(folder)
    model = load_model(folder, dtype=torch.float32 if kind == "fp32" else torch.bfloat16).requires_grad_(False)
    if kind == "int8":
        quantise(model, "int8")
    sampling, engines = Sampling(max_tokens=NEW, ignore_end=True), {}

    def answer(prompts: Prompts) -> Pace:
        rows = len(prompts)
        if rows not in engines:
            engines[rows] = Engine(model, tokenizer, slots=rows, tokens=rows * WINDOW, frozen=True)
        engine = engines[rows]
        began, before = perf_counter(), engine.figures().sampled_tokens
        for prompt in prompts:
            engine.add(engine.ticket(Request(ids=prompt, sampling=sampling)))
        while engine.step() and (engine.figures().waiting or engine.figures().sampled_tokens - before < rows):
            pass
        first, read = perf_counter(), engine.figures().sampled_tokens
        while engine.step():
            pass
        return Pace(first - began, (engine.figures().sampled_tokens - read) / (perf_counter() - first))

    return answer


def _transformers(kind: str, folder: Path) -> Callable[[Prompts], Pace]:
    import torch
    from transformers import AutoModelForCausalLM

    torch.set_num_threads(THREADS)
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16}[kind]
    model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype).eval()
    model.generation_config.eos_token_id = None
    model.generation_config.pad_token_id = 0

    def answer(prompts: Prompts) -> Pace:
        ids_BT, times = torch.tensor(prompts), []

        def clock(ids_BT: torch.Tensor, scores: Any, **_: Any) -> torch.Tensor:
            times.append(perf_counter())
            return torch.zeros(len(ids_BT), dtype=torch.bool)

        began = perf_counter()
        model.generate(
            ids_BT, attention_mask=torch.ones_like(ids_BT), do_sample=False, max_new_tokens=NEW,
            stopping_criteria=[clock],
        )  # fmt: skip
        assert len(times) == NEW
        return Pace(times[0] - began, len(prompts) * (NEW - 1) / (times[-1] - times[0]))

    return answer


def _llamacpp(kind: str, folder: Path) -> Callable[[Prompts], Pace]:
    import numpy as np

    from hornbook.models.gguf.writing import write_gguf

    llama: Any = import_module("llama_cpp")
    import_module("llama_cpp._logger").set_verbose(False)
    file = folder / f"{kind}.gguf"
    if not file.exists():
        write_gguf(folder, file, kind, said={})  # type: ignore[arg-type]
    llama.llama_backend_init()
    model = llama.llama_model_load_from_file(str(file).encode(), llama.llama_model_default_params())
    if model is None:
        raise RuntimeError(f"llama.cpp cannot read {file}")
    size = llama.llama_vocab_n_tokens(llama.llama_model_get_vocab(model))

    def read(context: Any, batch: Any, entries: Sequence[tuple[int, int, int, bool]]) -> None:
        """One pass over (token, position, row, whether its scores are wanted)."""
        batch.n_tokens = len(entries)
        for place, (token, position, row, wanted) in enumerate(entries):
            batch.token[place], batch.pos[place], batch.logits[place] = token, position, wanted
            batch.n_seq_id[place], batch.seq_id[place][0] = 1, row
        if llama.llama_decode(context, batch) != 0:
            raise RuntimeError("llama.cpp could not read the batch")

    def likeliest(context: Any, places: Sequence[int]) -> list[int]:
        scores = (np.ctypeslib.as_array(llama.llama_get_logits_ith(context, place), (size,)) for place in places)
        return [int(each.argmax()) for each in scores]

    def answer(prompts: Prompts) -> Pace:
        rows, length = len(prompts), len(prompts[0])
        settings = llama.llama_context_default_params()
        settings.n_ctx, settings.n_seq_max = rows * (length + NEW), rows
        settings.n_batch = settings.n_ubatch = max(512, length)
        settings.n_threads = settings.n_threads_batch = THREADS
        context = llama.llama_init_from_model(model, settings)
        if context is None:
            raise RuntimeError("llama.cpp has no memory for so many rows")
        batch = llama.llama_batch_init(max(length, rows), 0, 1)
        began, tokens = perf_counter(), []
        for row, prompt in enumerate(prompts):
            read(context, batch, [(token, at, row, at == length - 1) for at, token in enumerate(prompt)])
            tokens += likeliest(context, [length - 1])
        first = perf_counter()
        for position in range(length, length + NEW - 1):
            read(context, batch, [(token, position, row, True) for row, token in enumerate(tokens)])
            tokens = likeliest(context, range(rows))
        pace = Pace(first - began, rows * (NEW - 1) / (perf_counter() - first))
        llama.llama_batch_free(batch)
        llama.llama_free(context)
        return pace

    return answer


def main() -> None:
    name, folder = sys.argv[1:]
    family, _, kind = name.partition("_")
    answer = {"ours": _ours, "transformers": _transformers, "llamacpp": _llamacpp}[family](kind, Path(folder))
    for line in sys.stdin:
        pace = answer(json.loads(line))
        print(json.dumps({"seconds": pace.seconds, "rate": pace.rate}), flush=True)


if __name__ == "__main__":
    main()
