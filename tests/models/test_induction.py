"""What fresh weights with an induction circuit do before any training."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from hornbook.models import Transformer, TransformerConfig
from hornbook.models.induction import lay_induction

LENGTH = 40


def fresh(*, layers: int = 2, key_value_heads: int = 4, kind: str = "qwen3", tie: bool = False) -> Transformer:
    config = TransformerConfig(
        model_type=kind, vocab_size=512, hidden_size=256, intermediate_size=256, num_hidden_layers=layers,
        num_attention_heads=4, num_key_value_heads=key_value_heads, head_dim=64, max_position_embeddings=128,
        rope_theta=1000.0, tie_word_embeddings=tie,
    )  # fmt: skip
    return Transformer(config, seed=3)


@torch.no_grad()
def foretold(model: Transformer) -> float:
    """How often, as random tokens are said again, the next is among the ten of 512 that score highest."""
    said_BT = torch.randint(0, 512, (8, LENGTH), generator=torch.Generator().manual_seed(5))
    ids_BT = said_BT.repeat(1, 2)
    likeliest = model(ids_BT[:, :-1])[:, LENGTH:].topk(10).indices
    return float((likeliest == ids_BT[:, LENGTH + 1 :, None]).any(-1).float().mean())


@pytest.mark.parametrize("key_value_heads", [4, 2, 1])
def test_what_was_said_is_foretold_when_it_is_said_again(key_value_heads: int) -> None:
    model = fresh(key_value_heads=key_value_heads)
    assert foretold(model) < 0.1
    lay_induction(model, seed=1)
    assert foretold(model) > 0.5


@pytest.mark.parametrize("kind", ["qwen3", "llama"])
def test_the_first_head_looks_at_the_place_before(kind: str) -> None:
    model = fresh(kind=kind)
    lay_induction(model, seed=1)
    seen = []
    attention = model.model.layers[0].self_attn
    attention.register_forward_pre_hook(lambda _, inputs: seen.append(inputs))
    with torch.no_grad():
        model(torch.randint(0, 512, (1, LENGTH), generator=torch.Generator().manual_seed(6)))
    x_BTD, (cos_BTE, sin_BTE) = seen[0][0], seen[0][1]

    def turned(linear: torch.nn.Linear) -> torch.Tensor:
        head_TE = linear(x_BTD)[0, :, :64]
        head_TE = F.rms_norm(head_TE, (64,)) if kind == "qwen3" else head_TE
        halves_TE = torch.cat([-head_TE[:, 32:], head_TE[:, :32]], dim=1)
        return head_TE * cos_BTE[0] + halves_TE * sin_BTE[0]

    scores_TT = turned(attention.q_proj).detach() @ turned(attention.k_proj).T / 8
    scores_TT = scores_TT.masked_fill(torch.ones(LENGTH, LENGTH).triu(1).bool(), -torch.inf)
    assert float(scores_TT.detach().softmax(1).diagonal(-1).mean()) > 0.5


def test_seed_alone_decides_and_one_layer_is_left_as_it_is() -> None:
    models = [fresh(), fresh(), fresh(layers=1)]
    for model in models:
        lay_induction(model, seed=2)
    same, again, single = (model.state_dict() for model in models)
    assert all(torch.equal(same[name], again[name]) for name in same)
    assert all(torch.equal(single[name], value) for name, value in fresh(layers=1).state_dict().items())
