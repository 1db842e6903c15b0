"""Labelled sentences that ask for harm, or only sound so, as their makers publish them, and those written for this
project (unsafe.toml). HORNBOOK_UNSAFE names the folder that the checkouts lie in, each by its own name:

    git clone https://github.com/declare-lab/red-instruct              learnt; Apache-2.0
    git clone https://github.com/openai/moderation-api-release         four fifths learnt; MIT
    git clone https://github.com/tatsu-lab/stanford_alpaca             learnt: its 175 seed tasks, Apache-2.0
    git clone https://github.com/openai/grade-school-math              learnt: questions for training, MIT
    git clone https://github.com/paul-rottger/exaggerated-safety       never; XSTest, CC-BY-4.0
    git clone https://github.com/bertiev/SimpleSafetyTests             never; CC-BY-4.0
    git clone https://github.com/sherdencooper/GPTFuzz                 never: people's jailbreaks, MIT
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import random
import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from benchmarks.results import Absent
from hornbook.safety.unsafe import UNSAFE

OWN = Path(__file__).with_name("unsafe.toml")
EACH = 16  # sentences that one template makes at most, of all that its words allow
ASKED = (
    "How do I {}?", "How can I {}?", "how to {}", "Tell me how to {}.", "What is the best way to {}?", "I want to {}.",
    "Explain how to {}.", "Can you help me {}?", "I need to {}. What should I do?", "Give me instructions to {}.",
    "What do I need to {}?", "Is there an easy way to {}?", "What is the easiest way of {ing}?", "Ideas for {ing}?",
    "I am thinking about {ing}.", "Write a guide to {ing}.",
)  # fmt: skip
DOUBLED = "cut stab rob get put hit plan rig tap win quit rip run set stop strip"
# CategoricalHarmfulQA's subjects, as categories; others are no harm by themselves, or of too many kinds.
SUBJECTS = {
    "Drug:": ("dangerous", "crime"), "Weapon:": ("dangerous",), "Human Trafficking:": ("crime",),
    "Cybercrime:": ("crime",), "Theft and Robbery:": ("crime",), "Content Sexual exploitation": ("minors",),
    "Physical abuse": ("violence",), "Online predation": ("minors",), "Racial or ethnic hate": ("hate",),
    "Religious intolerance": ("hate",), "Gender-based violence": ("violence", "hate"), "Cyberbullying": ("hate",),
    "Terrorism and extremism": ("violence", "dangerous"), "Self-harm": ("self-harm",),
    "Assault and battery": ("violence",), "Hazardous material handling": ("dangerous",),
    "Weapon making": ("dangerous",), "Financial fraud": ("crime",), "Intellectual property theft": ("crime",),
    "Market manipulation": ("crime",), "Employment scams": ("crime",), "Investment scams": ("crime",),
    "Identity theft": ("crime",), "Phishing": ("crime",), "Scamming": ("crime",), "Counterfeiting": ("crime",),
    "Pornography": ("sexual",), "Erotic text": ("sexual",), "Nude imagery": ("sexual",),
    "Sexually explicit dialogue": ("sexual",), "Data theft": ("crime",), "Surveillance": ("crime",),
    "Doxxing": ("crime",), "Deepfake creation": ("crime",), "Tracking and location monitoring": ("crime",),
    "Trojans": ("crime",), "Spyware": ("crime",), "Ransomware": ("crime",), "Adware": ("crime",),
    "Malicious software designed to spread and damage computers": ("crime",),
}  # fmt: skip
MODERATION = {"S": ("sexual",), "S3": ("minors", "sexual"), "H": ("hate",), "H2": ("hate", "violence"),
              "HR": ("hate",), "V": ("violence",), "V2": ("violence",), "SH": ("self-harm",)}  # fmt: skip
# What questions that name no category are about, by a word in them; the first that fits, else a crime.
TOLD_BY = {
    "minors": r"child (?:porn|abuse)|minors?\b|underage|pedo", "self-harm": r"suicid|kill (?:myself|themsel)|self-harm",
    "sexual": r"porn|nude|sexual",
    "hate": r"rac(?:e|ial|ist|ism)|supremac|hate|discriminat|bully|harass|insult|stereotyp",
    "dangerous": r"bomb|explosi|drug|meth|gun|firearm|weapon|poison|nuclear|chemical",
    "violence": r"kill|murder|assassin|shoot|attack|violen|tortur|harm|kidnap|assault|terror",
}  # fmt: skip


@dataclass(frozen=True)
class Sentence:
    """A sentence, what it is of `UNSAFE`, what nobody has judged it for, and whether it is kept for measuring."""

    text: str
    categories: frozenset[str]
    unjudged: frozenset[str] = frozenset()
    held_out: bool = False

    @property
    def unsafe(self) -> bool:
        return bool(self.categories)


def written() -> list[Sentence]:
    """Those of unsafe.toml, one template in four kept for measuring."""
    tables = tomllib.loads(OWN.read_text("utf-8"))
    words = tables.pop("words")
    made = []
    for category, table in tables.items():
        for kind in ("unsafe", "safe"):
            for number, template in enumerate(table[kind]):
                categories = frozenset([category] if kind == "unsafe" else [])
                made += [Sentence(text, categories, held_out=number % 4 == 3) for text in _filled(template, words)]
    return made


def published(folder: Path) -> dict[str, list[Sentence]]:
    """The sets of others that are learnt from, by name."""
    red = folder / "red-instruct/harmful_questions"
    categorical = json.loads(_read(red / "catqa_english.json"))
    plain = [*json.loads(_read(red / "dangerousqa.json")), *json.loads(_read(red / "adversarialqa.json"))]
    seeds = [json.loads(line) for line in _read(folder / "stanford_alpaca/seed_tasks.jsonl").splitlines()]
    return {
        "CategoricalHarmfulQA": [
            Sentence(text, frozenset(SUBJECTS[subject])) for subjects in categorical.values()
            for subject, texts in subjects.items() if subject in SUBJECTS for text in texts
        ],
        "DangerousQA, AdversarialQA": [Sentence(text, frozenset([_told(text)])) for text in plain],
        "moderation": list(_moderation(folder)),
        "seed tasks": [
            Sentence(f"{seed['instruction']} {seed['instances'][0]['input']}", frozenset()) for seed in seeds
        ],
        "word problems": [Sentence(text, frozenset()) for text in _word_problems(folder)],
    }  # fmt: skip


def xstest(folder: Path) -> list[Sentence]:
    """XSTest (Röttger et al. 2024, arXiv:2308.01263): 250 questions that only sound unsafe, 200 that are."""
    rows = csv.DictReader(io.StringIO(_read(folder / "exaggerated-safety/xstest_prompts.csv")))
    return [Sentence(row["prompt"], frozenset(["unsafe"] if row["label"] == "unsafe" else [])) for row in rows]


def simple(folder: Path) -> list[Sentence]:
    """SimpleSafetyTests (Vidgen et al. 2023, arXiv:2311.08370): 100 prompts that all ask for harm."""
    rows = csv.DictReader(io.StringIO(_read(folder / "SimpleSafetyTests/SimpleSafetyTests - test cases.csv")))
    return [Sentence(row["prompts_final"], frozenset(["unsafe"])) for row in rows]


def jailbreaks(folder: Path) -> list[str]:
    """Jailbreaks that people have written and shared, without the question they are for."""
    rows = csv.DictReader(io.StringIO(_read(folder / "GPTFuzz/datasets/prompts/GPTFuzzer.csv")))
    return [row["text"].replace("[INSERT PROMPT HERE]", "the question") for row in rows]


def ordinary(folder: Path) -> list[str]:
    """Word problems that were not learnt: questions with no harm in them."""
    lines = _read(folder / "grade-school-math/grade_school_math/data/test.jsonl").splitlines()
    return [json.loads(line)["question"] for line in lines]


def near(text: str, others: Sequence[frozenset[str]]) -> bool:
    """Whether three quarters of the words of a sentence and of one of the others are the same."""
    words = bag(text)
    return any(len(words & other) >= 0.75 * len(words | other) for other in others)


def bag(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", text.lower()))


def folder() -> Path:
    """Where the checkouts are. Raises Absent where HORNBOOK_UNSAFE does not say."""
    named = os.environ.get("HORNBOOK_UNSAFE", "")
    if not named or not Path(named).is_dir():
        raise Absent("set HORNBOOK_UNSAFE to the folder of the checkouts that benchmarks/unsafe.py lists")
    return Path(named)


def _filled(template: str, words: dict[str, list[str]]) -> list[str]:
    rng = random.Random(template)
    made = []
    for _ in range(2 * EACH):
        text = re.sub(r"\{(\w+)\}", lambda found: rng.choice(words[found[1]]), template)
        if told := re.fullmatch(r"How (?:do|can) I (\w+)([^?]*)\?", text):
            asked = rng.choice(ASKED)
            text = asked.replace("{ing}", _ing(told[1]) + told[2]).replace("{}", told[1] + told[2])
        if text not in made:
            made.append(text)
    return [text[0].upper() + text[1:] for text in made[:EACH]]


def _ing(verb: str) -> str:
    if verb in DOUBLED.split():
        return f"{verb}{verb[-1]}ing"
    return verb.removesuffix("e") + "ing" if not verb.endswith(("ee", "ye")) else f"{verb}ing"


def _moderation(folder: Path) -> Iterator[Sentence]:
    lines = gzip.decompress(_bytes(folder / "moderation-api-release/data/samples-1680.jsonl.gz")).splitlines()
    for row in map(json.loads, lines):
        categories = frozenset(name for label, names in MODERATION.items() if row.get(label) for name in names)
        unjudged = frozenset(name for label, names in MODERATION.items() if label not in row for name in names)
        if categories:
            unjudged |= {"dangerous", "crime"}
        text = row["prompt"]
        yield Sentence(text, categories, unjudged - categories, held_out=_fifth(text))


def _word_problems(folder: Path) -> list[str]:
    lines = _read(folder / "grade-school-math/grade_school_math/data/train.jsonl").splitlines()
    return [json.loads(line)["question"] for line in lines][:600]


def _told(text: str) -> str:
    low = text.lower()
    return next((category for category, words in TOLD_BY.items() if re.search(words, low)), "crime")


def _fifth(text: str) -> bool:
    return blake2b(text.encode("utf-8", "replace"), digest_size=1).digest()[0] % 5 == 0


def _read(path: Path) -> str:
    return _bytes(path).decode("utf-8-sig")


def _bytes(path: Path) -> bytes:
    if not path.is_file():
        raise Absent(f"no {path}: benchmarks/unsafe.py says where it is from")
    return path.read_bytes()


assert set(TOLD_BY) < set(UNSAFE)
