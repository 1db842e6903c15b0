"""Quality by a person's own judgement: some hundred pages judged by hand, a linear model that learns them.

The manner of FineWeb-Edu (Penedo et al. 2024, a classifier on judged pages, labels 0 to 5) and of DCLM (Li et al. 2024,
a linear model on n-grams, good against bad), with the judge at home. Nothing is shipped: without judgements there is no
score. Any scorer, `Callable[[Sequence[str]], Sequence[float]]`, may stand in the model's place.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from hornbook.core.errors import InputError
from hornbook.core.files import write_text
from hornbook.core.jsonl import read_jsonl
from hornbook.corpus.tagging.hashed import LinearModel, features, learn

Scorer = Callable[[Sequence[str]], Sequence[float]]
LEAST = 50  # judgements, below which nothing is learnt but noise
BITS = 16
FOLDS = 5
ROUND = 10  # pages asked about before the model learns again
LOOKED_AT = 500  # pages among which the least sure are sought
LABELS = {"good": 5, "bad": 0, **{str(number): number for number in range(6)}}


@dataclass(frozen=True)
class Judgement:
    """One page judged: `label` is 0 (worthless) to 5 (what the corpus is for)."""

    id: str
    text: str
    label: float
    judge: str
    time: str


@dataclass(frozen=True)
class Agreement:
    """How the model agrees with judgements it has not learnt from (`FOLDS`-fold): the share on the same side of the
    middle, the same beyond chance (Cohen's kappa), and the rank correlation of scores and labels (Spearman's)."""

    judgements: int
    share: float
    kappa: float
    correlation: float


def read_judgements(path: Path) -> list[Judgement]:
    """The judgements of a JSONL file, {id, text, label: 0..5 or good or bad, judge, time}; a page judged again counts
    as it was judged last. Raises InputError or DamagedError naming the line that is none."""
    found: dict[str, Judgement] = {}
    for number, row in enumerate(read_jsonl(path), 1):
        judgement = _judgement(row, f"{path}, judgement {number}")
        found[judgement.id] = judgement
    return list(found.values())


def learn_judgements(judgements: Sequence[Judgement]) -> tuple[LinearModel, Agreement]:
    """The model of these judgements, and how it agrees with them where it has not seen them.

    Raises InputError for fewer than `LEAST` or where all lie on one side of the middle.
    """
    good = [judgement.label >= 2.5 for judgement in judgements]
    if len(judgements) < LEAST or min(sum(good), len(good) - sum(good)) < FOLDS:
        what = f"{len(judgements)} judgements, {sum(good)} of them good, are too few to learn from"
        raise InputError(what, fix=f"judge at least {LEAST} pages, {FOLDS} or more of them good and as many bad")
    examples = [features(judgement.text, BITS) for judgement in judgements]
    labels = np.array([judgement.label / 5 for judgement in judgements])
    held_out = np.zeros(len(labels))
    for fold in range(FOLDS):
        away = np.array(_folds(good)) == fold
        part = _learnt([examples[index] for index in np.flatnonzero(~away)], labels[~away])
        for index in np.flatnonzero(away):
            places, values = examples[index]
            held_out[index] = part.weights[places] @ values + part.bias
    return _learnt(examples, labels), _agreement(held_out, labels)


def save_judge(folder: Path, model: LinearModel, agreement: Agreement) -> None:
    """Write `judge.safetensors` and beside it `judge.json`, what the model is worth."""
    model.save(folder / "judge.safetensors", **asdict(agreement))
    write_text(folder / "judge.json", json.dumps(asdict(agreement), indent=1) + "\n")


def load_judge(folder: Path) -> Scorer:
    """The scorer that `save_judge` wrote: texts to scores, 0 to 1."""
    return LinearModel.load(folder / "judge.safetensors").scores


def gather_judgements(
    pages: Mapping[str, str], path: Path, ask: Callable[[str, int, int], str | None], *, judge: str, count: int = 200,
    seed: int = 0,
) -> int:
    """Have a person judge pages (id to text) until `path` holds `count` judgements; how many there are.

    Half of the pages are drawn at random, half are those of which the model learnt so far is least sure (uncertainty
    sampling: Lewis and Gale 1994). `ask(text, done, count)` gives "0" to "5", "good" or "bad"; "" passes a page over,
    None ends. Every judgement is in the file as soon as it is given, and no page in it is asked about again.
    """
    done = {judgement.id: judgement for judgement in read_judgements(path)} if path.exists() else {}
    drawn = random.Random(seed).sample(sorted(pages), len(pages))
    waiting = [page for page in drawn if page not in done]
    while waiting and len(done) < count:
        turn = waiting[:ROUND]
        if len(done) >= LEAST:
            turn[1::2] = _least_sure(pages, waiting[ROUND : ROUND + LOOKED_AT], list(done.values()), len(turn[1::2]))
        for page in turn[: count - len(done)]:
            waiting.remove(page)
            label = ask(pages[page], len(done), count)
            if label is None:
                return len(done)
            if label:
                done[page] = _kept(path, page, pages[page], label, judge)
    return len(done)


def _kept(path: Path, page: str, text: str, label: str, judge: str) -> Judgement:
    row = {"id": page, "text": text, "label": label, "judge": judge, "time": datetime.now(UTC).isoformat()}
    judgement = _judgement(row, "the answer")
    with open(path, "a", encoding="utf-8") as file:
        file.write(json.dumps(row, ensure_ascii=False) + "\n")
    return judgement


def _least_sure(pages: Mapping[str, str], among: list[str], judgements: list[Judgement], most: int) -> list[str]:
    labels = np.array([judgement.label / 5 for judgement in judgements])
    model = _learnt([features(judgement.text, BITS) for judgement in judgements], labels)
    sureness = np.abs(model.logits([pages[page] for page in among]))
    return [among[index] for index in np.argsort(sureness, kind="stable")[:most]]


def _judgement(row: dict[str, Any], where: str) -> Judgement:
    label = row.get("label")
    number = float(LABELS.get(str(label), math.nan)) if isinstance(label, str | int) else label
    if not isinstance(number, float) or not 0 <= number <= 5:
        raise InputError(f"no label {label!r}", where=where, fix='a label is 0 to 5, "good" or "bad"')
    for name in ("id", "text"):
        if not isinstance(row.get(name), str):
            raise InputError(f"no {name}", where=where, fix="a judgement is {id, text, label, judge, time}")
    return Judgement(row["id"], row["text"], number, str(row.get("judge", "")), str(row.get("time", "")))


def _learnt(examples: Sequence[tuple[np.ndarray, np.ndarray]], labels: np.ndarray) -> LinearModel:
    """Both sides of the middle weigh the same, however many each are."""
    good = labels >= 0.5
    weights = np.where(good, 0.5 / max(good.mean(), 1e-9), 0.5 / max(1 - good.mean(), 1e-9))
    return learn(examples, labels.tolist(), bits=BITS, weights=weights.tolist())


def _folds(good: Sequence[bool]) -> list[int]:
    """A fold for each judgement, good and bad ones dealt out in turn."""
    dealt = {True: 0, False: 0}
    folds = []
    for side in good:
        folds.append(dealt[side] % FOLDS)
        dealt[side] += 1
    return folds


def _agreement(logits: np.ndarray, labels: np.ndarray) -> Agreement:
    said, meant = logits >= 0, labels >= 0.5
    share = float((said == meant).mean())
    chance = float(said.mean() * meant.mean() + (1 - said.mean()) * (1 - meant.mean()))
    kappa = (share - chance) / (1 - chance) if chance < 1 else 0.0
    ranks = np.corrcoef(_ranks(logits), _ranks(labels))[0, 1] if len(set(logits)) > 1 else 0.0
    return Agreement(len(labels), round(share, 4), round(kappa, 4), round(float(ranks), 4))


def _ranks(values: np.ndarray) -> np.ndarray:
    """The rank of each value, ties sharing their mean."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[inverse]
