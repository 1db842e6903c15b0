"""What a transformer of a given shape is made of and asks for: parameters, and multiplications and additions a token.

Pure arithmetic on a `TransformerConfig`: nothing is built. Shapes as in `transformer.py`: T places, D width, H heads, K
key-value heads, E head width, F feed-forward width, L layers, V vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass

from hornbook.models.config import TransformerConfig


@dataclass(frozen=True)
class Parameters:
    """How many there are of each kind. A tied head is the embedding: counted once, it multiplies all the same."""

    matrices: int  # inside the blocks
    embedding: int
    head: int
    vectors: int  # norms and biases
    tied: bool

    @property
    def total(self) -> int:
        return self.matrices + self.embedding + self.vectors + (0 if self.tied else self.head)

    @property
    def multiplying(self) -> int:
        """Those that every token is multiplied with: what scaling laws count (Kaplan et al., arXiv:2001.08361)."""
        return self.matrices + self.head


def parameters(shape: TransformerConfig) -> Parameters:
    """The parameters of `Transformer(shape)`, kind by kind."""
    D, F, E, L = shape.hidden_size, shape.intermediate_size, shape.head_dim, shape.num_hidden_layers
    queries, keys = shape.num_attention_heads * E, shape.num_key_value_heads * E
    norms = 2 * D + (2 * E if shape.query_key_norm else 0)
    biases = (queries + 2 * keys if shape.query_key_value_bias else 0) + (D if shape.output_bias else 0)
    biases += 2 * F + D if shape.mlp_bias else 0
    words = shape.vocab_size * D
    return Parameters(
        matrices=L * (D * (queries + 2 * keys) + queries * D + 3 * D * F), embedding=words, head=words,
        vectors=L * (norms + biases) + D, tied=shape.tie_word_embeddings,
    )  # fmt: skip


def flops_a_token(shape: TransformerConfig, window: int) -> int:
    """6 N + 12 L T H E: a training step's multiplications and additions a token, there (a third) and back.

    N are the parameters that multiply, the second term is attention over the whole window, as Chowdhery et al. count
    it (PaLM, arXiv:2204.02311, appendix B); norms, softmax and the optimiser are left out.
    """
    attention = 12 * shape.num_hidden_layers * window * shape.num_attention_heads * shape.head_dim
    return 6 * parameters(shape).multiplying + attention


def newton_schulz_flops(shape: TransformerConfig, iterations: int) -> int:
    """Of one step of Muon: each iteration takes x x', its square and its product with x, on a matrix's shorter side."""
    D, F, E = shape.hidden_size, shape.intermediate_size, shape.head_dim
    queries, keys = shape.num_attention_heads * E, shape.num_key_value_heads * E
    sides = [(queries, D), (keys, D), (keys, D), (queries, D), (F, D), (F, D), (F, D)]
    products = (4 * min(side) ** 2 * max(side) + 2 * min(side) ** 3 for side in sides)
    return shape.num_hidden_layers * iterations * sum(products)
