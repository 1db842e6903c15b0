"""The model that figures are taken on: Qwen3's shape, 512 wide, 8 layers, random weights whose scores differ."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import torch

from hornbook.models import Transformer, TransformerConfig, save_model
from hornbook.tokens.tokenizer import Tokenizer

VOCABULARY, WINDOW, PROMPT, NEW, THREADS = 8192, 1024, 128, 128, 2


def write_model(folder: Path) -> Path:
    """The model in fp32, and a tokenizer, in the folder."""
    config = TransformerConfig(
        vocab_size=VOCABULARY, hidden_size=512, intermediate_size=1536, num_hidden_layers=8, num_attention_heads=8,
        num_key_value_heads=4, head_dim=64, max_position_embeddings=WINDOW, tie_word_embeddings=False,
    )  # fmt: skip
    save_model(spread(Transformer(config, seed=0)), folder)
    draw = random.Random(0)
    words = ["".join(draw.choices("abcdefghijklmnopqrstuvwxyz", k=draw.randint(2, 9))) for _ in range(VOCABULARY)]
    Tokenizer.train([" ".join(draw.choices(words, k=20)) for _ in range(4000)], VOCABULARY).save(folder)
    return folder


def spread(model: Transformer) -> Transformer:
    """Random weights so large that what the model says depends on all it reads."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() == 2:
                scale = 0.3 if "embed" in name else 1.5 / parameter.shape[1] ** 0.5
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * scale)
    return model.requires_grad_(False)


def prompts(rows: int, seed: int, length: int = PROMPT) -> list[list[int]]:
    """So many prompts of random tokens, all different."""
    draw = np.random.default_rng(seed)
    return [draw.integers(300, VOCABULARY, length).tolist() for _ in range(rows)]
