"""The encoder against transformers' ModernBERT, on random weights."""

from __future__ import annotations

import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from hornbook.models.encoder import Encoder, EncoderBase, SequenceClassifier, TokenClassifier
from hornbook.models.encoder_config import EncoderConfig

SHAPE = {
    "vocab_size": 96, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 4, "num_attention_heads": 4,
    "local_attention": 8, "max_position_embeddings": 128,
}
CONFIG = EncoderConfig(**SHAPE)
KINDS = (Encoder, SequenceClassifier, TokenClassifier)


def stirred(model: EncoderBase, seed: int = 2) -> EncoderBase:
    """The same model with random weights everywhere."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.1 + (parameter.ndim == 1))
    return model


def pair(kind: type[EncoderBase], config: EncoderConfig) -> tuple[EncoderBase, torch.nn.Module]:
    """The same random weights in our class and in theirs."""
    ours = stirred(kind(config, seed=1))
    values = transformers.ModernBertConfig(**config.to_hf(ours.architecture), attn_implementation="eager")
    theirs = getattr(transformers, ours.architecture)(values).eval()
    missing, unexpected = theirs.load_state_dict(ours.state_dict(), strict=False)
    assert not missing
    assert not unexpected
    return ours, theirs


def ids(*shape: int, seed: int = 3) -> Tensor:
    return torch.randint(0, 96, shape, generator=torch.Generator().manual_seed(seed))


@settings(max_examples=25)
@given(
    layers=st.integers(1, 5), every=st.integers(1, 4), heads=st.sampled_from([1, 2, 4]), half=st.integers(1, 6),
    window=st.integers(1, 40), length=st.integers(1, 40), padding=st.integers(0, 39),
    flags=st.tuples(*[st.booleans()] * 5),
)  # fmt: skip
def test_logits_are_those_of_transformers(layers, every, heads, half, window, length, padding, flags) -> None:
    names = ("norm_bias", "attention_bias", "mlp_bias", "decoder_bias", "classifier_bias")
    config = EncoderConfig(**SHAPE | {
        "num_hidden_layers": layers, "global_attn_every_n_layers": every, "num_attention_heads": heads,
        "hidden_size": 2 * half * heads, "local_attention": window, **dict(zip(names, flags, strict=True)),
    })  # fmt: skip
    ours, theirs = pair(Encoder, config)
    ids_BT, padding = ids(2, length), min(padding, length - 1)
    documents_BT = torch.zeros_like(ids_BT)
    documents_BT[1, length - padding :] = -1
    read_BT = documents_BT >= 0
    with torch.no_grad():
        own = ours(ids_BT, documents_BT=documents_BT)[read_BT]
        other = theirs(ids_BT, attention_mask=read_BT.long()).logits[read_BT]
    torch.testing.assert_close(own, other, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_heads_and_gradients_are_those_of_transformers(kind: type[EncoderBase], pooling: str) -> None:
    config = CONFIG.labelled("no", "perhaps", "yes").model_copy(update={"classifier_pooling": pooling})
    ours, theirs = pair(kind, config)
    ids_BT, documents_BT = ids(3, 30), torch.zeros(3, 30)
    documents_BT[2, 12:] = -1
    with torch.no_grad():  # torch's kernel
        quick = ours(ids_BT, documents_BT=documents_BT)
    own, other = ours(ids_BT, documents_BT=documents_BT), theirs(ids_BT, attention_mask=documents_BT.long() + 1).logits
    seen = documents_BT >= 0 if own.ndim == 3 else torch.ones(3, dtype=torch.bool)
    torch.testing.assert_close(own[seen], other[seen], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(own[seen], quick[seen], rtol=1e-5, atol=1e-5)
    weights = torch.randn(own[seen].shape, generator=torch.Generator().manual_seed(4))
    for logits in (own, other):
        (logits[seen] * weights).mean().backward()
    gradients = dict(theirs.named_parameters())
    for name, parameter in ours.named_parameters():
        torch.testing.assert_close(parameter.grad, gradients[name].grad, rtol=1e-4, atol=1e-5, msg=name)


@settings(max_examples=20)
@given(lengths=st.lists(st.integers(1, 15), min_size=1, max_size=5), padding=st.integers(0, 6), grad=st.booleans())
def test_a_packed_row_gives_the_logits_of_its_documents_alone(lengths: list[int], padding: int, grad: bool) -> None:
    model = stirred(Encoder(CONFIG))
    documents = [ids(1, length, seed=index) for index, length in enumerate(lengths)]
    ids_BT = torch.cat([*documents, torch.zeros(1, padding, dtype=torch.int64)], 1)
    positions_BT = torch.cat([torch.arange(length) for length in [*lengths, padding]])[None]
    numbers = torch.tensor([*range(len(lengths)), -1])
    documents_BT = numbers.repeat_interleave(torch.tensor([*lengths, padding]))[None]
    with torch.set_grad_enabled(grad):
        packed = model(ids_BT, positions_BT, documents_BT)
        alone = torch.cat([model(document) for document in documents], 1)
    torch.testing.assert_close(packed[:, : sum(lengths)], alone, rtol=1e-5, atol=1e-5)
    assert torch.isfinite(packed).all()


@pytest.mark.parametrize("layers", [1, 3, 4])
def test_places_asked_for_are_those_of_the_whole(layers: int) -> None:
    """The same states and gradients when the last block, local or global, is made of some places alone."""
    model = stirred(Encoder(CONFIG.model_copy(update={"num_hidden_layers": layers})))
    ids_BT, documents_BT = ids(3, 20), torch.randint(0, 3, (3, 20)).sort(1).values
    places_N = torch.tensor([59, 0, 7, 7, 31])  # in any order, and one twice
    weights_ND = torch.randn(5, 32, generator=torch.Generator().manual_seed(10))
    whole = model.hidden(ids_BT, documents_BT=documents_BT).flatten(0, 1)[places_N]
    asked = model.hidden(ids_BT, documents_BT=documents_BT, places_N=places_N)
    torch.testing.assert_close(asked, whole, rtol=0, atol=1e-5)
    parameters = list(model.model.parameters())
    gradients = (torch.autograd.grad((x * weights_ND).sum(), parameters) for x in (asked, whole))
    for own, other in zip(*gradients, strict=True):
        torch.testing.assert_close(own, other, rtol=1e-4, atol=1e-5)


def test_bf16_from_fp32_masters_comes_near_and_keeps_their_gradients_type() -> None:
    ours = stirred(Encoder(CONFIG))
    half = Encoder(CONFIG, compute_dtype=torch.bfloat16)
    half.load_state_dict(ours.state_dict())
    ids_BT = ids(2, 30)
    near, exact = half(ids_BT), ours(ids_BT)
    assert near.dtype == torch.bfloat16
    assert (near - exact).norm() < 0.02 * exact.norm()
    near.float().square().mean().backward()
    assert all(parameter.grad.dtype == torch.float32 for parameter in half.parameters())
    with torch.no_grad():
        torch.testing.assert_close(half(ids_BT), half.to(torch.bfloat16)(ids_BT), rtol=0, atol=0)


def test_fresh_blocks_are_the_identity_and_the_seed_decides_the_rest() -> None:
    model, same, other = (Encoder(CONFIG, seed=seed) for seed in (8, 8, 9))
    x_BTD = model.model.final_norm(model.model.embeddings.norm(model.model.embeddings.tok_embeddings(ids(2, 9))))
    torch.testing.assert_close(model.hidden(ids(2, 9)), x_BTD, rtol=0, atol=0)
    assert torch.equal(model.decoder.weight, same.decoder.weight)
    assert not torch.equal(model.decoder.weight, other.decoder.weight)
    assert model.decoder.weight is model.model.embeddings.tok_embeddings.weight


def test_a_classifier_goes_on_from_an_encoder() -> None:
    encoder = stirred(Encoder(CONFIG))
    classifier = SequenceClassifier(CONFIG.labelled("no", "yes"), encoder=encoder)
    assert torch.equal(classifier.hidden(ids(2, 9)), encoder.hidden(ids(2, 9)))
    assert torch.equal(classifier.head.dense.weight, encoder.head.dense.weight)
    assert (classifier(ids(2, 9)) == 0).all()  # no label is preferred yet


@pytest.mark.parametrize(("changes", "says"), [
    ({"num_attention_heads": 3}, "even width"), ({"hidden_size": 20}, "even width"), ({"id2label": {1: "a"}}, "from 0"),
])  # fmt: skip
def test_a_config_whose_parts_do_not_fit_is_refused(changes: dict, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        EncoderConfig(**SHAPE | changes)
