"""Texts with something missing, for a model to fill in: tokens masked one by one, or whole spans cut out.

What is hidden is drawn from the seed and the place in the stream, so that a run that goes on hides what one that never
stopped would have hidden, whatever the number of processes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from hornbook.core.errors import InputError
from hornbook.tokens.batch import Batch
from hornbook.tokens.loader import PackedBatches, Sequences

Generators = Sequence[np.random.Generator]


class Whole:
    """The same sequences, each with a token 0 behind it: `PackedBatches` reads all of a sequence but its last token,
    which it only predicts, and here all are read."""

    def __init__(self, sequences: Sequences):
        self.sequences = sequences
        lengths = getattr(sequences, "lengths", None)
        known = lengths if lengths is not None else [len(sequences[index]) for index in range(len(sequences))]
        lengths_S = np.asarray(known, np.int64)
        self.lengths = np.where(lengths_S > 0, lengths_S + 1, 0)

    def __len__(self) -> int:
        return len(self.sequences)

    def __getitem__(self, index: int, /) -> np.ndarray:
        return np.append(np.asarray(self.sequences[index], np.int64), 0)


class Corrupted:
    """The batches of `batches`, whose sequences are `Whole`, each after `change`: `mask_tokens` or `infill` with its
    options given, which gets the batch and a random generator for each row. The `cursor` is that of `batches`."""

    def __init__(self, batches: PackedBatches, change: Callable[[Batch, Generators], Batch]):
        self.batches, self.change = batches, change

    @property
    def cursor(self) -> int:
        return self.batches.cursor

    @cursor.setter
    def cursor(self, cursor: int) -> None:
        self.batches.cursor = cursor

    def __iter__(self) -> Iterator[Batch]:
        return self

    def __next__(self) -> Batch:
        place = self.cursor
        batch = next(self.batches)
        rows = len(batch.ids_BT)
        first = self.batches.rank * rows
        seed = self.batches.seed % 2**63
        return self.change(batch, [np.random.default_rng([seed, place, first + row]) for row in range(rows)])


def mask_tokens(
    batch: Batch, generators: Generators, *, mask_id: int, vocabulary: int, share: float = 0.3, masked: float = 0.8,
    swapped: float = 0.1, never: Sequence[int] = (),
) -> Batch:  # fmt: skip
    """A batch that asks for `share` of its tokens, each drawn by itself; ids `never` asked for are left out.

    Of those asked for, `masked` are shown as `mask_id`, `swapped` as any of the `vocabulary`'s ids, the others as they
    are. `targets_BT` are the ids before, `weights_BT` 1 where one is asked for. BERT asks for 0.15 (arXiv:1810.04805),
    ModernBERT for 0.3 (arXiv:2412.13663), both show them 80 : 10 : 10.
    """
    window = batch.ids_BT.shape[1]
    drawn_BT, shown_BT = (np.stack([g.random(window) for g in generators]) for _ in range(2))
    words_BT = np.stack([g.integers(0, vocabulary, window) for g in generators])
    asked_BT = (drawn_BT < share) & (batch.documents_BT >= 0) & ~np.isin(batch.ids_BT, list(never))
    ids_BT = np.where(asked_BT & (shown_BT < masked), mask_id, batch.ids_BT)
    ids_BT = np.where(asked_BT & (shown_BT >= masked) & (shown_BT < masked + swapped), words_BT, ids_BT)
    return Batch(ids_BT, batch.ids_BT, batch.positions_BT, batch.documents_BT, asked_BT.astype(np.float32))


def infill(
    batch: Batch, generators: Generators, *, sentinels: Sequence[int], start_id: int, end_id: int, share: float = 0.15,
    span: float = 3.0,
) -> Batch:  # fmt: skip
    """A batch for an encoder-decoder: every document with spans cut out (`cut_spans`), and what was cut to be told.

    ids_BT, positions_BT and documents_BT are the sources', side by side as the documents were. `extra` holds, for the
    answers in rows of their own length U, target_ids_BU (what the decoder reads: `start_id` and the answer but its
    end), targets_BU (what it shall say), target_documents_BU (the number of the answer's source) and target_weights_BU.
    A document of one token has nothing to hide and is left out.
    """
    sources: list[list[tuple[int, np.ndarray]]] = []
    answers: list[list[tuple[int, np.ndarray]]] = []
    for ids_T, documents_T, generator in zip(batch.ids_BT, batch.documents_BT, generators, strict=True):
        numbers = [number for number in np.unique(documents_T[documents_T >= 0]) if (documents_T == number).sum() > 1]
        options = {"sentinels": sentinels, "end_id": end_id, "share": share, "span": span}
        cut = [(int(number), *cut_spans(ids_T[documents_T == number], generator, **options)) for number in numbers]
        sources.append([(number, source) for number, source, _ in cut])
        answers.append([(number, answer) for number, _, answer in cut])
    made, said = _laid(sources), _laid(answers)
    read_BU = np.where(said.positions_BT == 0, start_id, np.roll(said.ids_BT, 1, axis=1))
    made.extra = {
        "target_ids_BU": np.where(said.documents_BT >= 0, read_BU, 0), "targets_BU": said.ids_BT,
        "target_documents_BU": said.documents_BT, "target_weights_BU": (said.documents_BT >= 0).astype(np.float32),
    }  # fmt: skip
    return made


def cut_spans(
    ids_N: np.ndarray, generator: np.random.Generator, *, sentinels: Sequence[int], end_id: int, share: float = 0.15,
    span: float = 3.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Two or more ids as the text with spans cut out and as what was cut, both with `end_id` behind.

    Of the tokens `share` are cut, in spans of `span` tokens on average, all ways to do so alike; the text begins with
    something kept. Each span leaves one of `sentinels`, in their order, which stands before the span in the answer
    (section 3.1.4 of arXiv:1910.10683). Raises InputError when there are more spans than sentinels.
    """
    length = len(ids_N)
    cut = min(max(round(length * share), 1), length - 1)
    spans = min(max(round(cut / span), 1), length - cut)
    if spans > len(sentinels):
        what = f"{length} tokens want {spans} sentinels, there are {len(sentinels)}"
        raise InputError(what, fix="give more, or shorten the window")
    lengths = np.stack([_parts(length - cut, spans, generator), _parts(cut, spans, generator)], 1).ravel()
    pieces = np.split(ids_N, np.cumsum(lengths)[:-1])
    marks = [np.array([sentinel]) for sentinel in sentinels[:spans]]
    end = np.array([end_id])
    text = [part for pair in zip(pieces[::2], marks, strict=True) for part in pair]
    answer = [part for pair in zip(marks, pieces[1::2], strict=True) for part in pair]
    return np.concatenate([*text, end]), np.concatenate([*answer, end])


def _parts(count: int, parts: int, generator: np.random.Generator) -> np.ndarray:
    """`count` as a sum of so many positive numbers, every such sum as likely."""
    borders = np.sort(generator.choice(count - 1, parts - 1, replace=False)) + 1
    return np.diff(borders, prepend=0, append=count)


def _laid(rows: list[list[tuple[int, np.ndarray]]]) -> Batch:
    """Numbered texts side by side in rows as long as the longest, up to a multiple of 8."""
    longest = max(sum(len(ids) for _, ids in row) for row in rows)
    batch = Batch.empty(len(rows), max(8, -(-longest // 8) * 8))
    for row, texts in enumerate(rows):
        at = 0
        for number, ids in texts:
            place = slice(at, at + len(ids))
            batch.ids_BT[row, place] = ids
            batch.positions_BT[row, place] = np.arange(len(ids))
            batch.documents_BT[row, place] = number
            at = place.stop
    return batch
