"""From pages to a corpus: read and tagged in shards, then filtered, deduplicated, held out.

The shards are gone through four times: to read and tag their pages, to score them, to sign the good ones for the search
of copies, and to write down what became of each; and where parts of documents are to be cut, once or twice more. No
step holds more than a few shards' texts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pyarrow

from hornbook.corpus.copies.earlier import SIGNATURES, Origin
from hornbook.corpus.deduplicate import keep_signatures, one_of_each, sign_shard
from hornbook.corpus.edits import cut_benchmarks, with_edits
from hornbook.corpus.extraction.extract import Mode
from hornbook.corpus.outcomes import Outcomes
from hornbook.corpus.reading import Reading, Seconds, read_shards, reading_key, taken_over
from hornbook.corpus.repeats import without_repeats
from hornbook.corpus.scores import Scoring, Shard, benchmarks_of, learn_pages, score_shard
from hornbook.corpus.sieve import Sieve, closed_sites
from hornbook.corpus.tagging.filters import Threshold
from hornbook.corpus.tagging.judgements import Agreement, learn_judgements, read_judgements, save_judge
from hornbook.corpus.workers import workers

TAGS = "tags"


@dataclass(frozen=True)
class Curation:
    """What a corpus is to be. `personal` is one of `personal.POLICIES`; `languages` empty means any; `holdout` is a
    share. `judgements` are files of a person's own, `benchmarks` of texts that no document may hold (with
    `cut_benchmarks` they are cut out of those that do), `blocklists` of hosts; with `address_words` pages are refused
    for the words of their addresses too. `earlier` are other corpora's files of signatures; with `paragraphs` those of
    an earlier document are cut.
    """

    rules: tuple[Threshold, ...]
    address_words: bool = False
    languages: frozenset[str] = frozenset({"en"})
    language_score: float = 0.4
    personal: str = "mask"
    near_copy: float = 0.45
    holdout: float = 0.02
    extraction: Mode = "main"
    cpu_seconds: float = 10.0
    judgements: tuple[Path, ...] = ()
    benchmarks: tuple[Path, ...] = ()
    cut_benchmarks: bool = False
    blocklists: tuple[Path, ...] = ()
    earlier: tuple[Path, ...] = ()
    paragraphs: bool = False


@dataclass
class Funnel:
    """What became of the pages: rows of the crawl, pages in it, those read now (none where the tags of an earlier
    corpus served), documents kept and held out, refused by reason; `unlike` counts the near copies that are not very
    like the page they are refused for. `benchmarks` and `paragraphs` count what was looked for and what was cut."""

    rows: int
    pages: int
    read: int
    kept: int
    heldout: int
    refused: dict[str, int]
    unlike: int
    boilerplate_lines: int
    agreement: Agreement | None  # of the model of judgements with those it has not learnt from
    personal: dict[str, int]
    benchmarks: dict[str, dict[str, int]]
    paragraphs: dict[str, int]
    seconds: dict[str, float] = field(default_factory=dict)  # wall clock, and processor time of the workers


def curate(
    pages: pyarrow.Table, warcs: Path, out: Path, work: Path, curation: Curation, *, seed: int, processes: int,
    source: str, version: int, engine: str = "local", previous: Path | None = None,
    on_pages: Callable[[int], None] = lambda count: None,
) -> Funnel:
    """Write `documents.parquet`, `heldout.parquet`, `refused.parquet`, in the order of site and URL, the signatures of
    the documents kept (`signatures.parquet`), and the tags of every page, in `out`.

    `pages` is the crawl's table, its records lie in the WARC files of the folder `warcs`; `source` names its content,
    `version` the code that reads it. Finished shards are kept from an earlier attempt, and from the corpus in the
    folder `previous` where nothing changed in what is read and how. What the crawl refused is in the refused table too,
    so that the funnel is whole. `on_pages` hears of pages done, twice each page.
    """
    taken = pages.filter(pyarrow.array([outcome == "taken" for outcome in pages.column("outcome").to_pylist()]))
    personal = "keep" if curation.personal == "page" else curation.personal
    reading = Reading(personal, curation.extraction, curation.cpu_seconds)
    seconds = Seconds()
    if curation.benchmarks:
        benchmarks_of(curation.benchmarks)  # a file that cannot be read is told of before hours of reading pages
    work.mkdir(parents=True, exist_ok=True)
    at_work = partial(workers, processes, ["hornbook.corpus.reading", "hornbook.corpus.repeats"], engine=engine)
    with at_work() as pool:
        key = reading_key(reading, f"{source}, version {version}")
        found = taken_over(previous and previous / TAGS, out / TAGS, key)
        if found is not None:
            on_pages(2 * taken.num_rows)
        tagged, lines = found or read_shards(taken, warcs, out / TAGS, work, reading, key, pool, seconds, on_pages)
        shards = [Shard(path, work / f"scores-{path.stem}.parquet") for path in tagged]
        with seconds.of_this("learn"):
            scoring, agreement = _learned(tagged, curation, out, work)
        given = [(path, scoring) for path in tagged]
        seconds.of("score", pool, score_shard, zip([shard.scores for shard in shards], given, strict=True))
        sieve = Sieve(curation.rules, curation.languages, curation.language_score, curation.personal == "page",
                      closed_sites(shards))
        if curation.cut_benchmarks and curation.benchmarks:
            cut = [work / f"cut-{path.stem}.parquet" for path in tagged]
            given = [(shard, sieve, scoring) for shard in shards]
            seconds.of("cut", pool, cut_benchmarks, zip(cut, given, strict=True))
            shards = with_edits(shards, cut)
        signed = [work / f"sign-{path.stem}.parquet" for path in tagged]
        given = [(shard, sieve, curation.near_copy) for shard in shards]
        seconds.of("sign", pool, sign_shard, zip(signed, given, strict=True))
    with seconds.of_this("compare"):
        left = one_of_each(shards, signed, curation.near_copy, curation.earlier)
    if curation.paragraphs:
        with seconds.of_this("paragraphs"), at_work() as pool:
            left, processor = without_repeats(left, work, sieve, scoring, pool)
        seconds.by_step["paragraphs, processor"] = round(processor, 2)
    with seconds.of_this("write"):
        outcomes = Outcomes(sieve, left, curation.holdout, seed)
        outcomes.write(out, pages)
        keep_signatures(out / SIGNATURES, left, signed, Origin(source, curation.near_copy))
    return Funnel(
        rows=pages.num_rows, pages=taken.num_rows, read=0 if found else taken.num_rows, kept=outcomes.kept,
        heldout=outcomes.heldout, refused=dict(sorted(outcomes.refused.items())), unlike=left.unlike,
        boilerplate_lines=lines, agreement=agreement, personal=dict(outcomes.personal),
        benchmarks=_benchmarks(curation.benchmarks, outcomes), paragraphs=_counts(outcomes.cut[None], "paragraphs"),
        seconds=seconds.by_step,
    )


def _learned(
    tagged: Sequence[Path], curation: Curation, out: Path, work: Path
) -> tuple[Scoring, Agreement | None]:
    """The models that scores are made with: of the pages themselves, and of a person's judgements where there are
    any."""
    learn_pages(tagged, work / "pages.safetensors")
    judge, agreement = None, None
    if curation.judgements:
        judge = out / "judge"
        judge.mkdir(exist_ok=True)
        model, agreement = learn_judgements([row for path in curation.judgements for row in read_judgements(path)])
        save_judge(judge, model, agreement)
    lists = curation.blocklists, curation.address_words
    return Scoring(work / "pages.safetensors", judge, curation.benchmarks, *lists), agreement


def _benchmarks(paths: tuple[Path, ...], outcomes: Outcomes) -> dict[str, dict[str, int]]:
    """Of each benchmark its questions, those too short to be looked for, the pages refused for it, and what was cut."""
    if not paths:
        return {}
    known = benchmarks_of(paths)
    return {
        name: {"questions": known.questions[name], "too_short": known.too_short[name],
               "refused": outcomes.refused_for[name], **_counts(outcomes.cut[name], "passages")}
        for name in known.names
    }  # fmt: skip


def _counts(cut: Counter[str], parts: str) -> dict[str, int]:
    return {"documents_cut": cut["documents"], parts: cut["parts"], "characters": cut["characters"]}
