"""What a model's files must hold, told by its configuration alone: every tensor's name and shape."""

from __future__ import annotations

from collections.abc import Iterator

from hornbook.models.config import TransformerConfig


def filed_shapes(config: TransformerConfig) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Every tensor of a model folder under Hugging Face's names, a tied head left out."""
    if config.model_type == "gpt2":
        yield from _of_gpt2(config)
        return
    width, inner, size = config.hidden_size, config.intermediate_size, config.head_dim
    queries, keys = config.num_attention_heads * size, config.num_key_value_heads * size
    yield "model.embed_tokens.weight", (config.vocab_size, width)
    matrices = {
        "self_attn.q_proj": (queries, width), "self_attn.k_proj": (keys, width), "self_attn.v_proj": (keys, width),
        "self_attn.o_proj": (width, queries), "mlp.gate_proj": (inner, width), "mlp.up_proj": (inner, width),
        "mlp.down_proj": (width, inner),
    }  # fmt: skip
    biased = ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"] if config.query_key_value_bias else []
    biased += ["self_attn.o_proj"] if config.output_bias else []
    biased += ["mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"] if config.mlp_bias else []
    norms = {"input_layernorm": width, "post_attention_layernorm": width}
    norms |= {"self_attn.q_norm": size, "self_attn.k_norm": size} if config.query_key_norm else {}
    for layer in range(config.num_hidden_layers):
        before = f"model.layers.{layer}."
        yield from ((f"{before}{name}.weight", shape) for name, shape in matrices.items())
        yield from ((f"{before}{name}.bias", matrices[name][:1]) for name in biased)
        yield from ((f"{before}{name}.weight", (length,)) for name, length in norms.items())
    yield "model.norm.weight", (width,)
    if not config.tie_word_embeddings:
        yield "lm_head.weight", (config.vocab_size, width)


def _of_gpt2(config: TransformerConfig) -> Iterator[tuple[str, tuple[int, ...]]]:
    """GPT2LMHeadModel's, whose products are kept transposed (`gpt2.py`)."""
    width, inner, vocabulary = config.hidden_size, config.intermediate_size, config.vocab_size
    yield "transformer.wte.weight", (vocabulary, width)
    yield "transformer.wpe.weight", (config.max_position_embeddings, width)
    products = {
        "attn.c_attn": (width, 3 * width), "attn.c_proj": (width, width), "mlp.c_fc": (width, inner),
        "mlp.c_proj": (inner, width),
    }  # fmt: skip
    norms = [f"transformer.h.{layer}.{name}" for layer in range(config.num_hidden_layers) for name in ("ln_1", "ln_2")]
    for name in (*norms, "transformer.ln_f"):
        yield f"{name}.weight", (width,)
        yield f"{name}.bias", (width,)
    for layer in range(config.num_hidden_layers):
        for name, shape in products.items():
            yield f"transformer.h.{layer}.{name}.weight", shape
            yield f"transformer.h.{layer}.{name}.bias", shape[1:]
    if not config.tie_word_embeddings:
        yield "lm_head.weight", (vocabulary, width)
