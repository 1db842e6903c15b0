"""The encoder-decoder against transformers' T5, on random weights."""

from __future__ import annotations

import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from hornbook.inference.greedy import greedy
from hornbook.models.encoder_decoder import EncoderDecoder
from hornbook.models.encoder_decoder_config import EncoderDecoderConfig

SHAPE = {
    "vocab_size": 96, "d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": 3, "num_decoder_layers": 2, "num_heads": 4,
    "relative_attention_num_buckets": 8, "relative_attention_max_distance": 16,
}
CONFIG = EncoderDecoderConfig(**SHAPE)


def stirred(config: EncoderDecoderConfig, spread: float = 0.1, **options) -> EncoderDecoder:
    """A model with random weights everywhere."""
    model, generator = EncoderDecoder(config, **options), torch.Generator().manual_seed(2)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            own = 1.0 if "bias" in name else spread
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * own + (parameter.ndim == 1))
    return model


def pair(config: EncoderDecoderConfig, spread: float = 0.1) -> tuple[EncoderDecoder, torch.nn.Module]:
    """The same random weights in our class and in theirs."""
    ours = stirred(config, spread)
    theirs = transformers.T5ForConditionalGeneration(transformers.T5Config(**config.to_hf())).eval()
    if not config.tie_word_embeddings:  # transformers 5 ties a fresh model's whatever its config says
        theirs.lm_head.weight = torch.nn.Parameter(torch.zeros_like(theirs.lm_head.weight))
    missing, unexpected = theirs.load_state_dict(ours.state_dict(), strict=False)
    assert set(missing) <= {"encoder.embed_tokens.weight", "decoder.embed_tokens.weight"}
    assert not unexpected
    return ours, theirs


def ids(*shape: int, seed: int = 3) -> Tensor:
    return torch.randint(2, 96, shape, generator=torch.Generator().manual_seed(seed))


