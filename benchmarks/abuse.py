"""Labelled sets of abuse in English, as their makers publish them: which the toxicity classifier learns from, and which
it has never seen. HORNBOOK_ABUSE names the folder that their checkouts lie in, each by its own name:

    git clone https://github.com/ipavlopoulos/toxic_spans                          learnt; CC0
    git clone https://github.com/ipavlopoulos/context_toxicity                     learnt; Apache-2.0
    git clone https://github.com/conversationai/unintended-ml-bias-analysis        learnt; Apache-2.0
    git clone https://github.com/surge-ai/toxicity                                 never; MIT
    git clone https://github.com/cardiffnlp/tweeteval                              never; OLID, for research
    git clone https://github.com/t-davidson/hate-speech-and-offensive-language     never; MIT
    git clone https://github.com/paul-rottger/hatecheck-data                       never; CC-BY-4.0

Davidson's tweets could be learnt by their licence. They are not: four in five are called offensive, many for no more
than words of African American English (Sap et al. 2019, "The Risk of Racial Bias in Hate Speech Detection").
"""

from __future__ import annotations

import csv
import os
import re
from collections import defaultdict
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path

from benchmarks.results import Absent

Labelled = list[tuple[str, bool]]  # a text, and whether it is abusive
TEMPLATES = 8  # of all that a template makes with names, one in so many is taken
SENTENCES = "unintended-ml-bias-analysis/sentence_templates/en_sentence_templates.csv"
IDENTITY = ("ident_neutral_nh", "ident_pos_nh")  # HateCheck's: a group is named, nothing bad is said
_WORD = re.compile(r"\w+")


def learnt_sets(folder: Path) -> dict[str, Labelled]:
    """The sets to learn from, both halves of each; `is_learnt` says which texts are kept for measuring."""
    return {
        "news comments": list(_news_comments(folder / "toxic_spans/data", _groups(folder))),
        "Wikipedia talk": list(_wikipedia(folder)),
        "templates": list(_templates(folder)),
    }


def unseen_sets(folder: Path) -> dict[str, Labelled]:
    """The sets that nothing is learnt from."""
    posts = folder / "toxicity/toxicity_en.csv"
    tweets = folder / "tweeteval/datasets/offensive"
    texts, labels = (_read(tweets / f"test_{name}.txt").splitlines() for name in ("text", "labels"))
    davidson = folder / "hate-speech-and-offensive-language/data/labeled_data.csv"
    return {
        "social media": [(row["text"], row["is_toxic"] == "Toxic") for row in _rows(posts)],
        "tweets, OLID": [(text, label == "1") for text, label in zip(texts, labels, strict=True)],
        "tweets, Davidson": [(row["tweet"], row["class"] != "2") for row in _rows(davidson)],
        "HateCheck": [(text, hateful) for text, hateful, _ in hatecheck(folder)],
    }


def hatecheck(folder: Path) -> list[tuple[str, bool, str]]:
    """Its sentences, whether each is hateful, and what it tries."""
    found = _rows(folder / "hatecheck-data/test_suite_cases.csv")
    return [(row["test_case"], row["label_gold"] == "hateful", row["functionality"]) for row in found]


def is_learnt(text: str) -> bool:
    """Four fifths. A comment and what is left of it without its insults begin alike mostly, and lie on one side."""
    return blake2b(text[:30].encode("utf-8", "replace"), digest_size=1).digest()[0] % 5 > 0


def folder() -> Path:
    """Where the checkouts are. Raises Absent where HORNBOOK_ABUSE does not say."""
    named = os.environ.get("HORNBOOK_ABUSE", "")
    if not named or not Path(named).is_dir():
        raise Absent("set HORNBOOK_ABUSE to the folder of the checkouts that benchmarks/abuse.py lists")
    return Path(named)


def _news_comments(data: Path, groups: frozenset[str]) -> Iterator[tuple[str, bool]]:
    """Comments of which hardly an annotator says that they are not toxic; the same without the words that any of them
    marked, so that what is learnt is these and not the subject; and those that most say are not. Names of groups stay
    where they are marked too: to be named is no abuse."""
    harmless, marked = defaultdict(list), defaultdict(list)
    comment_of = {}
    for row in _rows(data / "annotations.csv"):
        comment_of[row["annotation"]] = row["comment_id"]
        harmless[row["comment_id"]].append(row["not toxic"] == "True")
    for row in _rows(data / "spans.csv"):
        marked[comment_of[row["annotation"]]].append((int(row["start"]), int(row["end"])))
    for row in _rows(data / "comments.csv"):
        text, votes, spans = row["comment_text"], harmless[row["comment_id"]], marked[row["comment_id"]]
        share = sum(votes) / max(len(votes), 1)
        if share <= 1 / 3 and spans:
            yield text, True
            yield _without(text, spans, groups), False
        elif share >= 0.6:
            yield text, False


def _without(text: str, spans: list[tuple[int, int]], groups: frozenset[str]) -> str:
    letters = list(text)
    for start, end in spans:
        letters[start:end] = " " * (min(end, len(text)) - start)
    for word in _WORD.finditer(text):
        if word[0].lower().removesuffix("s") in groups:
            letters[slice(*word.span())] = word[0]
    return " ".join("".join(letters).split())


def _wikipedia(folder: Path) -> Iterator[tuple[str, bool]]:
    """Comments on talk pages, most of them civil; of those judged beside the comment they answer only the civil ones,
    since the other depends on it."""
    data = folder / "unintended-ml-bias-analysis/archive/unintended_ml_bias/eval_datasets"
    for row in _rows(data / "toxicity_nonfuzzed_testset.csv"):
        yield row["comment"], row["toxic"] == "True"
    for name in ("gn", "gc"):
        for row in _rows(folder / f"context_toxicity/data/CAT_LARGE/{name}.csv"):
            if name == "gn" or row["label"] == "0":
                yield row["text"], row["label"] == "1"


def _templates(folder: Path) -> Iterator[tuple[str, bool]]:
    """Sentences that name a group, kind and unkind alike: a group's name alone is to say nothing."""
    for number, row in enumerate(_rows(folder / SENTENCES)):
        if row["template"] != "name_adj" or number % TEMPLATES == 0:
            yield row["phrase"], row["toxicity"] == "toxic"


def _groups(folder: Path) -> frozenset[str]:
    """The words that name groups in the templates "You are a …"."""
    named = (row["phrase"].split()[4:] for row in _rows(folder / SENTENCES) if row["template"] == "you_are_adj")
    return frozenset(word.removesuffix("s") for words in named for word in words)


def _rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(_read(path).splitlines(keepends=True)))


def _read(path: Path) -> str:
    if not path.is_file():
        raise Absent(f"no {path}: benchmarks/abuse.py says where it is from")
    return path.read_text(encoding="utf-8")
