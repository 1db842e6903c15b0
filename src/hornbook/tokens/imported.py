"""Another model's tokenizer, with the special tokens of Hornbook's chat where it lacks them."""

from __future__ import annotations

import json
from pathlib import Path

from hornbook.core.errors import DamagedError, InputError
from hornbook.tokens.chat import render
from hornbook.tokens.described import LibraryTokenizer, opened
from hornbook.tokens.description import Description
from hornbook.tokens.giga import TRIAL
from hornbook.tokens.special import SPECIAL, end_of_text, listed
from hornbook.tokens.template import CHAT_TEMPLATE
from hornbook.tokens.tokenizer import Tokenizer

TALK = [
    {"role": "system", "content": "Be kind."}, {"role": "user", "content": "Who are you?"},
    {"role": "assistant", "content": "A model.\n\nAnd you?"},
]  # fmt: skip


def import_tokenizer(path: Path) -> tuple[Tokenizer, list[str]]:
    """The tokenizer of a tokenizer.json, or of the folder it lies in, and the special tokens it had to be given.

    Every token keeps its id; what it lacks of SPECIAL comes after the last one, and a text goes on ending with what
    ended it. Raises InputError where there is no such file, for one that leaves no room after its last id, and one
    with which texts and chats read otherwise here than in the programs that open it; DamagedError for one that is no
    tokenizer.json.
    """
    path = path / "tokenizer.json" if path.is_dir() else path
    if not path.is_file():
        raise InputError("there is no tokenizer.json here", where=path.parent, fix="name a model's, or its folder")
    try:
        description, lacking = _with_special(json.loads(path.read_text("utf-8")))
        made, library = LibraryTokenizer(description), opened(description)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DamagedError(f"this is no tokenizer.json that can be read ({type(error).__name__}: {error})", where=path,
                           fix="name the tokenizer.json of a model, or its folder") from None
    for name, token in made.special.items():
        if library.token_to_id(name) != token:
            raise InputError(f"{name} cannot have the id {token:,}: there are holes among the ids before it",
                             where=path, fix="take a tokenizer whose ids have no holes")
    if any(made.decode(ids) != library.decode(ids) for ids in map(made.encode, TRIAL)):
        raise InputError("its tokens do not make a text one after the other", where=path, fix="take another tokenizer")
    if render(made, TALK, for_answer=True).ids != library.encode(_chat(), add_special_tokens=False).ids:
        raise InputError("it reads the parts of a chat otherwise than the whole", where=path,
                         fix="take one that adds nothing before a text, such as byte-level BPE")
    return made, lacking


def _with_special(description: Description) -> tuple[Description, list[str]]:
    """The description with all of SPECIAL among its added tokens, and the names of those it lacked."""
    added, vocabulary = description.get("added_tokens") or [], description["model"]["vocab"]
    ids = vocabulary if isinstance(vocabulary, dict) else {text: token for token, (text, _) in enumerate(vocabulary)}
    named = {token["content"]: token["id"] for token in added}
    has_end = end_of_text(named) is not None
    lacking = [text for text in SPECIAL if text not in named and not (has_end and text == SPECIAL[0])]
    free = max([*ids.values(), *named.values()]) + 1
    for text in lacking:
        token = ids.get(text, free)
        free += token == free
        added = [*added, {"id": token, **listed(text)}]
    return {**description, "added_tokens": sorted(added, key=lambda token: token["id"])}, lacking


def _chat() -> str:
    import jinja2

    return jinja2.Template(CHAT_TEMPLATE).render(messages=TALK, add_generation_prompt=True)
