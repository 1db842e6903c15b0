"""A small tokenizer and a small model whose answers vary: what the engine's tests ask of."""

from __future__ import annotations

import random

import pytest
import torch

from hornbook.models import Transformer, TransformerConfig
from hornbook.tokens.tokenizer import Tokenizer

TEXT = "the cat sat on a mat and dog ran to its own house where people lived in old times café naïve 猫"
WORDS = TEXT.split(" ")


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    draw = random.Random(0)
    return Tokenizer.train([" ".join(draw.choice(WORDS) for _ in range(20)) for _ in range(50)], 300)


@pytest.fixture(scope="session")
def model(tokenizer) -> Transformer:
    return varied(tokenizer.vocab_size)


def varied(vocab_size: int, *, compute_dtype=None, window: int = 256, seed: int = 3) -> Transformer:
    """A model with random weights everywhere, so that what it says depends on all it reads."""
    config = TransformerConfig(
        vocab_size=vocab_size, hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, head_dim=16, max_position_embeddings=window, tie_word_embeddings=True,
    )  # fmt: skip
    model = Transformer(config, compute_dtype=compute_dtype)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() == 2:
                scale = 0.3 if "embed" in name else 1.5 / parameter.shape[1] ** 0.5
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * scale)
    return model.requires_grad_(False)
