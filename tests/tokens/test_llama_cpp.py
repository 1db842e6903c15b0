"""llama.cpp reads the same ids: a toy model in GGUF with our vocabulary and the pre-tokenizer it calls `qwen2`."""

from __future__ import annotations

import json
import urllib.request

import numpy as np
import pytest

from hornbook.tokens.giga import TRIAL
from hornbook.tokens.special import MARKUP
from tests.tokens.conftest import PAGES

WIDTH, HEAD = 32, 16


@pytest.fixture(scope="module")
def tokenize(tokenizer, tmp_path_factory):
    """`(text, parse_special) -> ids` by llama.cpp's own server."""
    gguf, llama = pytest.importorskip("gguf"), pytest.importorskip("xllamacpp")
    path = tmp_path_factory.mktemp("gguf") / "toy.gguf"
    _write(gguf, path, tokenizer)
    params = llama.CommonParams()
    params.model.path, params.n_ctx, params.warmup, params.port = str(path), 64, False, 0
    params.fit_params = False
    server = llama.Server(params)

    def ids(text: str, parse_special: bool = False) -> list[int]:
        asked = {"content": text, "add_special": False, "parse_special": parse_special}
        request = urllib.request.Request(f"{server.listening_address}/tokenize", json.dumps(asked).encode())
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)["tokens"]

    return ids


def test_text_has_the_same_ids(tokenizer, tokenize):
    for text in (*TRIAL, *PAGES):
        for markup in MARKUP:  # which llama.cpp and transformers take for tokens wherever they stand
            text = text.replace(markup, "")
        assert tokenize(text) == tokenizer.encode(text), text


def test_special_tokens_have_their_ids(tokenizer, tokenize):
    for text, token in tokenizer.special.items():
        assert tokenize(text, parse_special=True) == [token]
    assert tokenize("<|im_start|>user\nhi<|im_end|>") == tokenizer.encode("<|im_start|>user\nhi<|im_end|>")


def _write(gguf, path, tokenizer) -> None:
    writer = gguf.GGUFWriter(path, "qwen3")
    writer.add_context_length(64)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(1)
    writer.add_feed_forward_length(WIDTH)
    writer.add_head_count(WIDTH // HEAD)
    writer.add_head_count_kv(WIDTH // HEAD)
    writer.add_key_length(HEAD)
    writer.add_value_length(HEAD)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_freq_base(1e4)
    model, added = tokenizer.description["model"], tokenizer.description["added_tokens"]
    ordinary = [gguf.TokenType.NORMAL] * len(model["vocab"])
    kinds = [gguf.TokenType.CONTROL if token["special"] else gguf.TokenType.USER_DEFINED for token in added]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list([*model["vocab"], *(token["content"] for token in added)])
    writer.add_token_types([*ordinary, *kinds])
    writer.add_token_merges([" ".join(pair) for pair in model["merges"]])
    writer.add_eos_token_id(tokenizer.end_of_turn)
    writer.add_add_bos_token(False)
    for name in ("token_embd", "output"):
        writer.add_tensor(f"{name}.weight", np.zeros((tokenizer.vocab_size, WIDTH), np.float32))
    for name in ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"):
        writer.add_tensor(f"blk.0.{name}.weight", np.zeros((WIDTH, WIDTH), np.float32))
    for name, size in (("attn_norm", WIDTH), ("ffn_norm", WIDTH), ("attn_q_norm", HEAD), ("attn_k_norm", HEAD)):
        writer.add_tensor(f"blk.0.{name}.weight", np.ones(size, np.float32))
    writer.add_tensor("output_norm.weight", np.ones(WIDTH, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
