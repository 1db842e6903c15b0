"""The toxicity score at 0.5, the bound to filter by, against alt-profanity-check (extra `peers`), the same on the same
texts: on sets that nothing was learnt from, on the fifth that was kept from learning, on documentation, and on
sentences that name a group and say nothing bad of it.

The sets and where they are from: benchmarks/abuse.py. alt-profanity-check has learnt from Davidson's tweets and from
Wikipedia's comments (its README), so that its figures there are no measure of it; they are kept, and marked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import quantiles

import numpy as np

from benchmarks import abuse, texts
from benchmarks.results import Absent, figure
from hornbook.corpus.tagging.toxicity import classifier, toxicity_score, word_score
from hornbook.evaluation.intervals import wilson

UNSEEN = {"social media": "media", "tweets, OLID": "olid", "tweets, Davidson": "davidson", "HateCheck": "hatecheck"}
HELD_OUT = {"news comments": "news", "Wikipedia talk": "wikipedia"}
SETS = UNSEEN | HELD_OUT
KNOWN_TO_PEER = ("tweets, Davidson", "Wikipedia talk")
NAMES = (
    *(f"toxicity_{measure}_{name}" for name in SETS.values() for measure in ("auc", "precision", "recall")),
    "toxicity_identity", "toxicity_documentation",
)  # fmt: skip
BOUND = 0.5
MOST = 20_000_000  # bytes of documentation
RESAMPLES = 200
Scores = dict[str, np.ndarray]  # by who gave them: ours, our words alone, our classifier alone, the peer


def figures() -> Iterator[dict]:
    """Raises Absent without the sets, the documentation or the peer."""
    folder = abuse.folder()
    learnt = abuse.learnt_sets(folder)
    held_out = {name: [row for row in learnt[name] if not abuse.is_learnt(row[0])] for name in HELD_OUT}
    for name, found in (abuse.unseen_sets(folder) | held_out).items():
        yield from _measured(name, found)
    neutral = [text for text, _, functionality in abuse.hatecheck(folder) if functionality in abuse.IDENTITY]
    yield _refused("toxicity_identity", neutral)
    yield _refused("toxicity_documentation", texts.prose(MOST))


def _measured(name: str, found: abuse.Labelled) -> Iterator[dict]:
    """The area under the curve, and precision and recall at the bound, each with the peer's."""
    scores, bad = _scores([text for text, _ in found]), np.array([label for _, label in found])
    areas = {who: round(_area(given, bad), 4) for who, given in scores.items()}
    rng = np.random.default_rng(0)
    drawn = [rng.integers(0, len(bad), len(bad)) for _ in range(RESAMPLES)]
    cuts = quantiles([_area(scores["ours"][rows], bad[rows]) for rows in drawn], n=40)
    seen = {"seen_by_peer": True} if name in KNOWN_TO_PEER else {}
    yield figure(f"toxicity_auc_{SETS[name]}", areas.pop("ours"), "area", peer=areas.pop("peer"), n=len(bad),
                 interval=[round(cuts[0], 4), round(cuts[-1], 4)], abusive=int(bad.sum()), **areas, **seen)  # fmt: skip
    for measure in ("precision", "recall"):
        counts = {who: _right(given > BOUND, bad, measure) for who, given in scores.items()}
        shares = {who: round(right / max(of, 1), 4) for who, (right, of) in counts.items()}
        yield figure(
            f"toxicity_{measure}_{SETS[name]}", shares.pop("ours"), "share", peer=shares.pop("peer"),
            n=counts["ours"][1], interval=[round(end, 4) for end in wilson(*counts["ours"])], **shares, **seen,
        )  # fmt: skip


def _refused(name: str, harmless: Sequence[str]) -> dict:
    """The share of texts without abuse that the score calls abusive."""
    shares = {who: round(float((given > BOUND).mean()), 5) for who, given in _scores(harmless).items()}
    right = round(shares["ours"] * len(harmless))
    return figure(name, shares.pop("ours"), "share above 0.5", peer=shares.pop("peer"), n=len(harmless),
                  interval=[round(end, 5) for end in wilson(right, len(harmless))], **shares)  # fmt: skip


def _scores(found: Sequence[str]) -> Scores:
    try:
        from profanity_check import predict_prob
    except ImportError:
        raise Absent("no alt-profanity-check here: pip install 'hornbook[peers]'") from None
    return {
        "ours": np.array([toxicity_score(text) for text in found]),
        "words": np.array([word_score(text) for text in found]),
        "classifier": np.array(classifier().scores(found)),
        "peer": np.asarray(predict_prob(list(found))),
    }


def _right(called: np.ndarray, bad: np.ndarray, measure: str) -> tuple[int, int]:
    """How many are rightly called abusive, of those called so or of those that are."""
    return int((called & bad).sum()), int((called if measure == "precision" else bad).sum())


def _area(scores: np.ndarray, bad: np.ndarray) -> float:
    """The chance that a text of abuse scores above one without, ties counting half (Mann-Whitney)."""
    _, places, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[places]
    many = int(bad.sum())
    return float((ranks[bad].sum() - many * (many + 1) / 2) / (many * (len(bad) - many)))
