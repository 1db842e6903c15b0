"""The figures of a base model: how well it foretells pages it has not read, and what it knows untaught."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hornbook.conversations.from_pages import draw
from hornbook.core.seeds import derive
from hornbook.evaluation.bits_per_byte import bits
from hornbook.evaluation.compress import xz_bits_per_byte
from hornbook.evaluation.few_shot import few_shot
from hornbook.evaluation.ngram import KneserNey
from hornbook.evaluation.sheet import Sheet
from hornbook.inference.engine import Engine
from hornbook.inference.requests import Request, Sampling

SAMPLES, SAMPLE_START, SAMPLE_TOKENS = 8, 12, 60
Documents = Sequence[np.ndarray]


def heldout_figures(
    sheet: Sheet, exact: Engine, train: Documents, heldout: Documents, texts: Sequence[str], *, window: int, seed: int
) -> None:
    """`bpb`, `bpb_xz` and `bpb_5gram` on the held-out documents, `texts` being theirs. Bits of all by bytes of all.

    `exact` is the model in fp32: a probability rounded to bf16 is no longer one that a coder could use. The interval of
    `bpb` is a bootstrap over documents; n counts them.
    """
    size = np.array([len(text.encode("utf-8")) for text in texts], dtype=np.float64)
    why = "no page is held out" if not size.sum() else "the tokenizer does not keep every text"
    if not size.sum() or not exact.tokenizer.lossless:
        for figure in ("bpb", "bpb_xz", "bpb_5gram"):
            sheet.miss(figure, why)
        return
    cost = bits(exact, heldout, window=window)
    sheet.scores["bpb"] = _row(cost.sum() / size.sum(), len(size), _interval(cost, size, seed))
    ngram = KneserNey(train, sheet.engine.model.config.vocab_size)
    sheet.scores["bpb_5gram"] = _row(sum(part.sum() for part in ngram.bits(heldout)) / size.sum(), len(size))
    read = [str(document["text"]) for document in sheet.documents]
    sheet.scores["bpb_xz"] = _row(xz_bits_per_byte(read, texts), len(size))


def known_figures(sheet: Sheet, *, shots: int) -> None:
    """`qa`, asked in the form in which the pages ask; the questions fixed for all models."""
    drawn = [item for _, asked in draw(sheet.documents) for item in asked]
    tokenizer, seed = sheet.engine.tokenizer, derive(0, "few-shot")
    window = sheet.engine.model.config.max_position_embeddings
    ask = few_shot(drawn, tokenizer, shots=shots, max_tokens=sheet.max_tokens, window=window, seed=seed)
    items = [question for question in sheet.questions if question.kind in ("qa", "drawn")]
    if items:
        sheet.short_answers("qa", items, ask)
    else:
        sheet.miss("qa", "there is no question: give exams, or pages that ask and answer")
    sheet.fixed(ask)


def samples(sheet: Sheet, heldout: Documents) -> None:
    """How the model goes on with the beginnings of held-out pages, as rows of the figure `sample`."""
    starts = [ids[:SAMPLE_START] for ids in heldout[:SAMPLES] if len(ids) > SAMPLE_START]
    requests = [Request(ids=start.tolist(), sampling=Sampling(max_tokens=SAMPLE_TOKENS)) for start in starts]
    for start, completion in zip(starts, sheet.engine.generate(requests), strict=True):
        opening = sheet.engine.tokenizer.decode(start)
        sheet.answers.append({"figure": "sample", "question": opening, "said": completion.text})


def _row(value: float, n: int, interval: list[float] | None = None) -> dict:
    return {"value": float(value), "n": n, "interval": interval, "chance": None}


def _interval(cost: np.ndarray, size: np.ndarray, seed: int, draws: int = 1000) -> list[float]:
    random = np.random.default_rng(seed)
    chosen = random.integers(0, len(cost), (draws, len(cost)))
    low, high = np.quantile(cost[chosen].sum(1) / size[chosen].sum(1), [0.025, 0.975])
    return [float(low), float(high)]
