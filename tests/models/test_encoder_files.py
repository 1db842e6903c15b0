"""Folders of encoders and encoder-decoders: ours in transformers, theirs in ours, and what is not whole."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import transformers

from hornbook.core.errors import DamagedError, HornbookError, InputError
from hornbook.models.encoder import Encoder, EncoderBase, SequenceClassifier, TokenClassifier
from hornbook.models.encoder_config import EncoderConfig
from hornbook.models.encoder_decoder import EncoderDecoder
from hornbook.models.encoder_decoder_config import EncoderDecoderConfig
from hornbook.models.encoder_files import load_encoder, load_encoder_decoder, save_encoder, save_encoder_decoder

CONFIG = EncoderConfig(
    vocab_size=64, hidden_size=32, intermediate_size=48, num_hidden_layers=3, num_attention_heads=2,
    global_attn_every_n_layers=2, local_attention=6, global_rope_theta=5000.0, local_rope_theta=300.0,
    id2label={0: "no", 1: "perhaps", 2: "yes"}, pad_token_id=3, sep_token_id=5,
)  # fmt: skip
TWO_STACKS = EncoderDecoderConfig(
    vocab_size=64, d_model=32, d_kv=8, d_ff=48, num_layers=2, num_decoder_layers=3, num_heads=4, eos_token_id=5
)
IDS = torch.arange(40).view(2, 20)
CLASSES = {
    Encoder: transformers.AutoModelForMaskedLM, TokenClassifier: transformers.AutoModelForTokenClassification,
    SequenceClassifier: transformers.AutoModelForSequenceClassification,
}  # fmt: skip


def stirred(model):
    """The same model with random weights everywhere."""
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.1 + (parameter.ndim == 1))
    return model


def same(ours: torch.nn.Module, again: torch.nn.Module) -> bool:
    return all(torch.equal(own, other) for own, other in zip(ours.parameters(), again.parameters(), strict=True))


@pytest.mark.parametrize("kind", CLASSES)
def test_transformers_opens_our_encoders_and_we_open_theirs(tmp_path: Path, kind: type[EncoderBase]) -> None:
    ours = stirred(kind(CONFIG))
    save_encoder(ours, tmp_path / "ours")
    theirs = CLASSES[kind].from_pretrained(tmp_path / "ours")
    assert type(theirs).__name__ == kind.architecture
    assert theirs.config.id2label == CONFIG.id2label
    with torch.no_grad():
        torch.testing.assert_close(theirs(IDS).logits, ours(IDS), rtol=0, atol=1e-5)
    theirs.save_pretrained(tmp_path / "theirs")
    again = load_encoder(tmp_path / "theirs")
    assert type(again) is kind
    assert again.config == ours.config
    assert same(ours, again)
    assert load_encoder(tmp_path / "ours", dtype=torch.bfloat16).head.dense.weight.dtype == torch.bfloat16


def test_a_config_of_transformers_4_is_read() -> None:
    values = CONFIG.to_hf("ModernBertForMaskedLM")
    del values["layer_types"], values["rope_parameters"]
    assert EncoderConfig.from_hf(values) == CONFIG


@pytest.mark.parametrize("tie", [False, True])
def test_transformers_opens_our_encoder_decoder_and_we_open_theirs(tmp_path: Path, tie: bool) -> None:
    ours = stirred(EncoderDecoder(TWO_STACKS.model_copy(update={"tie_word_embeddings": tie})))
    save_encoder_decoder(ours, tmp_path / "ours")
    theirs = transformers.AutoModelForSeq2SeqLM.from_pretrained(tmp_path / "ours")
    assert theirs.generation_config.eos_token_id == 5
    with torch.no_grad():
        torch.testing.assert_close(theirs(IDS, decoder_input_ids=IDS).logits, ours(IDS, IDS), rtol=0, atol=1e-5)
    theirs.save_pretrained(tmp_path / "theirs")
    again = load_encoder_decoder(tmp_path / "theirs")
    assert again.config == ours.config
    assert same(ours, again)


def test_one_matrix_that_transformers_kept_for_two_is_read(tmp_path: Path) -> None:
    """transformers 5 ties a fresh v1.1 model and scales nothing."""
    theirs = transformers.T5ForConditionalGeneration(transformers.T5Config(**TWO_STACKS.to_hf())).eval()
    theirs.save_pretrained(tmp_path)
    ours = load_encoder_decoder(tmp_path)
    with torch.no_grad():
        torch.testing.assert_close(theirs(IDS, decoder_input_ids=IDS).logits, ours(IDS, IDS), rtol=0, atol=1e-4)


NOT_ITS_CONFIG = [
    *((save_encoder, load_encoder, Encoder(CONFIG), changes) for changes in (
        {"model_type": "bert"}, {"hidden_activation": "relu"}, {"classifier_activation": "silu"}, {"hidden_size": 64},
        {"tie_word_embeddings": False}, {"architectures": ["ModernBertForQuestionAnswering"]},
        {"num_hidden_layers": 4}, {"layer_types": ["sliding_attention"] * 3},
        {"rope_parameters": {"full_attention": {"rope_type": "yarn"}}}, {"rope_scaling": {"type": "linear"}},
        {"norm_bias": True}, {"vocab_size": "many"}, {"num_attention_heads": 5},
    )),
    *((save_encoder_decoder, load_encoder_decoder, EncoderDecoder(TWO_STACKS), changes) for changes in (
        {"model_type": "mt5"}, {"feed_forward_proj": "relu"}, {"d_kv": 16}, {"num_decoder_layers": 2}, {"d_ff": None},
        {"is_encoder_decoder": False}, {"eos_token_id": 640}, {"relative_attention_max_distance": 2},
    )),
]  # fmt: skip


@pytest.mark.parametrize(("save", "load", "model", "changes"), NOT_ITS_CONFIG)
def test_a_model_that_is_not_its_config_is_one_line(tmp_path: Path, save, load, model, changes: dict) -> None:
    save(model, tmp_path)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    with pytest.raises(HornbookError, match=str(tmp_path)) as caught:
        load(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("save", "load", "model"), [
    (save_encoder, load_encoder, Encoder(CONFIG)),
    (save_encoder_decoder, load_encoder_decoder, EncoderDecoder(TWO_STACKS)),
])  # fmt: skip
def test_what_is_missing_or_cut_short_is_said(tmp_path: Path, save, load, model) -> None:
    with pytest.raises(InputError, match=r"config\.json: the file is not there"):
        load(tmp_path)
    save(model, tmp_path)
    again = load(tmp_path)
    assert same(model, again)
    whole = (tmp_path / "model.safetensors").read_bytes()
    save(again, tmp_path)
    assert (tmp_path / "model.safetensors").read_bytes() == whole
    (tmp_path / "model.safetensors").write_bytes(whole[:-9])
    with pytest.raises(DamagedError, match="not a whole safetensors file"):
        load(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(InputError, match="the weights are not there"):
        load(tmp_path)
