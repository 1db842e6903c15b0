"""Text to ids and back. The default is byte-level BPE: trained by rustbpe, written as `tokenizer.json`, applied by
tiktoken. Any text comes back as it was.

Ids: 0-255 are the bytes, then the merges in the order they were learnt, then the special tokens.
Sources: Sennrich et al. 2016 (BPE), Radford et al. 2019 (bytes), Qwen2's tokenizer (where text is split).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path

import numpy as np

from hornbook.core.errors import DamagedError, InputError
from hornbook.core.files import write_text
from hornbook.tokens.description import Description, byte_level_bpe, configured, is_byte_level_bpe
from hornbook.tokens.giga import gigatoken
from hornbook.tokens.special import MARKUP, SPECIAL, end_of_text
from hornbook.tokens.split import GROUPED, PARTS, has_long_run, parts
from hornbook.tokens.vocabulary import bytes_of

SMALLEST = 256 + len(SPECIAL)


class Tokenizer:
    """Text to ids and back.

    `pieces` has the bytes of every token by its id; `special` the id of every special token by its name. `encode` never
    makes one of them: in text they stay text, so no page and no user can open a turn. They enter by their ids, in
    `hornbook.tokens.chat`. `lossless` says whether texts come back as they
    were.
    """

    lossless = True
    beginning: tuple[int, ...] = ()  # what stands before every text that a model goes on with
    _library_name = "tiktoken"

    def __init__(self, pieces: Sequence[bytes], special: Sequence[str] = SPECIAL):
        """`pieces`: the bytes of every ordinary token in the order of its id, the 256 bytes first."""
        self._ordinary = list(pieces)
        ids = {text: len(pieces) + index for index, text in enumerate(special)}
        self._name([*pieces, *(text.encode() for text in special)], ids, [text for text in ids if text not in MARKUP])

    def _name(self, pieces: list[bytes], special: Mapping[str, int], hidden: Iterable[str]) -> None:
        self.pieces, self.special, self.vocab_size = pieces, dict(special), len(pieces)
        self._hidden = frozenset(self.special[text] for text in hidden)
        self._name_turns()

    def _name_turns(self) -> None:
        special = self.special
        self.end_of_document = self.special[end_of_text(special) or SPECIAL[0]]
        self.start_of_turn, self.end_of_turn = self.special["<|im_start|>"], self.special["<|im_end|>"]

    @classmethod
    def train(cls, texts: Iterable[str], vocab_size: int, *, kind: str = "bpe", fill: bool = True) -> Tokenizer:
        """Learn `vocab_size` tokens (special ones included) from the texts. The same texts give the same tokenizer.

        `kind` is one of `hornbook.tokens.training.KINDS`. Raises InputError when `vocab_size` is below what the kind
        begins with, or above what the texts can fill; without `fill` the tokenizer then is as large as they make it.
        """
        from hornbook.tokens.training import train

        return train(texts, vocab_size, kind=kind, fill=fill)

    @classmethod
    def load(cls, folder: Path) -> Tokenizer:
        """The tokenizer in the folder: one that `save` wrote, or any that names all of SPECIAL.

        Raises InputError where there is none or a special token lacks, DamagedError for a file that is no tokenizer.
        """
        from hornbook.tokens.described import LibraryTokenizer

        path = Path(folder) / "tokenizer.json"
        if not path.is_file():
            raise InputError("there is no tokenizer.json here", where=folder, fix="name a tokenizer's folder")
        try:
            description = json.loads(path.read_text("utf-8"))
            added = sorted(description["added_tokens"], key=lambda token: token["id"])
            special = [token["content"] for token in added]
            lacking = [text for text in SPECIAL[1:] if text not in special]
            if lacking or end_of_text(special) is None:
                raise InputError(f"this tokenizer has no special token {(lacking or SPECIAL)[0]}", where=path,
                                 fix="import it: name it as `init` under [tokenizer]")
            if not is_byte_level_bpe(description):
                return LibraryTokenizer(description)
            found = Tokenizer([bytes_of(letters) for letters in description["model"]["vocab"]], special)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise DamagedError(f"this is no tokenizer ({type(error).__name__}: {error})", where=path,
                               fix="make the tokenizer again") from None
        found.description = description
        return found

    def save(self, folder: Path) -> None:
        """Write `tokenizer.json`, which `tokenizers` reads, and `tokenizer_config.json` with the chat template, for
        transformers (4 and 5), vLLM and llama.cpp."""
        folder, end = Path(folder), self.pieces[self.end_of_document].decode()
        write_text(folder / "tokenizer.json", json.dumps(self.description, indent=1, ensure_ascii=False) + "\n")
        write_text(folder / "tokenizer_config.json", json.dumps(configured(self.description, end), indent=2) + "\n")

    @property
    def ends(self) -> tuple[int, ...]:
        """The ids that end an answer."""
        return self.end_of_turn, self.end_of_document

    def prompt(self, messages: Sequence[dict], tools: Sequence[dict] = ()) -> list[int]:
        """The ids of a conversation and the tools that may be called, up to where the model answers. Raises InputError
        as `hornbook.tokens.chat`."""
        from hornbook.tokens.chat import render
        from hornbook.tokens.tools import with_tools

        return render(self, with_tools(messages, tools), for_answer=True).ids

    @cached_property
    def description(self) -> Description:
        """tokenizer.json, in the format of the `tokenizers` library."""
        return byte_level_bpe(self._ordinary, list(self.special))

    def encode(self, text: str) -> list[int]:
        """The ids of the text; special tokens in it stay text. Lone surrogates become U+FFFD."""
        if has_long_run(text):
            return [token for part in parts(text) for token in self._without_looking_ahead.encode_ordinary(part)]
        return self._encoding.encode_ordinary(text)

    def encode_batch(self, texts: Sequence[str], threads: int = 4) -> list[np.ndarray]:
        """`encode` of many texts, each as an int32 array: by gigatoken where it is installed, else on `threads`."""
        if self._gigatoken is not None:
            return [self._gigatoken(text) for text in texts]
        return self._encode_many(texts, threads)

    def decode(self, ids: Iterable[int], skip_special: bool = True) -> str:
        """The text of the ids. `skip_special` leaves out `<|endoftext|>`, `<|im_start|>`, `<|im_end|>` and what is
        reserved; the tags of tools and thoughts belong to an answer and stay. A character cut in half becomes
        U+FFFD. An id that no token has is nothing, as in `tokenizers` and transformers: many a model's matrices have
        more rows than its tokenizer has tokens."""
        return self.decode_bytes(ids, skip_special).decode("utf-8", errors="replace")

    def decode_bytes(self, ids: Iterable[int], skip_special: bool = True) -> bytes:
        """`decode` for a reader that must wait for the rest of a character."""
        hidden, last = self._hidden if skip_special else frozenset(), len(self.pieces)
        return b"".join(self.pieces[token] for token in ids if token not in hidden and token < last)

    @property
    def encoder(self) -> str:
        """The library behind `encode_batch`."""
        return self._library_name if self._gigatoken is None else "gigatoken"

    def _encode_many(self, texts: Sequence[str], threads: int) -> list[np.ndarray]:
        with ThreadPoolExecutor(threads) as pool:
            return list(pool.map(lambda text: np.array(self.encode(text), dtype=np.int32), texts, chunksize=64))

    @cached_property
    def _gigatoken(self) -> Callable[[str], np.ndarray] | None:
        return gigatoken(self.description, self.encode)

    @cached_property
    def _encoding(self):
        return _tiktoken(self._ordinary, GROUPED)

    @cached_property
    def _without_looking_ahead(self):
        return _tiktoken(self._ordinary, PARTS)


def _tiktoken(pieces: Sequence[bytes], pattern: str):
    import tiktoken

    ranks = {piece: rank for rank, piece in enumerate(pieces)}
    return tiktoken.Encoding("hornbook", pat_str=pattern, mergeable_ranks=ranks, special_tokens={})
