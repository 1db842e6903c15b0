"""A tokenizer, shown: what it costs by language and by source beside others, what it wastes, how it splits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from hornbook.core.errors import InputError
from hornbook.pipeline.record import Record
from hornbook.road.artifacts import Corpus
from hornbook.road.reading import DOCUMENTS, ROWS, batches
from hornbook.tokens.imported import import_tokenizer
from hornbook.tokens.survey import NUMBERS, SCRIPTS, cost, known_encodings, learnt, shown, split, tokens_of, uses
from hornbook.tokens.tokenizer import Tokenizer

SAMPLE = 400  # documents of a language or a source that cost is measured on
LOOKED = 20_000  # documents in which entries are looked for
LISTED = 12
GROUPS = 12  # languages, sources: the largest
FORMATS = (".svg", ".png", ".html")


@dataclass
class Survey:
    """What there is to show: `costs[group][tokenizer]` in bytes a token, `counts` of every id in `documents`."""

    tokenizer: Tokenizer
    costs: dict[str, dict[str, float]]
    missing: dict[str, str]
    counts: np.ndarray
    documents: int

    @property
    def wasted(self) -> list[int]:
        """The entries that no document used, the longest first."""
        return self._by_length([token for token in learnt(self.tokenizer) if not self.counts[token]])

    @property
    def longest(self) -> list[int]:
        """The learnt entries, the longest first."""
        return self._by_length(learnt(self.tokenizer))

    def _by_length(self, tokens: list[int]) -> list[int]:
        return sorted(tokens, key=lambda token: -len(self.tokenizer.pieces[token]))


def survey(folder: Path, record: Record, against: Sequence[Path]) -> Survey:
    """Measure the tokenizer in `folder` on the corpus it was made for, beside those `against`, GPT-2's and GPT-4's."""
    tokenizer = Tokenizer.load(folder)
    others, missing = known_encodings()
    others |= {"/".join(path.parts[-2:]): tokens_of(import_tokenizer(path)[0]) for path in against}
    documents = _documents(folder, record)
    groups = _groups(documents)
    counts = uses(tokenizer, [row["text"] for row in documents])
    measured = {name: cost(count, groups) for name, count in {"here": tokens_of(tokenizer), **others}.items()}
    costs = {group: {name: found[group] for name, found in measured.items()} for group in groups}
    return Survey(tokenizer, costs, missing, counts, len(documents))


def lines(found: Survey) -> Iterator[tuple[str, str]]:
    """The survey for a terminal."""
    tokenizer = found.tokenizer
    yield "tokens", f"{tokenizer.vocab_size:,}, {len(tokenizer.special)} of them special"
    yield "every text comes back", "yes" if tokenizer.lossless else "no"
    for group, row in found.costs.items():
        others = "".join(f"; {name} {value:.2f}" for name, value in row.items() if name != "here")
        yield f"{group}: bytes a token", f"{row['here']:.2f}{others}"
    yield from found.missing.items()
    if found.documents:
        share = len(found.wasted) / max(1, len(learnt(tokenizer)))
        yield f"never used in {found.documents:,} documents", f"{len(found.wasted):,} entries ({share:.1%})"
        yield "the longest of them", _listed(tokenizer, found.wasted)
    yield "the longest entries", _listed(tokenizer, found.longest)
    for name, text in _probes():
        yield f"{name} {text}", " | ".join(split(tokenizer, text))


def draw(found: Survey, path: Path) -> None:
    """The survey as a picture: `.svg`, `.png` or `.html`. Raises InputError for another ending."""
    import vl_convert

    if path.suffix not in FORMATS:
        raise InputError("a picture of no known kind", where=path, fix=f"name a file ending in {', '.join(FORMATS)}")
    spec = _chart(found).to_dict()
    if path.suffix == ".html":
        path.write_text(vl_convert.vegalite_to_html(spec, bundle=True), "utf-8")
    elif path.suffix == ".svg":
        path.write_text(vl_convert.vegalite_to_svg(spec), "utf-8")
    else:
        path.write_bytes(vl_convert.vegalite_to_png(spec, scale=2))


def _chart(found: Survey) -> Any:
    import altair as alt

    costs = [{"group": group, "tokenizer": name, "bytes": value}
             for group, row in found.costs.items() for name, value in row.items()]  # fmt: skip
    bars = alt.Chart(alt.InlineData(values=costs), title="Bytes a token: longer is cheaper").mark_bar().encode(
        y=alt.Y("group:N", sort=list(found.costs), title=None), yOffset="tokenizer:N",
        x=alt.X("bytes:Q", title=None), color=alt.Color("tokenizer:N", title=None),
    ).properties(width=620, height=alt.Step(14))  # fmt: skip
    lengths = [{"bytes": len(found.tokenizer.pieces[token]), "uses": "used" if found.counts[token] else "never used"}
               for token in learnt(found.tokenizer)]  # fmt: skip
    title = f"Entries by their length in bytes, in {found.documents:,} documents"
    entries = alt.Chart(alt.InlineData(values=lengths), title=title).mark_bar().encode(
        x=alt.X("bytes:O", title=None), y=alt.Y("count():Q", title=None), color=alt.Color("uses:N", title=None),
    ).properties(width=620, height=140)  # fmt: skip
    pieces = [{"text": f"{name} {text}", "place": place, "piece": piece, "shade": place % 2}
              for name, text in _probes() for place, piece in enumerate(split(found.tokenizer, text))]  # fmt: skip
    base = alt.Chart(alt.InlineData(values=pieces), title="How numbers and rare scripts split").encode(
        x=alt.X("place:O", axis=None), y=alt.Y("text:N", sort=None, title=None),
    )  # fmt: skip
    boxes = base.mark_rect().encode(color=alt.Color("shade:N", legend=None, scale=alt.Scale(scheme="pastel1")))
    splits = (boxes + base.mark_text(fontSize=9).encode(text="piece:N")).properties(width=620, height=alt.Step(18))
    drawn = alt.vconcat(*([bars] if costs else []), *([entries] if found.documents else []), splits)
    return drawn.resolve_scale(color="independent").configure_view(stroke=None)


def _probes() -> list[tuple[str, str]]:
    return [*(("number", text) for text in NUMBERS), *SCRIPTS.items()]


def _listed(tokenizer: Tokenizer, tokens: Sequence[int]) -> str:
    return " ".join(shown(tokenizer.pieces[token]) for token in tokens[:LISTED]) or "none"


def _documents(folder: Path, record: Record) -> list[dict[str, Any]]:
    """The first LOOKED documents, or a few more, of the corpus that the tokenizer was made for."""
    if "corpus" not in record.inputs:
        return []
    corpus = Corpus(folder.parent.parent / record.inputs["corpus"].artifact)
    taken = islice(batches(corpus, DOCUMENTS, ["text", "language", "source", "url"]), -(-LOOKED // ROWS))
    return [row for batch in taken for row in batch.to_pylist()]


def _groups(documents: Sequence[dict[str, Any]]) -> dict[str, list[str]]:
    """At most SAMPLE texts of each of the largest languages and sources. Where no source is named it is the host."""
    found: dict[str, list[str]] = {}
    for row in documents:
        source = row.get("source") or urlsplit(row.get("url") or "").hostname or "all"
        for group in {row.get("language") or "all", source}:
            found.setdefault(group, []).append(row["text"])
    largest = sorted(found, key=lambda group: (-len(found[group]), group))[:GROUPS]
    return {group: found[group][:SAMPLE] for group in largest}
