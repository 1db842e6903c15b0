"""Pretraining goes on from a model with a longer window, its positions stretched."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from hornbook.models import Transformer, TransformerConfig, load_model, save_model
from hornbook.road.learner import build
from hornbook.road.pretrain_config import PretrainConfig


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    config = TransformerConfig(
        vocab_size=300, hidden_size=64, intermediate_size=64, num_hidden_layers=2, num_attention_heads=1,
        num_key_value_heads=1, head_dim=64, max_position_embeddings=64, rope_theta=1000.0,
    )  # fmt: skip
    save_model(Transformer(config, seed=1), tmp_path)
    return tmp_path


@pytest.mark.parametrize("way", ["yarn", "base", "linear"])
def test_a_longer_window_stretches_the_positions(folder: Path, way: str) -> None:
    config = PretrainConfig.model_validate({"init": str(folder), "window": 256, "longer": way})
    model = build(config, 300, seed=0, device="cpu")
    before = load_model(folder)
    assert model.config == before.config.longer(256, way)  # type: ignore[arg-type]
    assert model.config.max_position_embeddings == 256
    for name, weight in before.state_dict().items():
        assert torch.equal(model.state_dict()[name], weight)
    save_model(model, folder / "longer")
    assert load_model(folder / "longer").config == model.config


@pytest.mark.parametrize("window", [32, 64])
def test_a_window_that_fits_changes_nothing(folder: Path, window: int) -> None:
    model = build(PretrainConfig.model_validate({"init": str(folder), "window": window}), 300, seed=0, device="cpu")
    assert model.config == load_model(folder).config
