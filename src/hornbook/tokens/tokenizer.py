"""Byte-level BPE: trained by rustbpe, written as `tokenizer.json`, applied by tiktoken. Any text comes back as it was.

Ids: 0-255 are the bytes, then the merges in the order they were learnt, then the special tokens.
Sources: Sennrich et al. 2016 (BPE), Radford et al. 2019 (bytes), Qwen2's tokenizer (where text is split).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from hornbook.core.errors import DamagedError, InputError
from hornbook.core.files import write_text
from hornbook.tokens.template import CHAT_TEMPLATE
from hornbook.tokens.vocabulary import byte_pairs, bytes_of, letters_of

SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
HIDDEN = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")  # never shown to a reader
MARKUP = ("<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>", "<think>", "</think>")  # shown
SPECIAL = HIDDEN + MARKUP
SMALLEST = 256 + len(SPECIAL)

# The splitter backtracks over a run of white space and its stack has an end: longer runs are cut before it sees them.
_LONG_RUN = re.compile(r"(\s{32768})")
_LONG_TEXT = 32768


class Tokenizer:
    """Text to ids and back.

    `special` names the id of every special token. `encode` never makes one of them: in text they stay text, so no page
    and no user can open a turn. They enter by their ids, in `hornbook.tokens.chat`.
    """

    def __init__(self, pieces: Sequence[bytes]):
        """`pieces`: the bytes of every ordinary token in the order of its id, the 256 bytes first."""
        import tiktoken

        self.special = {text: len(pieces) + index for index, text in enumerate(SPECIAL)}
        self.vocab_size = len(pieces) + len(SPECIAL)
        self.end_of_document, self.start_of_turn, self.end_of_turn = (self.special[text] for text in HIDDEN)
        self._pieces = [*pieces, *(text.encode() for text in SPECIAL)]
        self._hidden = frozenset(self.special[text] for text in HIDDEN)
        ranks = {piece: rank for rank, piece in enumerate(pieces)}
        self._encoding = tiktoken.Encoding("hornbook", pat_str=SPLIT, mergeable_ranks=ranks, special_tokens={})

    @classmethod
    def train(cls, texts: Iterable[str], vocab_size: int, *, fill: bool = True) -> Tokenizer:
        """Learn `vocab_size` tokens (special ones included) from the texts. The same texts give the same tokenizer.

        Raises InputError when `vocab_size` is below the bytes and special tokens, or above what the texts can fill;
        without `fill` the tokenizer then is as large as they make it.
        """
        import rustbpe

        if vocab_size < SMALLEST:
            raise InputError(
                f"{vocab_size:,} tokens are too few for the 256 bytes and {len(SPECIAL)} special tokens",
                where="tokenizer.vocab_size", fix=f"ask for at least {SMALLEST}",
            )
        trainer = rustbpe.Tokenizer()  # pyright: ignore[reportAttributeAccessIssue]
        trainer.train_from_iterator(_without_long_runs(texts), vocab_size - len(SPECIAL), pattern=SPLIT)
        pieces = [bytes(piece) for piece, _ in trainer.get_mergeable_ranks()]
        largest = len(pieces) + len(SPECIAL)
        if fill and largest < vocab_size:
            raise InputError(
                f"the text is too small for a vocabulary of {vocab_size:,} tokens: it fills {largest:,}",
                where="tokenizer.vocab_size", fix=f"ask for at most {largest}, or bring more pages",
            )
        return cls(pieces)

    @classmethod
    def load(cls, folder: Path) -> Tokenizer:
        """The tokenizer that `save` wrote into the folder. Raises InputError where there is none, DamagedError for
        one that no longer reads as it was written."""
        path = Path(folder) / "tokenizer.json"
        if not path.is_file():
            raise InputError("there is no tokenizer.json here", where=folder, fix="name a tokenizer's folder")
        try:
            parsed = json.loads(path.read_text("utf-8"))
            vocabulary: dict[str, int] = parsed["model"]["vocab"]
            pieces = [bytes_of(letters) for letters, _ in sorted(vocabulary.items(), key=lambda item: item[1])]
            split = parsed["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"]
            added = {token["content"]: token["id"] for token in parsed["added_tokens"]}
        except (ValueError, KeyError, TypeError, IndexError) as error:
            raise DamagedError(f"not a byte-level BPE tokenizer ({type(error).__name__}: {error})", where=path,
                               fix="make the tokenizer again") from None
        if split != SPLIT or added != {text: len(pieces) + index for index, text in enumerate(SPECIAL)}:
            raise InputError("this tokenizer splits text or names its special tokens otherwise than Hornbook's",
                             where=path, fix="use a tokenizer that Hornbook trained")
        whole = sorted(vocabulary.values()) == list(range(len(pieces)))
        if not whole or pieces[:256] != [bytes([byte]) for byte in range(256)]:
            raise DamagedError("its vocabulary has holes", where=path, fix="make the tokenizer again")
        return cls(pieces)

    def save(self, folder: Path) -> None:
        """Write `tokenizer.json`, which `tokenizers` reads, and `tokenizer_config.json` with the chat template, for
        transformers (4 and 5), vLLM and llama.cpp."""
        folder = Path(folder)
        write_text(folder / "tokenizer.json", json.dumps(self._description(), indent=1, ensure_ascii=False) + "\n")
        write_text(folder / "tokenizer_config.json", json.dumps(self._configuration(), indent=2) + "\n")

    def encode(self, text: str) -> list[int]:
        """The ids of the text; special tokens in it stay text. Lone surrogates become U+FFFD."""
        if len(text) > _LONG_TEXT:
            return [token for part in _LONG_RUN.split(text) for token in self._encoding.encode_ordinary(part)]
        return self._encoding.encode_ordinary(text)

    def encode_batch(self, texts: Sequence[str], threads: int = 4) -> list[np.ndarray]:
        """`encode` of many texts on several threads, each as an int32 array."""
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(threads) as pool:
            return list(pool.map(lambda text: np.array(self.encode(text), dtype=np.int32), texts, chunksize=64))

    def decode(self, ids: Iterable[int], skip_special: bool = True) -> str:
        """The text of the ids. `skip_special` leaves out `<|endoftext|>`, `<|im_start|>` and `<|im_end|>`; the tags of
        tools and thoughts belong to an answer and stay. A character cut in half becomes U+FFFD."""
        return self.decode_bytes(ids, skip_special).decode("utf-8", errors="replace")

    def decode_bytes(self, ids: Iterable[int], skip_special: bool = True) -> bytes:
        """The bytes of the ids, for a reader that must wait for the rest of a character."""
        hidden = self._hidden if skip_special else frozenset()
        return b"".join(self._pieces[token] for token in ids if token not in hidden)

    def _description(self) -> dict:
        """tokenizer.json, in the format of the `tokenizers` library."""
        pieces = self._pieces[: -len(SPECIAL)]
        split = {"type": "Split", "pattern": {"Regex": SPLIT}, "behavior": "Isolated", "invert": False}
        letters = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
        return {
            "version": "1.0",
            "truncation": None,
            "padding": None,
            "added_tokens": [{"id": token, **_added(text)} for text, token in self.special.items()],
            "normalizer": None,
            "pre_tokenizer": {"type": "Sequence", "pretokenizers": [split, letters]},
            "post_processor": None,
            "decoder": {**letters, "add_prefix_space": True, "use_regex": True},
            "model": {
                "type": "BPE",
                "dropout": None,
                "unk_token": None,
                "continuing_subword_prefix": None,
                "end_of_word_suffix": None,
                "fuse_unk": False,
                "byte_fallback": False,
                "ignore_merges": True,  # a split that is a token as it stands is taken whole, as tiktoken does
                "vocab": {letters_of(piece): rank for rank, piece in enumerate(pieces)},
                "merges": [[letters_of(left), letters_of(right)] for left, right in byte_pairs(pieces)],
            },
        }

    def _configuration(self) -> dict:
        return {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "added_tokens_decoder": {str(token): _added(text) for text, token in self.special.items()},
            "bos_token": None,
            "eos_token": "<|im_end|>",
            "pad_token": "<|endoftext|>",
            "additional_special_tokens": ["<|im_start|>"],
            "clean_up_tokenization_spaces": False,
            "model_max_length": 1_000_000_000,
            "chat_template": CHAT_TEMPLATE,
        }


def _added(text: str) -> dict:
    return {
        "content": text, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
        "special": text in HIDDEN,
    }


def _without_long_runs(texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        if len(text) > _LONG_TEXT:
            yield from _LONG_RUN.split(text)
        else:
            yield text
