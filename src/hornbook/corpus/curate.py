"""From pages to a corpus: extract, clean, tag, filter, deduplicate, mask, hold out. Every refusal keeps its reason."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet

from hornbook.corpus.boilerplate import frequent_lines, line_keys, without_lines
from hornbook.corpus.documents import REFUSED, document_id, excerpt, is_held_out, write_documents, write_table
from hornbook.corpus.duplicates import find_copies
from hornbook.corpus.extract import extract
from hornbook.corpus.filters import Threshold, verdicts
from hornbook.corpus.pages import PageRow
from hornbook.corpus.personal import find_personal, mask_personal
from hornbook.corpus.shards import Workers, processor_seconds, workers
from hornbook.corpus.tags import PERSONAL, tag
from hornbook.corpus.urls import site_of
from hornbook.corpus.warc import Place, read_at

SHARD_PAGES = 64
ALIKE = 0.7  # from here on near copies are copies by anyone's threshold; below they may be pages of one template
CLOSED_SITE = 0.8  # the share of a site's pages with </html>, from which on one without it broke off
EXTRACTED = pyarrow.schema([
    ("url", pyarrow.string()), ("title", pyarrow.string()), ("text", pyarrow.string()), ("fault", pyarrow.string()),
    ("detail", pyarrow.string()), ("license", pyarrow.string()), ("link_share", pyarrow.float64()),
    ("ended", pyarrow.bool_()), ("unclosed", pyarrow.bool_()), ("html", pyarrow.bool_()),
])  # fmt: skip


@dataclass(frozen=True)
class Curation:
    """What a corpus is to be. `personal` is mask, drop or keep; `languages` empty means any; `holdout` is a share."""

    rules: tuple[Threshold, ...]
    languages: frozenset[str] = frozenset({"en"})
    language_score: float = 0.4
    personal: str = "mask"
    near_copy: float = 0.45
    holdout: float = 0.02
    cpu_seconds: float = 10.0


@dataclass
class Funnel:
    """What became of the pages: rows of the crawl, pages read, documents kept and held out, refused by reason; `unlike`
    counts the near copies less than `ALIKE` like the page they are refused for."""

    rows: int = 0
    pages: int = 0
    kept: int = 0
    heldout: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    unlike: int = 0
    boilerplate_lines: int = 0
    personal: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)  # wall clock, and processor time of the workers


def curate(
    rows: Sequence[PageRow], warcs: Path, out: Path, work: Path, curation: Curation, *, seed: int, processes: int,
    on_pages: Callable[[int], None] = lambda count: None,
) -> Funnel:
    """Write `documents.parquet`, `heldout.parquet` and `refused.parquet` in `out`, sorted by URL.

    `rows` are the crawl's, their records lie in the WARC files of the folder `warcs`; finished shards in `work` are
    kept from an earlier attempt. What the crawl refused is in the refused table too, so that the funnel is whole.
    `on_pages` hears of pages done, twice each page.
    """
    funnel = Funnel(rows=len(rows))
    taken = sorted((row for row in rows if row.outcome == "taken"), key=lambda row: row.url)
    funnel.pages = len(taken)
    shards = [taken[start : start + SHARD_PAGES] for start in range(0, len(taken), SHARD_PAGES)]
    work.mkdir(parents=True, exist_ok=True)
    with workers(max(1, min(processes, len(shards))), preload=[__name__]) as pool:
        extracted = _extract(pool, shards, warcs, work, curation, funnel, on_pages)
        tagged = _tag(pool, shards, extracted, work, curation, funnel, on_pages)
    started = time.perf_counter()
    table = pyarrow.concat_tables([pyarrow.parquet.read_table(path) for path in tagged]) if tagged else None
    refused = [_crawl_refusal(row) for row in rows if row.outcome != "taken"]
    if table is None:
        table = _empty()
    by_url = {row.url: row for row in taken}
    kept, more = _judge(table, curation, by_url, funnel)
    funnel.seconds["filter and deduplicate"] = round(time.perf_counter() - started, 2)
    refused += more
    funnel.refused = dict(sorted(Counter(row["reason"] for row in refused).items()))
    _write(kept, refused, by_url, out, curation, seed, funnel)
    return funnel


def extract_shard(path: Path, warcs: Path, rows: Sequence[PageRow], cpu_seconds: float) -> float:
    """Extract the pages of one shard into `path`; the processor seconds it took."""
    started = processor_seconds()
    found = []
    for row in rows:
        try:
            stored = read_at(warcs, Place(row.warc_file or "", row.warc_offset or 0, row.warc_length or 0))
            body, kind = _payload(stored.body, stored.headers), stored.content_type
        except (OSError, ValueError) as error:
            detail = f"the WARC record cannot be read ({error})"[:200]
            found.append({"url": row.url, "fault": "damaged", "detail": detail})
            continue
        page = extract(body, kind, row.url, cpu_seconds=cpu_seconds)
        found.append({
            "url": row.url, "title": page.title, "text": page.text, "fault": page.fault, "detail": page.detail,
            "license": page.license, "link_share": page.link_share, "ended": page.ended,
            "unclosed": page.unclosed, "html": "html" in kind or (row.content_type or "html").endswith("html"),
        })  # fmt: skip
    write_table(path, pyarrow.Table.from_pylist(found, schema=EXTRACTED))
    return processor_seconds() - started


def tag_shard(path: Path, source: Path, frequent: dict[str, frozenset[str]], personal: str) -> float:
    """Take the site's own lines out of one shard's pages, mask personal data, tag; the processor seconds it took."""
    started = processor_seconds()
    table = pyarrow.parquet.read_table(source)
    texts = [
        without_lines(text or "", frequent.get(_site(url), frozenset()))
        for url, text in zip(table.column("url").to_pylist(), table.column("text").to_pylist(), strict=True)
    ]
    table = table.set_column(table.schema.get_field_index("text"), "text", pyarrow.array(texts, pyarrow.string()))
    tagged = pyarrow.Table.from_batches([tag(batch) for batch in table.combine_chunks().to_batches()])
    if personal == "mask":
        masked = [mask_personal(text, find_personal(text)) for text in texts]
        titles = [mask_personal(title or "") for title in table.column("title").to_pylist()]
        for name, values in (("text", masked), ("title", titles)):
            place = tagged.schema.get_field_index(name)
            tagged = tagged.set_column(place, name, pyarrow.array(values, pyarrow.string()))
    write_table(path, tagged)
    return processor_seconds() - started


def _payload(body: bytes, headers: dict[str, str]) -> bytes:
    from hornbook.corpus.encodings import TooBig, unpacked

    try:
        return unpacked(body, headers.get("content-encoding", ""), 100_000_000)
    except TooBig:
        raise ValueError("it unpacks to more than it may") from None


def _extract(
    pool: Workers, shards: list[list[PageRow]], warcs: Path, work: Path, curation: Curation, funnel: Funnel,
    on_pages: Callable[[int], None],
) -> list[Path]:
    given = [(warcs, shard, curation.cpu_seconds) for shard in shards]
    return _mapped("extract", extract_shard, given, pool, shards, work, funnel, on_pages)


def _tag(
    pool: Workers, shards: list[list[PageRow]], extracted: list[Path], work: Path, curation: Curation, funnel: Funnel,
    on_pages: Callable[[int], None],
) -> list[Path]:
    frequent = _frequent(extracted)
    funnel.boilerplate_lines = sum(map(len, frequent.values()))
    given = [(source, frequent, curation.personal) for source in extracted]
    return _mapped("tag", tag_shard, given, pool, shards, work, funnel, on_pages)


def _mapped(
    name: str, step: Callable[..., float], given: Sequence[tuple[Any, ...]], pool: Workers,
    shards: list[list[PageRow]], work: Path, funnel: Funnel, on_pages: Callable[[int], None],
) -> list[Path]:
    """One step over all shards: the files it made, one a shard, and its seconds in the funnel."""
    started = time.perf_counter()
    paths = [work / f"{name}-{number:05d}.parquet" for number in range(len(shards))]
    seconds = pool.map(step, list(zip(paths, given, strict=True)), lambda index: on_pages(len(shards[index])))
    funnel.seconds[name] = round(time.perf_counter() - started, 2)
    funnel.seconds[f"{name}, processor"] = round(seconds, 2)
    return paths


def _frequent(extracted: list[Path]) -> dict[str, frozenset[str]]:
    """The boilerplate lines of each site."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    pages: Counter[str] = Counter()
    for path in extracted:
        table = pyarrow.parquet.read_table(path, columns=["url", "text"])
        for url, text in zip(table.column("url").to_pylist(), table.column("text").to_pylist(), strict=True):
            if text:
                counts[_site(url)].update(line_keys(text))
                pages[_site(url)] += 1
    found = {site: frequent_lines(own, pages[site]) for site, own in counts.items()}
    return {site: lines for site, lines in found.items() if lines}


