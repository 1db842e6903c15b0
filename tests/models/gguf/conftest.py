"""Small models of every family, with a tokenizer each, as folders and as GGUF."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from hornbook.models import GPT2, Transformer, TransformerConfig, save_model
from hornbook.tokens.tokenizer import Tokenizer
from tests.tokens.conftest import PAGES

FAMILIES = ("llama", "mistral", "qwen2", "qwen3")


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    return Tokenizer.train(PAGES, 420)


def small(kind: str, **changes: object) -> Transformer:
    """Random weights everywhere, norms and biases too: what is lost or mixed up shows."""
    shape = {
        "vocab_size": 420, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16, "rope_theta": 20_000.0,
        "max_position_embeddings": 128, "rms_norm_eps": 1e-5, **changes,
    }  # fmt: skip
    if kind == "gpt2":
        shape |= {"num_key_value_heads": 4, "rope_theta": 10_000.0}
    made = GPT2 if kind == "gpt2" else Transformer
    model = made(TransformerConfig(model_type=kind, **shape), seed=5)  # type: ignore[arg-type]
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.1)
    return model


def write_folder(folder: Path, tokenizer: Tokenizer, kind: str = "llama", **changes: object) -> Path:
    save_model(small(kind, **changes), folder)
    tokenizer.save(folder)
    return folder
