"""Names as the pages write them. People type in small letters, and to a language model "mara" is another word than
"Mara": it was taught the second."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

_CAPITAL = re.compile(r"(?<!^)(?<![.!?:] )\b[^\W\d_a-zß-öø-ÿ]\w+")
_WORD = re.compile(r"\w+")


def capitalised(text: str) -> list[str]:
    """The words written with a capital though no sentence begins with them."""
    return _CAPITAL.findall(text)


def as_written(question: str, titles: Sequence[str], texts: Sequence[str]) -> str:
    """A question typed in small letters throughout, with its names as the pages write them and a capital to begin with.

    A name is a word with a capital in a title, or within a sentence of a text, that no text writes small. A question
    with a capital of its own is left as it is: whoever sets one has set them all.
    """
    if question != question.lower():
        return question
    small = {word for text in texts for word in _WORD.findall(text)}
    named = [word for title in titles for word in _WORD.findall(title) if word != word.lower()]
    named += [word for text in texts for word in capitalised(text)]
    forms: dict[str, Counter[str]] = {}
    for word in named:
        forms.setdefault(word.lower(), Counter())[word] += 1

    def written(match: re.Match[str]) -> str:
        word = match.group()
        return word if word in small or word not in forms else forms[word].most_common(1)[0][0]

    spelled = _WORD.sub(written, question)
    return spelled[:1].upper() + spelled[1:]