def _judge(
    table: pyarrow.Table, curation: Curation, by_url: dict[str, PageRow], funnel: Funnel
) -> tuple[pyarrow.Table, list[dict]]:
    """The rows kept, and a refusal for each other."""
    reasons, details = _faults(table)
    steps = ["extract" if reason else "filter" for reason in reasons]
    by_rule, rule_details = verdicts(table, curation.rules, curation.languages, curation.language_score)
    for row, reason in enumerate(by_rule):
        if reasons[row] is None and reason is not None:
            reasons[row], details[row] = reason, rule_details[row]
    if curation.personal == "drop":
        for name in PERSONAL:
            for row, count in enumerate(table.column(name).to_pylist()):
                if count and reasons[row] is None:
                    reasons[row], details[row] = "personal data", f"{count} of {name.removeprefix('personal_')}"
    good = [row for row, reason in enumerate(reasons) if reason is None]
    urls = table.column("url").to_pylist()
    texts = table.column("text").take(pyarrow.array(good, pyarrow.int64())).to_pylist()

    def better(index: int) -> tuple:
        """The page that calls its URL its own, then the one most pages link to, the nearest, the shortest URL."""
        own = by_url[urls[good[index]]]
        return ((own.canonical or own.url) != own.url, -own.inlinks, own.depth, len(own.url), own.url)

    for copy in find_copies(texts, better, threshold=curation.near_copy):
        row = good[copy.index]
        steps[row] = "deduplicate"
        reasons[row] = "exact copy" if copy.exact else "near copy"
        funnel.unlike += copy.similarity < ALIKE
        details[row] = f"of {urls[good[copy.of]]}" + ("" if copy.exact else f", similarity {copy.similarity:.2f}")
    good = [row for row, reason in enumerate(reasons) if reason is None]
    titles, bodies = table.column("title").to_pylist(), table.column("text").to_pylist()
    refused = [
        {"id": document_id(urls[row]), "url": urls[row], "step": steps[row], "reason": reason, "detail": details[row],
         "title": titles[row], "excerpt": excerpt(bodies[row] or ""), "bytes": by_url[urls[row]].bytes}
        for row, reason in enumerate(reasons) if reason is not None
    ]  # fmt: skip
    return table.take(pyarrow.array(good, pyarrow.int64())), refused


