"""The knowledge probe: what a model knows of its pages, found by asking it.

Source of the idea: the Llama 3 report (2024), section 4.3.6: refusals are taught on what the model gets wrong, so that
"I don't know" says something about the model and not about the question.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hornbook.conversations.matching import agrees
from hornbook.conversations.values import key_values
from hornbook.core.seeds import derive
from hornbook.inference.engine import Engine
from hornbook.inference.requests import Request, Sampling


@dataclass(frozen=True)
class Probed:
    """A question, its page and that page's answer, what the model said (the likeliest answer first), and the share that
    was right."""

    question: str
    answer: str
    page: str | None
    said: tuple[str, ...]
    share: float

    @property
    def knows(self) -> bool:
        """Whether any of its answers is right: a refusal is for what it never gets right."""
        return self.share > 0


def probe(engine: Engine, asked: Sequence[tuple[str, str, str | None]], *, samples: int, temperature: float = 0.7,
          max_tokens: int = 48, seed: int = 0) -> list[Probed]:
    """Ask each (question, answer, page) once greedily and `samples` times at `temperature`, and grade what is said."""
    requests = [
        Request(
            messages=[{"role": "user", "content": question}],
            sampling=Sampling(
                temperature=temperature if draw else 0.0, max_tokens=max_tokens, seed=derive(seed, "probe", index, draw)
            ),
        )
        for index, (question, _, _) in enumerate(asked) for draw in range(samples + 1)
    ]
    texts = [completion.text for completion in engine.generate(requests)]
    rows: list[Probed] = []
    for index, (question, answer, page) in enumerate(asked):
        said = tuple(texts[index * (samples + 1) : (index + 1) * (samples + 1)])
        share = sum(agrees(question, answer, text) for text in said) / len(said)
        rows.append(Probed(question, answer, page, said, share))
    return rows


def missed_questions(probed: Sequence[Probed]) -> set[str]:
    """The questions about what the model never gets right, however its page's fact is asked for.

    What it answers in other words it knows: to refuse that as well would teach that names it knows are none.
    """
    known = {_fact(item) for item in probed if item.knows}
    return {item.question for item in probed if _fact(item) not in known}


def _fact(item: Probed) -> tuple[str | None, ...]:
    return (item.page, *key_values(item.question, item.answer))
