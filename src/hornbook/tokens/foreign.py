"""Another maker's tokenizer as it is, with its own chat template: for talking with a model that others trained."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from hornbook.core.errors import DamagedError, InputError
from hornbook.core.files import write_text
from hornbook.tokens.chat import read_message
from hornbook.tokens.described import LibraryTokenizer, opened
from hornbook.tokens.description import Description
from hornbook.tokens.rendering import Renderer
from hornbook.tokens.split import readable
from hornbook.tokens.template import CHAT_TEMPLATE
from hornbook.tokens.tokenizer import Tokenizer

# Characters that are none (Unicode 23.7): MARK stands around a special token of the template, BREAK within one that
# somebody wrote. What comes from outside has neither.
MARK, BREAK = "\ufdd0", "\ufdd1"


def load_tokenizer(folder: Path) -> Tokenizer:
    """The tokenizer of any model's folder: ours, or another maker's where its chat template is not ours.

    Raises InputError where there is none, DamagedError for files that are no tokenizer.
    """
    configuration = read_configuration(folder)
    if configuration.get("chat_template", CHAT_TEMPLATE) == CHAT_TEMPLATE:
        return Tokenizer.load(folder)
    return ForeignTokenizer.load(folder)


def read_configuration(folder: Path) -> dict[str, Any]:
    """tokenizer_config.json, the template of `chat_template.jinja` within it; of several templates the default one."""
    folder, configuration = Path(folder), _object(Path(folder) / "tokenizer_config.json")
    beside, template = folder / "chat_template.jinja", configuration.get("chat_template")
    if beside.is_file():
        template = beside.read_text("utf-8")
    if isinstance(template, list):
        named = {one.get("name"): one.get("template") for one in template if isinstance(one, dict)}
        template = named.get("default")
    return configuration | ({"chat_template": template} if template or "chat_template" in configuration else {})


class ForeignTokenizer(LibraryTokenizer):
    """What tokenizer.json and tokenizer_config.json say, nothing added. `ends` are the ids that end an answer."""

    def __init__(self, description: Description, configuration: dict[str, Any], ends: Sequence[int], where: object):
        self.configuration, self._ends, self._where = configuration, tuple(ends), where
        super().__init__(description)
        template = configuration.get("chat_template")
        self._renderer = Renderer(template, where) if isinstance(template, str) and template else None

    def _name_turns(self) -> None:
        if self.configuration.get("add_bos_token") and (token := self._of("bos_token")) in self.special:
            self.beginning = (self.special[token],)

    @classmethod
    def load(cls, folder: Path) -> ForeignTokenizer:
        """The tokenizer in a folder. Raises InputError where there is none, DamagedError where the file is none."""
        folder, path = Path(folder), Path(folder) / "tokenizer.json"
        if not path.is_file():
            raise InputError("there is no tokenizer.json here", where=folder, fix="name a model's folder that has one")
        configuration, generation = read_configuration(folder), _object(folder / "generation_config.json")
        try:
            description = json.loads(path.read_text("utf-8"))
            given = generation.get("eos_token_id") or []
            ends = given if isinstance(given, list) else [given]
            made = cls(description, configuration, [int(token) for token in ends], folder)
            named = made.special.get(made._of("eos_token") or "")
            made._ends = tuple(dict.fromkeys([*made._ends, *([] if named is None else [named])]))
            return made
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise DamagedError(f"this is no tokenizer ({type(error).__name__}: {error})", where=path,
                               fix="fetch the model again") from None

    def save(self, folder: Path) -> None:
        """Write `tokenizer.json` and `tokenizer_config.json`, as they were read."""
        folder = Path(folder)
        write_text(folder / "tokenizer.json", json.dumps(self.description, indent=1, ensure_ascii=False) + "\n")
        text = json.dumps(self.configuration, indent=2, ensure_ascii=False)
        write_text(folder / "tokenizer_config.json", text + "\n")

    @property
    def ends(self) -> tuple[int, ...]:
        return self._ends

    def demand_template(self) -> None:
        """Raises InputError for a chat template that cannot be read: when the model is taken, not at its first chat."""
        if self._renderer is not None:
            self._renderer.demand_readable()

    def prompt(self, messages: Sequence[dict], tools: Sequence[dict] = ()) -> list[int]:
        """The conversation, and the tools that may be called, as the model's own template writes them, up to where it
        answers.

        What people wrote makes no special token, here as in `encode`. Raises InputError for a model without a template,
        for messages that are none, for what the template refuses, and for tools where it knows none.
        """
        if self._renderer is None:
            raise InputError("this model has no chat template: it goes on with text", where=self._where,
                             fix="chat with --model base")
        for place, message in enumerate(messages, 1):
            read_message(message, f"message {place}")
        tokens = {name: self._of(name) for name in ("bos_token", "eos_token", "unk_token", "pad_token")}
        given = {name: text for name, text in tokens.items() if text is not None}
        told = {"messages": self._plain(list(messages)), "add_generation_prompt": True, **given}
        text = self._renderer.render(**told)
        if tools:
            without, text = text, self._renderer.render(**told, tools=self._plain(list(tools)))
            if text == without:
                what = "this model's chat template knows no tools"
                raise InputError(what, where=self._where, fix="ask without tools")
        marked = self._special_words.sub(lambda found: f"{MARK}{found[0]}{MARK}", readable(text)).replace(BREAK, "")
        ids = self._marked.encode(marked, add_special_tokens=False).ids
        if not ids:
            raise InputError("the model's chat template writes nothing of this", where=self._where)
        return ids

    def _of(self, name: str) -> str | None:
        """The text of `bos_token` and the like: a string, or a table with its `content`."""
        token = self.configuration.get(name)
        return token.get("content") if isinstance(token, dict) else token

    def _plain(self, value: Any) -> Any:
        """What people wrote, the names of special tokens in it broken, so that the template's own can be told."""
        if isinstance(value, dict):
            return {self._plain(name): self._plain(part) for name, part in value.items()}
        if isinstance(value, list):
            return [self._plain(part) for part in value]
        if not isinstance(value, str):
            return value
        text = readable(value).replace(MARK, "\ufffd").replace(BREAK, "\ufffd")
        return self._special_words.sub(lambda found: f"{found[0][0]}{BREAK}{found[0][1:]}", text)

    @cached_property
    def _special_words(self) -> re.Pattern[str]:
        names = sorted((token["content"] for token in _hidden(self.description)), key=len, reverse=True)
        return re.compile("|".join(map(re.escape, names)) or "(?!)")

    @cached_property
    def _marked(self) -> Any:
        """The library's tokenizer, in which a special token is written between two MARKs, and no text has any."""
        renamed = {token["content"]: f"{MARK}{token['content']}{MARK}" for token in _hidden(self.description)}
        model = self.description["model"]
        vocabulary, unknown = model["vocab"], model.get("unk_token")
        if isinstance(vocabulary, dict):
            vocabulary = {renamed.get(text, text): token for text, token in vocabulary.items()}
        else:
            vocabulary = [[renamed.get(text, text), score] for text, score in vocabulary]
        model = {**model, "vocab": vocabulary, **({"unk_token": renamed.get(unknown, unknown)} if unknown else {})}
        added = [{**token, "content": renamed.get(token["content"], token["content"])}
                 for token in self.description["added_tokens"]]  # fmt: skip
        return opened({**self.description, "model": model, "added_tokens": added, "post_processor": None,
                       "truncation": None, "padding": None})  # fmt: skip


def _hidden(description: Description) -> list[Description]:
    """The added tokens that no text is to make."""
    return [token for token in description["added_tokens"] if token["special"] and len(token["content"]) > 1]


def _object(path: Path) -> dict[str, Any]:
    """The JSON object in a file, empty where there is none. Raises DamagedError for another content."""
    try:
        values = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    except ValueError as error:
        raise DamagedError(f"not JSON ({error})", where=path, fix="fetch the model again") from None
    if not isinstance(values, dict):
        raise DamagedError("not a JSON object", where=path, fix="fetch the model again")
    return values
