"""The decoder against transformers' own classes, on random weights."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

import pytest
import torch
import transformers

from hornbook.models import Transformer, TransformerConfig, load_model, save_model
from hornbook.models.layers import lay_side_by_side

SHAPE = {
    "vocab_size": 96, "hidden_size": 32, "intermediate_size": 80, "num_hidden_layers": 3, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 16, "max_position_embeddings": 128, "rope_theta": 5000.0,
}
CLASSES = {
    "qwen3": (transformers.Qwen3Config, transformers.Qwen3ForCausalLM),
    "qwen2": (transformers.Qwen2Config, transformers.Qwen2ForCausalLM),
    "llama": (transformers.LlamaConfig, transformers.LlamaForCausalLM),
    "mistral": (transformers.MistralConfig, transformers.MistralForCausalLM),
}


def pair(kind: str, tie: bool) -> tuple[Transformer, torch.nn.Module]:
    """The same random weights in our class and in theirs."""
    head_dim = 8 if kind == "qwen2" else SHAPE["head_dim"]  # Qwen2 has no head_dim of its own
    config = TransformerConfig(model_type=kind, tie_word_embeddings=tie, **SHAPE | {"head_dim": head_dim})
    ours = Transformer(config, seed=1)
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in ours.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.2 + (parameter.ndim == 1))
    config_class, model_class = CLASSES[kind]
    theirs = model_class(config_class(**config.to_hf(), attn_implementation="eager")).eval()
    missing, unexpected = theirs.load_state_dict(ours.state_dict(), strict=False)
    assert not missing
    assert not unexpected
    return ours, theirs


@pytest.mark.parametrize("tie", [False, True])
@pytest.mark.parametrize("kind", CLASSES)
def test_logits_and_gradients_are_those_of_transformers(kind: str, tie: bool) -> None:
    ours, theirs = pair(kind, tie)
    ids_BT = torch.randint(0, 96, (3, 50), generator=torch.Generator().manual_seed(3))
    weights = torch.randn(3, 50, 96, generator=torch.Generator().manual_seed(4))
    with torch.no_grad():
        torch.testing.assert_close(ours(ids_BT), theirs(ids_BT).logits, rtol=0, atol=1e-5)
    for model, logits in ((ours, ours(ids_BT)), (theirs, theirs(ids_BT).logits)):
        (logits * weights).mean().backward()
        model.logits_seen = logits.detach()
    torch.testing.assert_close(ours.logits_seen, theirs.logits_seen, rtol=0, atol=1e-5)
    gradients = dict(theirs.named_parameters())
    for name, parameter in ours.named_parameters():
        torch.testing.assert_close(parameter.grad, gradients[name].grad, rtol=1e-4, atol=1e-5, msg=name)


@pytest.mark.parametrize("with_gradient", [False, True])
def test_a_packed_row_gives_the_logits_of_its_documents_alone(with_gradient: bool) -> None:
    model = Transformer(TransformerConfig(**SHAPE), seed=0)
    torch.nn.init.normal_(model.model.layers[0].self_attn.o_proj.weight)
    generator = torch.Generator().manual_seed(5)
    documents = [torch.randint(0, 96, (1, length), generator=generator) for length in (7, 1, 12)]
    ids_BT = torch.cat([*documents, torch.zeros(1, 4, dtype=torch.int64)], 1)
    positions_BT = torch.cat([torch.arange(d.shape[1]) for d in documents] + [torch.zeros(4, dtype=torch.int64)])[None]
    documents_BT = torch.tensor([[0] * 7 + [1] + [2] * 12 + [-1] * 4])
    with torch.set_grad_enabled(with_gradient):
        packed = model(ids_BT, positions_BT, documents_BT)
        alone = torch.cat([model(document) for document in documents], 1)
    torch.testing.assert_close(packed[:, :20], alone, rtol=0, atol=1e-5)
    assert torch.isfinite(packed).all()


@pytest.mark.parametrize("kind", CLASSES)
def test_places_asked_for_are_those_of_the_whole(kind: str) -> None:
    """The same hidden states, and the same gradients, when the last block is made of some places alone."""
    model, _ = pair(kind, tie=False)
    generator = torch.Generator().manual_seed(10)
    ids_BT = torch.randint(0, 96, (3, 20), generator=generator)
    documents_BT = torch.randint(0, 3, (3, 20), generator=generator).sort(1).values
    places_N = torch.tensor([59, 0, 7, 7, 31])  # in any order, and one twice
    weights_ND = torch.randn(5, 32, generator=generator)
    whole = model.hidden(ids_BT, documents_BT=documents_BT).flatten(0, 1)[places_N]
    asked = model.hidden(ids_BT, documents_BT=documents_BT, places_N=places_N)
    torch.testing.assert_close(asked, whole, rtol=0, atol=1e-5)
    parameters = [parameter for name, parameter in model.named_parameters() if not name.startswith("lm_head")]
    gradients = (torch.autograd.grad((x * weights_ND).sum(), parameters) for x in (asked, whole))
    for own, other in zip(*gradients, strict=True):
        torch.testing.assert_close(own, other, rtol=1e-4, atol=1e-5)


def test_training_and_sampling_have_the_same_numerics() -> None:
    model = Transformer(TransformerConfig(**SHAPE), seed=0)
    torch.nn.init.normal_(model.lm_head.weight)
    ids_BT = torch.randint(0, 96, (2, 60), generator=torch.Generator().manual_seed(6))
    trained = model(ids_BT).log_softmax(-1)
    with torch.no_grad():
        sampled = model(ids_BT).log_softmax(-1)
    assert (trained - sampled).abs().max() < 1e-4


def test_bf16_from_fp32_masters_is_the_product_of_bf16_weights() -> None:
    model = Transformer(TransformerConfig(**SHAPE), compute_dtype=torch.bfloat16, seed=0)
    ids_BT = torch.randint(0, 96, (2, 30), generator=torch.Generator().manual_seed(7))
    with torch.no_grad():
        from_masters = model(ids_BT)
        torch.testing.assert_close(from_masters, model.to(torch.bfloat16)(ids_BT), rtol=0, atol=0)


def test_fresh_blocks_are_the_identity_and_the_seed_decides_the_rest() -> None:
    config = TransformerConfig(**SHAPE)
    model, same, other = (Transformer(config, seed=seed) for seed in (8, 8, 9))
    ids_BT = torch.arange(20)[None]
    embedded = model.model.norm(model.model.embed_tokens(ids_BT))
    torch.testing.assert_close(model.hidden(ids_BT), embedded, rtol=0, atol=0)
    assert torch.equal(model.lm_head.weight, same.lm_head.weight)
    assert not torch.equal(model.lm_head.weight, other.lm_head.weight)


def test_a_config_whose_parts_do_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="must be a multiple of"):
        TransformerConfig(**SHAPE | {"num_key_value_heads": 3})
    with pytest.raises(ValueError, match="must be even"):
        TransformerConfig(**SHAPE | {"head_dim": 15})


@pytest.mark.parametrize("kind", ["qwen3", "qwen2"])
@torch.no_grad()
def test_weights_laid_side_by_side_are_the_same_weights(kind: str, tmp_path: Path) -> None:
    """The same parameters with the same values, seen when changed in place and written as before."""
    model, _ = pair(kind, tie=False)
    ids_BT = torch.arange(40).view(2, 20)
    parameters, before, apart = dict(model.named_parameters()), deepcopy(model.state_dict()), model(ids_BT)
    lay_side_by_side(model)
    assert all(parameters[name] is parameter for name, parameter in model.named_parameters())
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    attention = model.model.layers[0].self_attn
    assert attention.k_proj.weight.data_ptr() == attention.q_proj.weight.data_ptr() + attention.q_proj.weight.nbytes
    torch.testing.assert_close(model(ids_BT), apart, rtol=1e-5, atol=1e-5)
    save_model(model, tmp_path)
    torch.testing.assert_close(load_model(tmp_path)(ids_BT), apart, rtol=1e-5, atol=1e-5)
    attention.v_proj.weight.mul_(2.0)
    model.model.layers[1].mlp.up_proj.weight.zero_()
    changed = Transformer(model.config, seed=None)
    changed.load_state_dict(deepcopy(model.state_dict()))
    assert not torch.allclose(model(ids_BT), apart)
    torch.testing.assert_close(model(ids_BT), changed(ids_BT), rtol=1e-5, atol=1e-5)
