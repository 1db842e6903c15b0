"""The policy: what the gate does about which category on which side. A TOML file a person can read and change."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hornbook.core.errors import RecipeError
from hornbook.safety.patterns import CATEGORIES
from hornbook.safety.unsafe import UNSAFE

ACTIONS = ("allow", "flag", "redact", "refuse", "help")  # from mild to strict
CLOSING = ("refuse", "help")  # of these nothing passes
SIDES = ("input", "page", "output")
HALF = 0.5  # the score from which on an action is taken that names none
WIDEST = 200  # words

DEFAULT = """\
# What the safety gate does, by side and category. Every category needs its action on every side.
#
# Sides: input (what a user writes), page (what a search found), output (what the model says, thinks, and gives tools).
# Actions: allow, flag (allow and say so), redact (black out), refuse (answer with `message` instead),
#   help (answer with the category's line under [help] instead).
#
# Told by their look: personal (e-mail, telephone, cards, accounts), secret (keys, tokens, passwords),
#   injection (words meant to take over the model).
# Told by classifiers of English, which give each sentence a score of 0 to 1: violence, self-harm, sexual,
#   minors (children as sexual objects), hate (of groups, and abuse of a person), dangerous (how weapons, poisons and
#   drugs are made), crime. "refuse" is taken from 0.5 on; { flag = 0.5, refuse = 0.7 } says from where on each is.

message = "I can't help with that."

# Sentences longer than so many words are judged in parts; a stream holds back as much until it is judged.
window = 24

[help]
self-harm = "It sounds as if this is very hard. You need not go through it alone: please call your local emergency \
number or a crisis line now (findahelpline.com has one for most countries), or tell somebody you trust."

[input]
personal = "allow"
secret = "redact"
injection = "flag"
violence = { flag = 0.5, refuse = 0.7 }
self-harm = { flag = 0.5, help = 0.7 }
sexual = { flag = 0.5, refuse = 0.7 }
minors = { flag = 0.5, refuse = 0.7 }
hate = { flag = 0.5, refuse = 0.7 }
dangerous = { flag = 0.5, refuse = 0.7 }
crime = { flag = 0.5, refuse = 0.7 }

[page]
personal = "redact"
secret = "redact"
injection = "redact"
violence = "allow"
self-harm = "allow"
sexual = "allow"
minors = { refuse = 0.9 }
hate = "allow"
dangerous = "allow"
crime = "allow"

