"""The model that pretraining begins with, and its optimiser's rates, as a configuration has them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hornbook.core.seeds import derive
from hornbook.road.pretrain_config import HEAD_DIM, PretrainConfig

if TYPE_CHECKING:
    from hornbook.models import Transformer, TransformerConfig
    from hornbook.training.optimiser import Rates


def shape_of(config: PretrainConfig, vocab_size: int) -> TransformerConfig:
    """The shape of the model: fresh, or `init`'s, its positions stretched where the window is longer than its own.
    Raises InputError for parts that do not fit."""
    from hornbook.models import TransformerConfig
    from hornbook.models.files import read_json
    from hornbook.models.hf_config import checked

    if config.init is not None:
        path = Path(config.init) / "config.json"
        shape = TransformerConfig.from_hf(read_json(path), where=path).model_copy(update={"vocab_size": vocab_size})
        return shape.longer(config.window, config.longer) if config.window > shape.max_position_embeddings else shape
    parts = {
        "vocab_size": vocab_size, "hidden_size": config.width, "intermediate_size": config.feed_forward,
        "num_hidden_layers": config.depth, "num_attention_heads": config.heads,
        "num_key_value_heads": config.key_value_heads, "head_dim": HEAD_DIM,
        "max_position_embeddings": config.window, "rope_theta": config.rope_theta, "tie_word_embeddings": config.tie,
    }  # fmt: skip
    return checked(TransformerConfig, parts, "[pretrain]")


def build(config: PretrainConfig, vocab_size: int, *, seed: int, device: str) -> Transformer:
    """The model to train: fresh from `seed`, or `init`'s. fp32 weights, computing in the type that is fast here. Raises
    HornbookError where `fp8` is asked of a device that has none."""
    from hornbook.models import Transformer, load_model, pick_dtype
    from hornbook.models.float8 import demand_float8, use_float8
    from hornbook.models.induction import lay_induction
    from hornbook.models.vocabulary import with_vocabulary

    if config.init is None:
        model = Transformer(shape_of(config, vocab_size), seed=seed)
        if config.induction:
            lay_induction(model, derive(seed, "induction"))
        model = model.to(device)
    else:
        model = with_vocabulary(load_model(Path(config.init), device=device), vocab_size)
        model.config = shape_of(config, vocab_size)
    model.compute_dtype = pick_dtype(device)
    if config.fp8:
        demand_float8(device, "[pretrain] fp8")
        use_float8(model.model.layers)
    return model


def rates(config: PretrainConfig) -> Rates:
    """The optimiser's rates in the configuration."""
    from hornbook.training.optimiser import Rates

    return Rates(
        matrices=config.matrix_lr, embedding=config.embedding_lr, head=config.head_lr, vectors=config.vector_lr,
        betas=config.betas, weight_decay=config.weight_decay, cautious=config.cautious_decay,
        row_memory=config.normuon_beta2,
    )  # fmt: skip