def _faults(table: pyarrow.Table) -> tuple[list[str | None], list[str]]:
    """What was wrong with the pages themselves."""
    reasons: list[str | None] = table.column("fault").to_pylist()
    details = [detail or "" for detail in table.column("detail").to_pylist()]
    urls, unclosed = table.column("url").to_pylist(), table.column("unclosed").to_pylist()
    pages, ended = Counter[str](), Counter[str]()
    ends, html = table.column("ended").to_pylist(), table.column("html").to_pylist()
    for url, has_end, is_html in zip(urls, ends, html, strict=True):
        if is_html:
            pages[_site(url)] += 1
            ended[_site(url)] += bool(has_end)
    for row, url in enumerate(urls):
        if reasons[row] in (None, "empty") and unclosed[row] and ended[_site(url)] >= CLOSED_SITE * pages[_site(url)]:
            reasons[row], details[row] = "truncated", "the HTML breaks off"
    return reasons, details


def _crawl_refusal(row: PageRow) -> dict:
    return {"id": document_id(row.url), "url": row.url, "step": "crawl", "reason": row.reason, "detail": row.detail,
            "title": None, "excerpt": None, "bytes": row.bytes}  # fmt: skip


def _write(
    kept: pyarrow.Table, refused: list[dict], by_url: dict[str, PageRow], out: Path, curation: Curation, seed: int,
    funnel: Funnel,
) -> None:
    urls = kept.column("url").to_pylist()
    ids = [document_id(url) for url in urls]
    for name, values in (
        ("id", ids), ("source", [_site(url) for url in urls]), ("fetched_at", [by_url[url].fetched_at for url in urls]),
    ):  # fmt: skip
        kept = kept.append_column(name, pyarrow.array(values, pyarrow.string()))
    held = [is_held_out(document, curation.holdout, seed) for document in ids]
    if held and all(held):
        held[0] = False
    for name, wanted in (("documents", False), ("heldout", True)):
        part = kept.filter(pyarrow.array([out_of == wanted for out_of in held], pyarrow.bool_()))
        write_documents(out / f"{name}.parquet", part)
        setattr(funnel, "heldout" if wanted else "kept", part.num_rows)
    refused.sort(key=lambda row: row["url"])
    write_table(out / "refused.parquet", pyarrow.Table.from_pylist(refused, schema=REFUSED))
    funnel.personal = {name.removeprefix("personal_"): sum(kept.column(name).to_pylist()) for name in PERSONAL}


def _site(url: str) -> str:
    return site_of(url) or "folder"


def _empty() -> pyarrow.Table:
    return pyarrow.Table.from_batches([tag(pyarrow.RecordBatch.from_pylist([], schema=EXTRACTED))])