[output]
personal = "redact"
secret = "redact"
injection = "flag"
violence = { flag = 0.7, refuse = 0.95 }
self-harm = { flag = 0.7, help = 0.95 }
sexual = { flag = 0.7, refuse = 0.95 }
minors = { flag = 0.7, refuse = 0.95 }
hate = { flag = 0.7, refuse = 0.95 }
dangerous = { flag = 0.7, refuse = 0.95 }
crime = { flag = 0.7, refuse = 0.95 }
"""

Rule = tuple[tuple[float, str], ...]  # (score, the action from it on), rising; none where all is allowed


@dataclass(frozen=True)
class Policy:
    """`rules[side][category]`, the words that stand for what was refused, `help` by category, and the most words that
    are judged at once."""

    message: str
    rules: Mapping[str, Mapping[str, Rule]] = field(repr=False)
    help: Mapping[str, str] = field(default_factory=dict)
    window: int = 24

    @classmethod
    def read(cls, path: Path) -> Policy:
        """The policy in the file. Raises RecipeError naming the key that is wrong and what may stand there."""
        try:
            return cls.parse(path.read_text("utf-8"), str(path))
        except FileNotFoundError:
            raise RecipeError("there is no policy here", where=path, fix="name a policy file, or none") from None
        except UnicodeDecodeError:
            raise RecipeError("the policy is not UTF-8 text", where=path, fix="save it as UTF-8") from None

    @classmethod
    def parse(cls, text: str, where: str = "policy") -> Policy:
        """The policy that the TOML text says. Every side and category must have its action; but a file from before
        there were classifiers, which names none of what they tell, gets the default policy's for these."""
        try:
            given: dict[str, Any] = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise RecipeError(f"not TOML ({error})", where=where, fix="mend that line") from None
        if _is_earlier(given):
            default = tomllib.loads(DEFAULT)
            given |= {name: default[name] for name in ("window", "help")}
            given |= {side: default[side] | given[side] for side in SIDES}
        _exactly(given, ("message", "window", "help", *SIDES), where)
        _text(given["message"], f"{where}, message")
        window = given["window"]
        if type(window) is not int or not 4 <= window <= WIDEST:
            raise RecipeError("must be a whole number", where=f"{where}, window", fix=f"take 4 to {WIDEST} words")
        for name in ("help", *SIDES):
            if not isinstance(given[name], dict):
                raise RecipeError("must be a table", where=f"{where}, {name}", fix=f"write [{name}]")
        for side in SIDES:
            _exactly(given[side], (*CATEGORIES, *UNSAFE), f"{where}, [{side}]")
        rules = {side: {name: _rule(given[side][name], name, f"{where}, {side}.{name}") for name in given[side]}
                 for side in SIDES}  # fmt: skip
        helping = {name for side in SIDES for name, rule in rules[side].items()
                   if any(action == "help" for _, action in rule)}  # fmt: skip
        for name, line in given["help"].items():
            if name not in (*CATEGORIES, *UNSAFE):
                raise RecipeError(f"unknown key {name!r}", where=f"{where}, [help]", fix="name a category")
            _text(line, f"{where}, help.{name}")
        for name in sorted(helping - set(given["help"])):
            raise RecipeError(f"{name} is missing", where=f"{where}, [help]", fix="say whom a reader may turn to")
        return cls(given["message"], rules, given["help"], window)

    @classmethod
    def default(cls) -> Policy:
        """The policy of a deployment that names none."""
        return cls.parse(DEFAULT)

    def action(self, side: str, category: str, score: float = 1.0) -> str:
        """What is done about a category of this score."""
        taken = "allow"
        for least, action in self.rules[side][category]:
            taken = action if score >= least else taken
        return taken

    def words(self, action: str, category: str) -> str:
        """What a reader gets in the place of what was refused."""
        return self.help[category] if action == "help" else self.message


def _rule(given: object, category: str, where: str) -> Rule:
    if isinstance(given, dict) and category in UNSAFE:
        for action, score in given.items():
            _action(action, where)
            if type(score) not in (int, float) or not 0 < score <= 1:
                raise RecipeError(f"{action} is no score", where=where, fix="give a number above 0 and up to 1")
        steps = sorted(given.items(), key=lambda step: ACTIONS.index(step[0]))
        if not given or "allow" in given or [score for _, score in steps] != sorted({*given.values()}):
            fix = "let each stricter action have a higher score, as { flag = 0.5, refuse = 0.9 }"
            raise RecipeError("these scores do not rise", where=where, fix=fix)
        return tuple((float(score), action) for action, score in steps)
    _action(given, where)
    return () if given == "allow" else ((HALF, str(given)),)


def _action(given: object, where: str) -> None:
    if given not in ACTIONS:
        raise RecipeError(f"unknown action {given!r}", where=where, fix=f"use one of {', '.join(ACTIONS)}")


def _text(given: object, where: str) -> None:
    if not isinstance(given, str) or not given.strip():
        raise RecipeError("must be a text", where=where, fix="say what a refused user reads")


def _is_earlier(given: Mapping[str, Any]) -> bool:
    tables = [given.get(side) for side in SIDES]
    return not {"window", "help"} & set(given) and all(
        isinstance(table, dict) and set(table) == set(CATEGORIES) for table in tables
    )


def _exactly(given: Mapping[str, object], names: tuple[str, ...], where: str) -> None:
    for name in given:
        if name not in names:
            raise RecipeError(f"unknown key {name!r}", where=where, fix=f"the keys are {', '.join(names)}")
    for name in names:
        if name not in given:
            raise RecipeError(f"{name} is missing", where=where, fix=f"the keys are {', '.join(names)}")