@settings(max_examples=25)
@given(
    layers=st.tuples(st.integers(1, 3), st.integers(1, 3)), heads=st.integers(1, 4), size=st.integers(1, 9),
    buckets=st.sampled_from([(4, 4), (8, 5), (32, 128)]), lengths=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    padding=st.integers(0, 39), tie=st.booleans(),
)  # fmt: skip
def test_logits_are_those_of_transformers(layers, heads, size, buckets, lengths, padding, tie) -> None:
    config = EncoderDecoderConfig(**SHAPE | {
        "num_layers": layers[0], "num_decoder_layers": layers[1], "num_heads": heads, "d_kv": size,
        "relative_attention_num_buckets": buckets[0], "relative_attention_max_distance": buckets[1],
        "tie_word_embeddings": tie,
    })  # fmt: skip
    ours, theirs = pair(config)
    source_BS, target_BT = ids(2, lengths[0]), ids(2, lengths[1], seed=4)
    documents_BS = torch.zeros_like(source_BS)
    documents_BS[1, lengths[0] - min(padding, lengths[0] - 1) :] = -1
    with torch.no_grad():
        own = ours(source_BS, target_BT, documents_BS)
        mask_BS = (documents_BS >= 0).long()
        other = theirs(input_ids=source_BS, attention_mask=mask_BS, decoder_input_ids=target_BT).logits
    torch.testing.assert_close(own, other, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("tie", [False, True])
def test_gradients_are_those_of_transformers(tie: bool) -> None:
    ours, theirs = pair(CONFIG.model_copy(update={"tie_word_embeddings": tie}))
    source_BS, target_BT, documents_BS = ids(3, 20), ids(3, 13, seed=4), torch.zeros(3, 20)
    documents_BS[2, 12:] = -1
    own = ours(source_BS, target_BT, documents_BS)
    mask_BS = documents_BS.long() + 1
    other = theirs(input_ids=source_BS, attention_mask=mask_BS, decoder_input_ids=target_BT).logits
    torch.testing.assert_close(own, other, rtol=1e-5, atol=1e-5)
    weights = torch.randn(own.shape, generator=torch.Generator().manual_seed(4))
    for logits in (own, other):
        (logits * weights).mean().backward()
    gradients = dict(theirs.named_parameters())
    for name, parameter in ours.named_parameters():
        torch.testing.assert_close(parameter.grad, gradients[name].grad, rtol=1e-4, atol=1e-5, msg=name)


@pytest.mark.parametrize("grad", [False, True])
def test_packed_sources_and_answers_are_those_of_each_alone(grad: bool) -> None:
    model = stirred(CONFIG)
    sizes = [(7, 3), (1, 6), (12, 1)]
    sources = [ids(1, size, seed=index) for index, (size, _) in enumerate(sizes)]
    answers = [ids(1, size, seed=9 + index) for index, (_, size) in enumerate(sizes)]
    empty = torch.zeros(1, 4, dtype=torch.int64)
    documents_BS = torch.tensor([[0] * 7 + [1] + [2] * 12 + [-1] * 4])
    documents_BT = torch.tensor([[0] * 3 + [1] * 6 + [2] + [-1] * 4])
    with torch.set_grad_enabled(grad):
        packed = model(torch.cat([*sources, empty], 1), torch.cat([*answers, empty], 1), documents_BS, documents_BT)
        alone = torch.cat([model(*texts) for texts in zip(sources, answers, strict=True)], 1)
        unpadded = model(torch.cat(sources, 1), torch.cat([*answers, empty], 1), documents_BS[:, :20], documents_BT)
    torch.testing.assert_close(packed[:, :10], alone, rtol=1e-5, atol=1e-5)
    assert torch.isfinite(packed).all()
    assert torch.isfinite(unpadded).all()  # answers' padding with no source's padding to look at


@pytest.mark.parametrize("tie", [False, True])
def test_greedy_answers_are_those_of_transformers(tie: bool) -> None:
    source_BS, documents_BS = ids(16, 24), torch.zeros(16, 24, dtype=torch.int64)
    config = CONFIG.model_copy(update={"tie_word_embeddings": tie})
    documents_BS[1, 15:], documents_BS[2, :5] = -1, -1  # padding on either side
    endless = greedy(stirred(config, 0.2), source_BS, documents_BS, limit=20)
    words = {word for row in endless for word in row}
    places = {word: {row.index(word) if word in row else -1 for row in endless} for word in words}
    end = max(places, key=lambda word: len(places[word]))  # the word that comes at the most different places
    ours, theirs = pair(config.model_copy(update={"eos_token_id": end}), 0.2)
    found = greedy(ours, source_BS, documents_BS, limit=30)
    wanted = theirs.generate(source_BS, attention_mask=documents_BS + 1, max_new_tokens=30, do_sample=False)[:, 1:]
    wanted = [row[: row.index(end) + 1] if end in row else row for row in wanted.tolist()]
    assert found == wanted
    assert len({len(answer) for answer in found}) > 1  # some came to an end of their own


def test_bf16_from_fp32_masters_comes_near_and_keeps_their_gradients_type() -> None:
    ours, half = stirred(CONFIG), stirred(CONFIG, compute_dtype=torch.bfloat16)
    near, exact = (model(ids(2, 30), ids(2, 9)) for model in (half, ours))
    assert near.dtype == torch.bfloat16
    assert (near - exact).norm() < 0.02 * exact.norm()
    near.float().square().mean().backward()
    assert all(parameter.grad.dtype == torch.float32 for parameter in half.parameters())


def test_fresh_blocks_are_the_identity_and_the_seed_decides_the_rest() -> None:
    model, same, other = (EncoderDecoder(CONFIG, seed=seed) for seed in (8, 8, 9))
    wanted = model.encoder.final_layer_norm(model.shared(ids(2, 9)))
    torch.testing.assert_close(model.encode(ids(2, 9)), wanted, rtol=0, atol=0)
    assert torch.equal(model.shared.weight, same.shared.weight)
    assert not torch.equal(model.shared.weight, other.shared.weight)


@pytest.mark.parametrize(("changes", "says"), [
    ({"relative_attention_num_buckets": 6}, "multiple of 4"), ({"relative_attention_max_distance": 4}, "half of it"),
    ({"eos_token_id": 96}, "outside a vocabulary"),
])  # fmt: skip
def test_a_config_whose_parts_do_not_fit_is_refused(changes: dict, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        EncoderDecoderConfig(**SHAPE | changes)
