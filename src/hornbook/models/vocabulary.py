"""A model's rows for its tokens, more or fewer of them."""

from __future__ import annotations

import torch

from hornbook.models.transformer import Transformer

ROWS = ("model.embed_tokens.weight", "lm_head.weight")


@torch.no_grad()
def with_vocabulary(model: Transformer, vocab_size: int) -> Transformer:
    """The model with so many tokens: as it is where it has them, else a new one of the same weights.

    A new token's row is the mean of all: then it is drawn about as often as any, and the others hardly less (Hewitt
    2021, "Initializing New Word Embeddings for Pretrained Language Models"). Rows past the last token go.
    """
    if model.config.vocab_size == vocab_size:
        return model
    weights = model.state_dict()
    for name in ROWS:
        rows_VD = weights[name]
        mean_D = rows_VD.float().mean(0, keepdim=True).to(rows_VD.dtype)
        new_ND = mean_D.expand(max(0, vocab_size - len(rows_VD)), -1)
        weights[name] = torch.cat([rows_VD[:vocab_size], new_ND])
    config = model.config.model_copy(update={"vocab_size": vocab_size})
    resized = type(model)(config, compute_dtype=model.compute_dtype, seed=None)
    resized.load_state_dict(weights, assign=True)
    if config.tie_word_embeddings:
        resized.lm_head.weight = resized.model.embed_tokens.weight
    return resized
