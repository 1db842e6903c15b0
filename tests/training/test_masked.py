"""The objectives of encoders and encoder-decoders: against plain cross entropy, and through the one loop."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import transformers

from hornbook.inference.greedy import greedy
from hornbook.models.encoder import Encoder, SequenceClassifier, TokenClassifier
from hornbook.models.encoder_config import EncoderConfig
from hornbook.models.encoder_decoder import EncoderDecoder
from hornbook.models.encoder_decoder_config import EncoderDecoderConfig
from hornbook.tokens.batch import Batch
from hornbook.tokens.corruption import Corrupted, Whole, infill, mask_tokens
from hornbook.tokens.loader import PackedBatches
from hornbook.training.batch import on_device
from hornbook.training.fit import FitResult, fit
from hornbook.training.objectives.infilling import infilling
from hornbook.training.objectives.labels import text_labels, token_labels
from hornbook.training.objectives.masked import masked_tokens
from hornbook.training.optimiser import Optimiser, Rates
from hornbook.training.schedule import warmup_stable_cooldown

VOCABULARY, MASK, SENTINELS, START, END = 40, 30, range(31, 39), 0, 1
CONFIG = EncoderConfig(
    vocab_size=VOCABULARY, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=2,
    local_attention=8, global_attn_every_n_layers=2, classifier_pooling="mean", id2label={0: "up", 1: "down"},
)  # fmt: skip
TWO_STACKS = EncoderDecoderConfig(
    vocab_size=VOCABULARY, d_model=32, d_kv=16, d_ff=48, num_layers=2, num_decoder_layers=2, num_heads=2
)
RATES = Rates(embedding=0.01, vectors=0.01)
STEPS = 80


def counting(length: int, start: int, step: int) -> np.ndarray:
    """Words 4 to 29 in a circle, upwards or downwards: every gap can be filled from its neighbours."""
    return 4 + (start + step * np.arange(length)) % 26


def batches(change: Callable, **options) -> Corrupted:
    random = np.random.default_rng(0)
    texts = [counting(random.integers(8, 25), random.integers(26), random.choice([-1, 1])) for _ in range(200)]
    return Corrupted(PackedBatches(Whole(texts), None, window=32, rows=8, seed=3, **options), change)


MASKING = partial(mask_tokens, mask_id=MASK, vocabulary=VOCABULARY)
CUTTING = partial(infill, sentinels=SENTINELS, start_id=START, end_id=END, share=0.25)


class Labelled:
    """Rows that count up or down, labelled with which; the place in the stream is the number of batches."""

    cursor = 0

    def __iter__(self) -> Labelled:
        return self

    def __next__(self) -> Batch:
        random = np.random.default_rng([5, self.cursor])
        self.cursor += 1
        batch, labels_B = Batch.empty(8, 24), random.integers(0, 2, 8)
        for row, label in enumerate(labels_B):
            length = random.integers(4, 24)
            batch.ids_BT[row, :length] = counting(length, random.integers(26), 1 - 2 * label)
            batch.documents_BT[row, :length] = 0
            batch.targets_BT[row, :length] = label
        batch.positions_BT[:] = np.arange(24)
        batch.weights_BT[batch.documents_BT >= 0] = 1.0
        batch.extra["labels_B"] = labels_B
        return batch


def stirred(model: torch.nn.Module) -> torch.nn.Module:
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.2 + (parameter.ndim == 1))
    return model


def gradients(model: torch.nn.Module, total: torch.Tensor) -> dict[str, torch.Tensor]:
    parameters = dict(model.named_parameters())
    return dict(zip(parameters, torch.autograd.grad(total, list(parameters.values())), strict=True))


def assert_same(model: torch.nn.Module, own: torch.Tensor, plain: torch.Tensor) -> None:
    torch.testing.assert_close(own, plain, rtol=1e-5, atol=0)
    ours, theirs = gradients(model, own), gradients(model, plain)
    for name in ours:
        torch.testing.assert_close(ours[name], theirs[name], rtol=1e-3, atol=1e-4, msg=name)


@pytest.mark.parametrize("bias", [True, False])
def test_masked_tokens_is_cross_entropy_of_the_places_asked_for(bias: bool) -> None:
    model = stirred(Encoder(CONFIG.model_copy(update={"decoder_bias": bias})))
    batch = on_device(next(batches(MASKING)), "cpu")
    loss = masked_tokens(model, batch)
    logits_BTV, asked_BT = model(batch.ids_BT, batch.positions_BT, batch.documents_BT), batch.weights_BT > 0
    assert_same(model, loss.total, F.cross_entropy(logits_BTV[asked_BT], batch.targets_BT[asked_BT], reduction="sum"))
    assert float(loss.weight) == float(asked_BT.sum()) > 20


def test_infilling_is_cross_entropy_of_the_answers() -> None:
    model = stirred(EncoderDecoder(TWO_STACKS))
    batch = on_device(next(batches(CUTTING)), "cpu")
    loss, told = infilling(model, batch), batch.extra
    logits = model(batch.ids_BT, told["target_ids_BU"], batch.documents_BT, told["target_documents_BU"])
    here_BU = told["target_documents_BU"] >= 0
    assert_same(model, loss.total, F.cross_entropy(logits[here_BU], told["targets_BU"][here_BU], reduction="sum"))
    assert float(loss.weight) == float(here_BU.sum())


def test_infilling_is_the_loss_of_transformers() -> None:
    """One document a row, so that transformers can be asked: it packs none."""
    model = stirred(EncoderDecoder(TWO_STACKS.model_copy(update={"tie_word_embeddings": True})))
    theirs = transformers.T5ForConditionalGeneration(transformers.T5Config(**model.config.to_hf())).eval()
    theirs.load_state_dict(model.state_dict(), strict=False)
    texts = [counting(length, length, 1) for length in (20, 32, 26)]
    stream = Corrupted(PackedBatches(Whole(texts), None, window=32, rows=3, seed=3), CUTTING)
    batch = on_device(next(stream), "cpu")
    labels = batch.extra["targets_BU"].masked_fill(batch.extra["target_documents_BU"] < 0, -100)
    mean = theirs(input_ids=batch.ids_BT, attention_mask=(batch.documents_BT >= 0).long(), labels=labels).loss
    loss = infilling(model, batch)
    torch.testing.assert_close(loss.total / loss.weight, mean, rtol=1e-5, atol=0)


def test_labels_are_cross_entropy() -> None:
    batch = on_device(next(Labelled()), "cpu")
    model = stirred(SequenceClassifier(CONFIG))
    logits_BL = model(batch.ids_BT, documents_BT=batch.documents_BT)
    loss = text_labels(model, batch)
    assert_same(model, loss.total, F.cross_entropy(logits_BL, batch.extra["labels_B"], reduction="sum"))
    assert float(loss.weight) == 8
    assert float(loss.metrics["accuracy"]) == float((logits_BL.argmax(-1) == batch.extra["labels_B"]).sum())
    model, here_BT = stirred(TokenClassifier(CONFIG)), batch.weights_BT > 0
    logits_NL = model(batch.ids_BT, documents_BT=batch.documents_BT)[here_BT]
    loss = token_labels(model, batch)
    assert_same(model, loss.total, F.cross_entropy(logits_NL, batch.targets_BT[here_BT], reduction="sum"))


def train(
    model, stream, objective, folder: Path | None = None, *, steps: int | None = None, horizon: int = STEPS
) -> FitResult:
    schedule = warmup_stable_cooldown(horizon)
    return fit(
        model, stream, objective, Optimiser(model, RATES), schedule, folder=folder, device="cpu",
        steps=horizon if steps is None else steps, checkpoint_every=5,
    )  # fmt: skip


def weights(model: torch.nn.Module) -> bytes:
    return b"".join(parameter.detach().numpy().tobytes() for parameter in model.parameters())


@pytest.mark.parametrize(("kind", "config", "change", "objective"), [
    (Encoder, CONFIG, MASKING, masked_tokens), (EncoderDecoder, TWO_STACKS, CUTTING, infilling),
])  # fmt: skip
def test_stopped_and_going_on_is_never_having_stopped(tmp_path: Path, kind, config, change, objective) -> None:
    whole, first, again = (kind(config) for _ in range(3))
    train(whole, batches(change), objective, steps=9)
    train(first, batches(change), objective, tmp_path, steps=5)
    result = train(again, batches(change), objective, tmp_path, steps=9)
    assert result.resumed_from == 5
    assert weights(again) == weights(whole)


def test_an_encoder_learns_to_fill_in() -> None:
    model = Encoder(CONFIG)
    result = train(model, batches(MASKING), masked_tokens)
    assert result.loss < 0.5 * np.log(26)
    ids_BT = torch.from_numpy(counting(12, 5, 1))[None].clone()
    true, ids_BT[0, 6] = int(ids_BT[0, 6]), MASK
    assert int(model(ids_BT)[0, 6].argmax()) == true


def test_an_encoder_decoder_learns_to_fill_in() -> None:
    model = EncoderDecoder(TWO_STACKS)
    result = train(model, batches(CUTTING), infilling)
    assert result.loss < 0.5 * np.log(26)
    assert greedy(model, torch.tensor([[4, 5, 6, 7, SENTINELS[0], 10, 11, END]]), limit=4)[0][0] == SENTINELS[0]


@pytest.mark.parametrize(("kind", "objective"), [(SequenceClassifier, text_labels), (TokenClassifier, token_labels)])
def test_a_classifier_learns_its_labels(kind, objective) -> None:
    model = kind(CONFIG)
    result = train(model, Labelled(), objective, horizon=60)
    assert result.metrics["accuracy"] > 0.95


@pytest.mark.parametrize("model", [Encoder(CONFIG), SequenceClassifier(CONFIG), EncoderDecoder(TWO_STACKS)])
def test_matrices_inside_are_muons_embeddings_and_heads_are_not(model: torch.nn.Module) -> None:
    optimiser, peaks = Optimiser(model, Rates(embedding=0.1, head=0.2, vectors=0.3)), {}
    for peak, parameters in optimiser.adam.groups.items():
        peaks |= {optimiser.names[parameter]: peak for parameter in parameters}
    outside = ("embeddings", "shared", "lm_head", "decoder.weight", "classifier", "relative_attention_bias")
    inside = {name for name, p in model.named_parameters() if p.ndim == 2 and not any(part in name for part in outside)}
    assert inside == dict(model.named_parameters()).keys() - peaks.keys()
    for name, peak in peaks.items():
        embedding = name in ("shared.weight", "model.embeddings.tok_embeddings.weight")
        assert peak == (0.1 if embedding else 0.2 if name in ("lm_head.weight", "classifier.weight") else 0.3), name
