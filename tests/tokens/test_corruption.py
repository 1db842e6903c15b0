"""What is hidden from a model: as much as was asked for, and the same again when a run goes on."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hornbook.core.errors import InputError
from hornbook.tokens.batch import Batch
from hornbook.tokens.corruption import Corrupted, Whole, cut_spans, infill, mask_tokens
from hornbook.tokens.loader import PackedBatches

MASK, VOCABULARY, SENTINELS, START, END = 50, 51, range(60, 90), 0, 1
MASKING = partial(mask_tokens, mask_id=MASK, vocabulary=VOCABULARY, never=[2])
CUTTING = partial(infill, sentinels=SENTINELS, start_id=START, end_id=END)


def texts(count: int = 60) -> list[np.ndarray]:
    """Numbers from 3 to 49 between a 2 and the text's own last word."""
    random = np.random.default_rng(0)
    return [np.concatenate([[2], random.integers(3, 50, random.integers(1, 30))]) for _ in range(count)]


def packed(change, **options) -> Corrupted:
    options = {"window": 32, "rows": 4, "seed": 7} | options
    return Corrupted(PackedBatches(Whole(texts()), None, **options), change)


def arrays(batch: Batch) -> list[np.ndarray]:
    fields = (batch.ids_BT, batch.targets_BT, batch.positions_BT, batch.documents_BT, batch.weights_BT)
    return [*fields, *batch.extra.values()]


def equal(one: Batch, other: Batch) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(arrays(one), arrays(other), strict=True))


def test_every_token_of_every_text_is_read() -> None:
    batches = Corrupted(PackedBatches(Whole(texts()), None, window=32, rows=4, seed=7, epochs=1), lambda b, g: b)
    read = [
        row[documents == number].tolist()
        for batch in batches for row, documents in zip(batch.ids_BT, batch.documents_BT, strict=True)
        for number in range(documents.max() + 1)
    ]  # fmt: skip
    assert sorted(read) == sorted(text.tolist() for text in texts())


@pytest.mark.parametrize("change", [MASKING, CUTTING])
def test_the_cursor_decides_what_is_hidden(change) -> None:
    stream = packed(change)
    cursors, seen = [], []
    for _ in range(8):
        cursors.append(stream.cursor)
        seen.append(next(stream))
    for cursor, batch in zip(cursors, seen, strict=True):
        stream.cursor = cursor
        assert equal(next(stream), batch)
    assert equal(next(packed(change, cursor=cursors[5])), seen[5])
    assert not equal(next(packed(change, seed=8)), seen[0])


def test_two_processes_hide_what_one_would() -> None:
    one, two = packed(MASKING), [packed(MASKING, rank=rank, world=2) for rank in range(2)]
    for _ in range(4):
        parts = [arrays(next(stream)) for stream in two]
        for whole, *shares in zip(arrays(next(one)), *parts, strict=True):
            assert np.array_equal(whole, np.concatenate(shares))


def test_masking_has_berts_proportions() -> None:
    stream = packed(MASKING, rows=64, window=64)
    batch = next(stream)
    asked, here = batch.weights_BT > 0, batch.documents_BT >= 0
    hideable = here & (batch.targets_BT != 2)
    assert not (asked & ~hideable).any()
    assert np.array_equal(batch.ids_BT[~asked], batch.targets_BT[~asked])
    assert asked.sum() / hideable.sum() == pytest.approx(0.3, abs=0.03)
    shown, true = batch.ids_BT[asked], batch.targets_BT[asked]
    assert (shown == MASK).mean() == pytest.approx(0.8, abs=0.04)
    assert (shown == true).mean() == pytest.approx(0.1, abs=0.03)
    assert ((shown != true) & (shown != MASK)).mean() == pytest.approx(0.1, abs=0.03)



@given(
    length=st.integers(2, 120), share=st.floats(0.0, 1.0), span=st.floats(1.0, 9.0), seed=st.integers(0, 99),
)  # fmt: skip
def test_spans_put_back_are_the_text(length: int, share: float, span: float, seed: int) -> None:
    ids_N, sentinels = np.arange(1000, 1000 + length), range(200)
    options = {"sentinels": sentinels, "end_id": 999, "share": share, "span": span}
    source, answer = cut_spans(ids_N, np.random.default_rng(seed), **options)
    again = cut_spans(ids_N, np.random.default_rng(seed), **options)
    assert np.array_equal(source, again[0])
    assert np.array_equal(answer, again[1])
    assert (source[-1], answer[-1], source[0]) == (999, 999, 1000)
    spans = np.split(answer[:-1], np.flatnonzero(answer[:-1] < 200)[1:])
    marks = [int(part[0]) for part in spans]
    assert marks == list(range(len(spans)))  # in their order
    assert source[source < 200].tolist() == marks
    assert all(len(part) > 1 for part in spans)
    whole = [part for token in source[:-1] for part in (spans[token][1:] if token < 200 else [token])]
    assert whole == ids_N.tolist()
    cut = min(max(round(length * share), 1), length - 1)
    assert sum(len(part) - 1 for part in spans) == cut
    assert len(spans) == min(max(round(cut / span), 1), length - cut)


def test_infilled_rows_hold_each_document_and_its_answer() -> None:
    plain = next(packed(lambda batch, generators: batch))
    batch = next(packed(CUTTING))
    told = batch.extra
    for row in range(4):
        for number in range(plain.documents_BT[row].max() + 1):
            text = plain.ids_BT[row][plain.documents_BT[row] == number].tolist()
            source = batch.ids_BT[row][batch.documents_BT[row] == number].tolist()
            here = told["target_documents_BU"][row] == number
            answer, read = told["targets_BU"][row][here].tolist(), told["target_ids_BU"][row][here].tolist()
            if len(text) < 2:
                assert source == answer == []
                continue
            assert source[-1] == answer[-1] == END
            assert read == [START, *answer[:-1]]
            assert told["target_weights_BU"][row][here].all()
            assert sorted(t for t in source + answer if 1 < t < 60) == sorted(text)
    assert (told["target_weights_BU"] == (told["target_documents_BU"] >= 0)).all()


def test_too_few_sentinels_are_said() -> None:
    with pytest.raises(InputError, match="want 10 sentinels, there are 3"):
        cut_spans(np.arange(200), np.random.default_rng(0), sentinels=[1, 2, 3], end_id=0)
