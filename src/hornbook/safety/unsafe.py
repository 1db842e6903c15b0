"""What only its sense tells: sentences that ask for or do harm, by a linear classifier of harm and one of each kind.

What they are: logistic regressions on hashed words, pairs of words and pieces of five bytes, in English alone, learnt
by `python -m benchmarks.train_unsafe` from sets of MIT and Apache-2.0 and from sentences written for it, in pairs that
sound alike of which one is harmless. What they are not: a judgement. They see one sentence at a time and know no irony,
no story and no purpose; harm in polite or new words passes them. What they are worth is measured by `python -m
benchmarks.inference.gate` on sets that nothing was learnt from, and stands in docs/figures.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np

from hornbook.corpus.tagging.hashed import Features, LinearModel, features

HARM = "harm"
UNSAFE = ("violence", "self-harm", "sexual", "minors", "hate", "dangerous", "crime")
WEIGHTS = Path(__file__).with_name("weights")
BITS = 16
LEAST = 4  # words that a sentence has at least: shorter ones are judged with the next
LETTERS = 16  # of a word and its blank, at most, on the average of a sentence: longer ones are judged in parts
LONGEST = 100  # letters of a word
_WORD = re.compile(rf"[^\s。！？]{{0,{LONGEST - 1}}}[\s。！？]|[^\s。！？]{{{LONGEST}}}")
_ENDS = re.compile(r"""(?:[.!?…][”’»"')\]*_]{0,4}\s|[\n。！？])\Z""")
_TELLING = re.compile(r"[^\W\d_]")


class Unsafe:
    """The classifiers, scored at once: whether a sentence is harmful, and if so of which kinds."""

    def __init__(self, folder: Path = WEIGHTS):
        """Raises InputError or DamagedError where weights are not there or not whole."""
        models = [LinearModel.load(folder / f"{name}.safetensors") for name in (HARM, *UNSAFE)]
        self._weights_FK = np.stack([model.weights for model in models], axis=1)
        self._biases_K = np.array([model.bias for model in models], np.float32)

    def scores(self, text: str) -> np.ndarray:
        """float32 (categories,) for a sentence: the likeliest of `UNSAFE` has the probability of harm, the others less
        of it in their proportion."""
        places, values = ngrams(text)
        logits_K = values.astype(np.float32) @ self._weights_FK[places] + self._biases_K
        harm, kinds_K = np.split(1 / (1 + np.exp(-logits_K)), [1])
        return harm * kinds_K / kinds_K.max()

    @classmethod
    @lru_cache(maxsize=1)
    def shipped(cls) -> Unsafe:
        """Those that come with the package, read once."""
        return cls()


def ngrams(text: str) -> Features:
    """The features that are learnt from and scored."""
    return features(text, BITS)


def sentences(text: str, start: int, stop: int, most: int, *, last: bool) -> Iterator[tuple[int, int]]:
    """Where the sentences from `start` on begin and end: after a stop and a blank, a line's end, `most` words,
    or as many letters as these hardly have.

    Where one ends depends on nothing that comes after it. `last`: what is left before `stop` is one too.
    """
    words = 0
    for word in _WORD.finditer(text, start, stop):
        words += word.end() - word.start() > 1
        if words >= most or word.end() - start >= most * LETTERS or (words >= LEAST and _ENDS.search(word[0])):
            yield start, word.end()
            start, words = word.end(), 0
    if last and start < stop:
        yield start, stop


def tells(sentence: str) -> bool:
    """Whether there is anything to judge in it."""
    return _TELLING.search(sentence) is not None
