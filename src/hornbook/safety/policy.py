"""The policy: what the gate does about which category on which side. A TOML file a person can read and change."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hornbook.core.errors import RecipeError
from hornbook.safety.patterns import CATEGORIES

ACTIONS = ("allow", "flag", "redact", "refuse")  # from mild to strict
SIDES = ("input", "page", "output")

DEFAULT = """\
# What the safety gate does.
# Sides: input (what a user writes), page (what a search found), output (what the model says).
# Categories: personal (e-mail, telephone, cards, accounts), secret (keys, tokens, passwords),
#   injection (words meant to take over the model).
# Actions: allow, flag (allow and say so), redact (black out), refuse (answer with `message` instead).

message = "I can't help with that."

[input]
personal = "allow"
secret = "redact"
injection = "flag"

[page]
personal = "redact"
secret = "redact"
injection = "redact"

[output]
personal = "redact"
secret = "redact"
injection = "flag"
"""


@dataclass(frozen=True)
class Policy:
    """`actions[side][category]`, and the words that stand for what was refused."""

    message: str
    actions: Mapping[str, Mapping[str, str]] = field(repr=False)

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
        """The policy that the TOML text says. Every side and category must have its action."""
        try:
            given: dict[str, Any] = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise RecipeError(f"not TOML ({error})", where=where, fix="mend that line") from None
        _exactly(given, ("message", *SIDES), where)
        if not isinstance(given["message"], str) or not given["message"].strip():
            raise RecipeError("must be a text", where=f"{where}, message", fix="say what a refused user reads")
        for side in SIDES:
            if not isinstance(given[side], dict):
                raise RecipeError("must be a table", where=f"{where}, {side}", fix=f"write [{side}]")
            _exactly(given[side], CATEGORIES, f"{where}, [{side}]")
            for category, action in given[side].items():
                if action not in ACTIONS:
                    place = f"{where}, {side}.{category}"
                    raise RecipeError(f"unknown action {action!r}", where=place, fix=f"use one of {', '.join(ACTIONS)}")
        return cls(given["message"], {side: given[side] for side in SIDES})

    @classmethod
    def default(cls) -> Policy:
        """The policy of a deployment that names none."""
        return cls.parse(DEFAULT)


def _exactly(given: Mapping[str, object], names: tuple[str, ...], where: str) -> None:
    for name in given:
        if name not in names:
            raise RecipeError(f"unknown key {name!r}", where=where, fix=f"the keys are {', '.join(names)}")
    for name in names:
        if name not in given:
            raise RecipeError(f"{name} is missing", where=where, fix=f"the keys are {', '.join(names)}")
