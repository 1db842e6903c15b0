"""The special tokens: their names, which of them a reader sees, and how `tokenizer.json` lists them."""

from __future__ import annotations

from collections.abc import Iterable

HIDDEN = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")  # never shown to a reader
MARKUP = ("<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>", "<think>", "</think>")  # shown
SPECIAL = HIDDEN + MARKUP

# For models that will see and hear, under Qwen3-Omni's names. In a small vocabulary each would cost a word, so only
# one of ROOMY tokens or more holds them free.
RESERVED = (
    "<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|audio_start|>", "<|audio_end|>", "<|audio_pad|>",
)  # fmt: skip
ROOMY = 8192

# What other makers call the end of a text, the best known first.
ENDS = ("<|endoftext|>", "<|end_of_text|>", "<eos>", "</s>")


def special_tokens(vocab_size: int) -> tuple[str, ...]:
    """The special tokens of a vocabulary that is to have `vocab_size` tokens."""
    return SPECIAL + RESERVED if vocab_size >= ROOMY else SPECIAL


def listed(text: str) -> dict:
    """What `tokenizer.json` and `tokenizer_config.json` say of a special token, its id left out."""
    return {
        "content": text, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
        "special": text not in MARKUP,
    }  # fmt: skip


def end_of_text(added: Iterable[str]) -> str | None:
    """The one of the added tokens that ends a text; None where no known name is among them."""
    names = set(added)
    return next((name for name in ENDS if name in names), None)
