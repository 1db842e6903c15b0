"""Pages of spam, made up: ten kinds in several manners, fresh for each seed, to learn from and to be measured with."""

from __future__ import annotations

import random
import tomllib
from pathlib import Path

KINDS = tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8"))
LEARNT = ("pills", "casino", "loans", "watches", "crypto", "seo")  # the others show whether a kind not seen is known
UNSEEN = tuple(kind for kind in KINDS if kind not in LEARNT)
_CALLS = ["Click here!", "Order now!!!", "Act fast.", "Limited time offer.", "100% satisfaction guaranteed.", "Hurry!",
          "Free shipping.", "Call now.", "Best price online.", "Don't miss this deal.", "Join today."]  # fmt: skip


def spam_page(rng: random.Random, kind: str) -> str:
    """One page of a kind, 40 to 400 words, in one of four manners: a sales talk, shouting, a list of links,
    stuffing."""
    goods, hows, sentences = (KINDS[kind][part] for part in ("what", "how", "say"))

    def say(template: str) -> str:
        filled = template.replace("{what}", rng.choice(goods)).replace("{how}", rng.choice(hows))
        return filled.replace("{n}", str(rng.randint(2, 98)))

    manner = rng.randrange(4)
    count = rng.randint(5, 30)
    if manner == 0:
        lines = [say(rng.choice(sentences)) + (f" {rng.choice(_CALLS)}" if rng.random() < 0.3 else "")
                 for _ in range(count)]  # fmt: skip
        return "\n\n".join(" ".join(lines[at : at + 4]) for at in range(0, count, 4))
    if manner == 1:
        return "\n".join(say(rng.choice(sentences)).upper().rstrip(".") + "!" * rng.randint(1, 4) for _ in range(count))
    if manner == 2:
        return "\n".join(f"- [{say('{what} {how}')}](https://{rng.choice('abcdefg')}{rng.randrange(9999)}.example/) "
                         f"{rng.choice(_CALLS)}" for _ in range(count))  # fmt: skip
    stuffing = " ".join([*goods, *hows, "cheap best buy online free discount order"]).replace("{n}", "50").split()
    return " ".join(rng.choice(stuffing) for _ in range(rng.randint(80, 400)))
