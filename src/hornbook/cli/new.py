"""`hornbook new`: a recipe for your own pages, with its few keys explained."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Annotated

import typer

from hornbook.core.errors import InputError, RecipeError
from hornbook.core.files import write_text

RECIPE = """\
# {name}: a language model from {what}.
#   hornbook plan {name}     what would run, and about how long
#   hornbook run {name}      walk the road; Ctrl-C and run again as you like
#   hornbook chat {name}     talk with the model
# `hornbook plan {name}` prints every value there is; write any of them below to override it.

# Sizes: {sizes}.
size = "{size}"
seed = 0  # another seed, another throw of every die
{depth}
[crawl]
{source}
# [tokenizer]
# vocab_size = 2048  # left out, what the size asks for, or as many as the pages fill

# [run]             # what does not change the result
# device = "auto"   # "cpu", "cuda"
# threads = 2
"""
SITE = """\
site = {site}
max_pages = 10000  # stop after so many
delay = 1.0        # seconds between two requests; robots.txt may ask for more
# contact = "you@example.org"  # the site sees who asks
"""
DOCS = """\
docs = {docs}  # a folder of HTML, Markdown, reStructuredText, text, PDF, DOCX or EPUB
"""


def new(
    name: Annotated[str, typer.Argument(help="What the recipe and its run are called.")],
    site: Annotated[str | None, typer.Option(help="The site to read, such as https://example.org/docs/.")] = None,
    docs: Annotated[Path | None, typer.Option(help="A folder of HTML, Markdown, text, PDF, DOCX, EPUB.")] = None,
    size: Annotated[str, typer.Option(help="tiny, laptop or gpu.")] = "laptop",
) -> None:
    """Write NAME.toml: a recipe for the pages of a site or a folder."""
    from hornbook.road.sizes import SIZES

    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise RecipeError(f"{name!r} cannot name a folder", fix="use letters, digits, dots and dashes")
    if site is None and docs is None:
        raise RecipeError("where are the pages?", fix="give either --site URL or --docs FOLDER")
    if site is not None and docs is not None:
        raise RecipeError("a recipe reads a site or a folder, not both", fix="leave out --site or --docs")
    if size not in SIZES:
        raise RecipeError(f"there is no size {size!r}", fix=f"there are: {', '.join(SIZES)}")
    if docs is not None and not (docs.is_dir() and any(docs.iterdir())):
        raise InputError("this is no folder with pages in it", where=docs, fix="name a folder that holds pages")
    if site is not None and not re.match(r"https?://[^/\s]+", site):
        raise InputError("this is no web address", where=site, fix="write it whole, such as https://example.org/")
    path = Path(f"{name.removesuffix('.toml')}.toml")
    if path.exists():
        raise RecipeError("there is such a recipe already", where=path, fix="choose another name, or edit it")
    source = SITE.format(site=json.dumps(site)) if site else DOCS.format(docs=_quoted(docs, path))
    text = RECIPE.format(
        name=path.stem, what=site or docs, size=size, source=source,
        sizes=", ".join(f"{key} ({value.machine})" for key, value in SIZES.items()),
        depth=f"# depth = {SIZES[size].depth}  # the model's layers; width, batch and rates follow from it\n",
    )  # fmt: skip
    write_text(path, text)
    print(f"{path} is written. Next: hornbook plan {path.stem}, then: hornbook run {path.stem}")


def _quoted(docs: Path | None, recipe: Path) -> str:
    """The folder as the recipe names it: from the recipe's own folder when it lies below."""
    folder = Path(os.path.abspath(docs or Path()))
    here = Path(os.path.abspath(recipe.parent))
    return json.dumps(str(folder.relative_to(here)) if folder.is_relative_to(here) else str(folder))
