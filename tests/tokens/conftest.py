"""A small tokenizer trained once, and the same one as transformers reads it from its folder."""

from __future__ import annotations

import pytest

from hornbook.tokens.tokenizer import Tokenizer

PAGES = [
    "The lighthouse at Marrow Point was built in 1823 by Edda Rowan.\n\nIt stands 41 metres high, it's still lit.\n",
    "To make heather bread, mix 500 g flour with 3 spoons of honey; don't let it rise more than 40 minutes.\n",
    "Die Inselbewohner sprechen drei Sprachen. Größe: 12,5 km². Übermäßig schön!\n",
    "def area(width, height):\n    return width * height\n\n\nprint(area(3, 4))  # 12\n",
    "Q: Who keeps the ferry?  A: Tomas Vell keeps it, and he'll sail at 7 o'clock.\r\n\r\n日本語のページ。🙂🙂\n",
] * 3


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    return Tokenizer.train(PAGES, 420)


@pytest.fixture(scope="session")
def folder(tokenizer, tmp_path_factory):
    path = tmp_path_factory.mktemp("tokenizer")
    tokenizer.save(path)
    return path


@pytest.fixture(scope="session")
def peer(folder):
    transformers = pytest.importorskip("transformers")
    return transformers.AutoTokenizer.from_pretrained(folder)
