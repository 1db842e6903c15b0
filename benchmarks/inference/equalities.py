"""Whether answers are what they should be, in fp32.

`greedy_equal`: of greedy tokens the share that is transformers' too. `batched_equal`, `cached_equal`,
`speculation_equal`: with others beside, with pages found again and texts put back, and with guesses (looked up, and a
draft's), against one request alone without any. Answers are compared up to the first place where the two likeliest
tokens lie within 1e-4 of each other: there either is right. `logprob_max_diff`: the log-probability of each sampled
token against that of one forward pass over the whole.

    python -m benchmarks.inference --only equalities
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.inference.shape import VOCABULARY, prompts, write_model
from benchmarks.results import figure
from hornbook.inference import Completion, Engine, Request, Sampling
from hornbook.models import Transformer, load_model
from hornbook.tokens.foreign import load_tokenizer

NAMES = ("greedy_equal", "batched_equal", "cached_equal", "speculation_equal", "logprob_max_diff")
LENGTHS, SAID, NEAR = (3, 17, 64, 128, 129, 200, 333, 400), 96, 1e-4


def figures() -> Iterator[dict]:
    with tempfile.TemporaryDirectory() as scratch:
        yield from _figures(write_model(Path(scratch)))


def _figures(folder: Path) -> Iterator[dict]:
    from transformers import AutoModelForCausalLM

    model, tokenizer = load_model(folder).requires_grad_(False), load_tokenizer(folder)
    shared = prompts(1, 99, 200)[0]
    asked = [prompts(1, seed, length)[0] for seed, length in enumerate(LENGTHS)]
    asked += [[*shared, *ids] for ids in asked[:4]] + [(ids * 30)[:90] for ids in asked[:2]]  # alike, and in circles
    greedy = [Request(ids=ids, sampling=Sampling(max_tokens=SAID, ignore_end=True)) for ids in asked]
    drawn = [Request(ids=ids, sampling=Sampling(max_tokens=SAID, ignore_end=True, temperature=1.0, seed=place))
             for place, ids in enumerate(asked)]  # fmt: skip
    plain = Engine(model, tokenizer, slots=1, prefix_cache=False)
    alone = {how: [plain.generate([one])[0] for one in how_asked] for how, how_asked in
             (("greedy", greedy), ("drawn", drawn))}  # fmt: skip
    peer: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    peer.generation_config.eos_token_id = None
    theirs = []
    for ids in asked:
        whole = torch.tensor([ids])
        said = peer.generate(whole, attention_mask=torch.ones_like(whole), do_sample=False, max_new_tokens=SAID)
        theirs.append(said[0, len(ids) :].tolist())
    yield _share("greedy_equal", model, asked, alone["greedy"], theirs)
    batched = Engine(model, tokenizer, slots=16, prefix_cache=False)
    yield _both("batched_equal", model, asked, alone, batched, greedy, drawn)
    cached = Engine(model, tokenizer, slots=6, tokens=1536, frozen=True)
    yield _both("cached_equal", model, asked, alone, cached, greedy, drawn, times=2)
    shares = []
    for draft in (None, model):
        engine = Engine(model, tokenizer, slots=4, guessed=4, draft=draft)
        shares.append(_both("speculation_equal", model, asked, alone, engine, greedy, drawn)["value"])
    yield figure("speculation_equal", min(shares), "of tokens", looked_up=shares[0], draft=shares[1])
    worst = 0.0
    for ids, done in zip(asked * 2, alone["greedy"] + alone["drawn"], strict=True):
        worst = max(worst, float(np.abs(_logprobs(model, ids, done.ids)[1] - np.asarray(done.logprobs)).max()))
    yield figure("logprob_max_diff", worst, "nats")


def _both(name: str, model: Transformer, asked: Sequence, alone: dict, engine: Engine, *requests: Sequence[Request],
          times: int = 1) -> dict:
    """Greedy and drawn answers alike; several `times`, so that the second finds what the first has read."""
    shares = []
    for _ in range(times):
        for how, given in zip(("greedy", "drawn"), requests, strict=True):
            found = [done.ids for done in engine.generate(given)]
            shares.append(_share(name, model, asked, alone[how], found)["value"])
    return figure(name, min(shares), "of tokens")


def _share(name: str, model: Transformer, asked: Sequence, ours: Sequence[Completion], theirs: Sequence) -> dict:
    """The share of the tokens compared that are alike."""
    alike = compared = 0
    for ids, done, others in zip(asked, ours, theirs, strict=True):
        gaps, _ = _logprobs(model, ids, done.ids)
        close = np.flatnonzero(gaps < NEAR)
        until = int(close[0]) if len(close) else len(done.ids)
        compared += until
        alike += sum(a == b for a, b in zip(done.ids[:until], others[:until], strict=True))
    return figure(name, alike / compared, "of tokens", n=compared)


@torch.inference_mode()
def _logprobs(model: Transformer, ids: Sequence[int], said: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """How far apart the two likeliest tokens lie at each place of an answer, and log p of what was said."""
    logits_TV = model(torch.tensor([[*ids, *said]]))[0, len(ids) - 1 : -1, :VOCABULARY]
    two_T2 = logits_TV.topk(2).values
    chosen_T = logits_TV.log_softmax(-1).gather(-1, torch.tensor(said)[:, None])[:, 0]
    return (two_T2[:, 0] - two_T2[:, 1]).numpy(), chosen_T.numpy()
