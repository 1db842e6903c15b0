"""Tokenizers learnt from texts, in five kinds. Each has all 256 bytes, so that every text can be written with it.

bpe:        joins the two neighbours that stand together most often (Sennrich et al. 2016), by rustbpe
wordpiece:  the same words, and the longest piece first when a word is read (Schuster and Nakajima 2012)
unigram:    the pieces under which the texts are most probable (Kudo 2018)
characters: the most frequent characters, the rest in bytes
bytes:      nothing but bytes; there is nothing to learn
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from hornbook.core.errors import InputError
from hornbook.tokens.described import CONTINUES, LibraryTokenizer
from hornbook.tokens.description import BPE, FROM_LETTERS, LETTERS, Description, described, split_at
from hornbook.tokens.special import special_tokens
from hornbook.tokens.split import GROUPED, readable, short_runs
from hornbook.tokens.tokenizer import Tokenizer
from hornbook.tokens.vocabulary import letters_of

BYTES = [bytes([byte]) for byte in range(256)]

# Longest-match-first reads a word in time that grows with its square, so no word is longer than this many characters.
LONGEST = 64
BOUNDED = (
    rf"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}{{1,{LONGEST}}}|\p{{N}}"
    rf"| ?[^\s\p{{L}}\p{{N}}]{{1,{LONGEST}}}[\r\n]{{0,{LONGEST}}}"
    rf"|\s{{0,{LONGEST}}}[\r\n]{{1,{LONGEST}}}|\s{{1,{LONGEST}}}(?!\S)|\s{{1,{LONGEST}}}"
)


def train(texts: Iterable[str], vocab_size: int, *, kind: str, fill: bool) -> Tokenizer:
    """A tokenizer of that kind with `vocab_size` tokens, special ones included; or, without `fill`, of as many as the
    texts make. Raises InputError when they are too few for what the kind begins with, or more than the texts fill."""
    learn, smallest = KINDS[kind]
    special = special_tokens(vocab_size)
    if vocab_size < smallest + len(special):
        raise InputError(
            f"{vocab_size:,} tokens are too few for the {smallest} of the bytes and {len(special)} special tokens",
            where="tokenizer.vocab_size", fix=f"ask for at least {smallest + len(special)}",
        )
    made = learn(texts, vocab_size - len(special), special)
    if fill and made.vocab_size < vocab_size:
        raise InputError(
            f"the text is too small for a vocabulary of {vocab_size:,} tokens: it fills {made.vocab_size:,}",
            where="tokenizer.vocab_size", fix=f"ask for at most {made.vocab_size}, or bring more pages",
        )
    return made


def _bpe(texts: Iterable[str], room: int, special: Sequence[str]) -> Tokenizer:
    import rustbpe

    trainer = rustbpe.Tokenizer()  # pyright: ignore[reportAttributeAccessIssue]
    cut = (part for text in texts for part in short_runs(text))
    trainer.train_from_iterator(cut, room, pattern=GROUPED)
    return Tokenizer([bytes(piece) for piece, _ in trainer.get_mergeable_ranks()], special)


def _wordpiece(texts: Iterable[str], room: int, special: Sequence[str]) -> Tokenizer:
    from tokenizers import models, trainers

    going_on = [CONTINUES + letters_of(byte) for byte in BYTES]
    learnt = _learnt(
        models.WordPiece(), texts, trainers.WordPieceTrainer, vocab_size=room, continuing_subword_prefix=CONTINUES,
        special_tokens=going_on,  # named here, they have ids before the words come, which come in no order
    )  # fmt: skip
    order = [text for text, _ in sorted(learnt.get_vocab().items(), key=lambda item: item[1])]
    base = [letters_of(byte) for byte in BYTES] + going_on
    pieces = list(dict.fromkeys(base + order))[:room]
    model = {
        "type": "WordPiece", "unk_token": base[0], "continuing_subword_prefix": CONTINUES,
        "max_input_chars_per_word": 10 * LONGEST, "vocab": {text: token for token, text in enumerate(pieces)},
    }  # fmt: skip
    without_mark = {"type": "Replace", "pattern": {"String": CONTINUES}, "content": ""}
    return _with_letters(model, special, {"type": "Sequence", "decoders": [without_mark, FROM_LETTERS]})


def _unigram(texts: Iterable[str], room: int, special: Sequence[str]) -> Tokenizer:
    from tokenizers import models, trainers

    learnt = _learnt(models.Unigram(), texts, trainers.UnigramTrainer, vocab_size=room, special_tokens=[])
    scores = {text: round(score or 0.0, 4) for text, score in json.loads(learnt.to_str())["model"]["vocab"]}
    # Threads add in any order, so the last digits differ; letters that no text needed are given scores a ten-thousandth
    # apart in no order at all. Without both, the same texts give the same scores.
    lowest = min(scores.values())
    unneeded = lowest + len(BYTES) * 0.0001
    letters = {letters_of(byte): scores.pop(letters_of(byte)) for byte in BYTES}
    base = [[text, score if score > unneeded else lowest] for text, score in letters.items()]
    best = sorted(scores.items(), key=lambda item: (-item[1], item[0]))[: room - len(base)]
    model = {"type": "Unigram", "unk_id": None, "vocab": [*base, *map(list, best)], "byte_fallback": False}
    return _with_letters(model, special, FROM_LETTERS)


def _characters(texts: Iterable[str], room: int, special: Sequence[str]) -> Tokenizer:
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(readable(text))
    common = sorted(counts, key=lambda character: (-counts[character], character))[: room - len(BYTES)]
    names = [*(f"<0x{byte:02X}>" for byte in range(256)), *common]
    model = {**BPE, "ignore_merges": False, "byte_fallback": True, "merges": [],
             "vocab": {text: token for token, text in enumerate(names)}}  # fmt: skip
    together = {"type": "Sequence", "decoders": [{"type": "ByteFallback"}, {"type": "Fuse"}]}
    whole = split_at(rf"[\s\S]{{1,{LONGEST}}}")
    return LibraryTokenizer(described(model, special, pre_tokenizers=[whole], decoder=together))


def _bytes(texts: Iterable[str], room: int, special: Sequence[str]) -> Tokenizer:
    return Tokenizer(BYTES, special)


KINDS: dict[str, tuple[Callable[[Iterable[str], int, Sequence[str]], Tokenizer], int]] = {
    "bpe": (_bpe, 256), "wordpiece": (_wordpiece, 512), "unigram": (_unigram, 256),
    "characters": (_characters, 256), "bytes": (_bytes, 256),
}  # fmt: skip


def _with_letters(model: Description, special: Sequence[str], decoder: Description) -> Tokenizer:
    """A model of letters for bytes, as `tokenizers` describes it."""
    return LibraryTokenizer(
        described(model, special, pre_tokenizers=[split_at(BOUNDED), LETTERS], decoder=decoder)
    )


def _learnt(model: Any, texts: Iterable[str], trainer: Any, **options: Any) -> Any:
    """A library's tokenizer over letters for bytes, trained."""
    from tokenizers import Regex, pre_tokenizers
    from tokenizers import Tokenizer as Library

    library = Library(model)
    library.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(BOUNDED), "isolated"), pre_tokenizers.ByteLevel(False, use_regex=False)]
    )
    letters = [letters_of(byte) for byte in BYTES]
    made = trainer(initial_alphabet=letters, show_progress=False, **options)
    library.train_from_iterator(map(readable, texts), made)
    return library
