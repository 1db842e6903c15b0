"""Step 1, the pages: a site fetched politely, or a folder, WARC files or a table read, all written as WARC."""

from __future__ import annotations

from collections import Counter
from importlib.metadata import version
from typing import Self

from pydantic import Field, model_validator

from hornbook.core.progress import Bar
from hornbook.corpus.pages import PageRow, read_pages
from hornbook.pipeline.config import InputPath, StageConfig
from hornbook.pipeline.run import Run
from hornbook.pipeline.stage import stage
from hornbook.road.artifacts import Pages


class CrawlConfig(StageConfig):
    """The section `[crawl]`: one of `site`, `docs`, `warc`, `table`, and how to fetch a site."""

    site: str | None = Field(None, description="where to start, such as https://example.org/docs/")
    docs: InputPath | None = Field(None, description="a folder of HTML, Markdown, text or PDF")
    warc: InputPath | None = Field(None, description="a WARC or WET file, or a folder of them")
    table: InputPath | None = Field(None, description="Parquet or JSON lines with a column text (and url, title)")
    allow_private: tuple[str, ...] = Field((), description="hosts that may lie inside: localhost, 127.0.0.1, a name")
    delay: float = Field(1.0, ge=0, le=3600, description="seconds between two requests; robots.txt may say another")
    concurrency: int = Field(1, ge=1, le=64, description="requests at once, from 1 to 64")
    max_pages: int = Field(10_000, ge=1, description="pages to take at most")
    max_depth: int = Field(16, ge=0, description="links to follow from the start at most")
    max_redirects: int = Field(5, ge=0, le=20, description="redirects one after another at most")
    max_bytes: int = Field(10_000_000, ge=1000, description="bytes of one page at most")
    timeout: float = Field(20.0, gt=0, le=600, description="seconds for a whole answer")
    retries: int = Field(2, ge=0, le=10, description="how often a failing page is asked for again")
    backoff: float = Field(0.5, ge=0, le=30, description="seconds before the first time, doubled each time")
    sitemaps: bool = Field(True, description="whether to read the site's sitemaps")
    contact: str = Field("", description="who to write to, in the user agent: an address or a page")

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        named = [name for name in ("site", "docs", "warc", "table") if getattr(self, name) is not None]
        if len(named) != 1:
            raise ValueError(f"name exactly one of site, docs, warc, table (there are {len(named)})")
        return self

    def about_seconds(self) -> float | None:
        return None if self.site is not None and self.delay else 20.0


@stage(version=1)
def crawl(config: CrawlConfig, run: Run) -> Pages:
    """Write WARC files and `pages.parquet`, one row a URL with its outcome and reason.

    An interrupted crawl goes on from its frontier; a crawl made again asks the site only for what has changed.
    Metrics: `pages` taken, `refused` by reason, `bytes`. Raises InputError when nothing can be had.
    """
    with run.progress("crawl", None, "pages") as bar:
        if config.site is not None:
            import asyncio

            asyncio.run(_site(config, run, bar))
        else:
            _read(config, run, bar)
    rows = read_pages(run.out / "pages.parquet")
    taken = [row for row in rows if row.outcome == "taken"]
    refused = Counter(row.reason or "" for row in rows if row.outcome != "taken")
    run.metric(pages=len(taken), refused=dict(sorted(refused.items())), bytes=sum(row.bytes or 0 for row in taken))
    run.count(inputs=len(rows), outputs=len(taken))
    return Pages(run.out)


async def _site(config: CrawlConfig, run: Run, bar: Bar) -> None:
    from hornbook.corpus.crawl import CrawlLimits, crawl_site
    from hornbook.corpus.fetch import Fetcher
    from hornbook.corpus.frontier import Frontier
    from hornbook.corpus.guard import AddressGuard

    limits = CrawlLimits(
        max_pages=config.max_pages, max_depth=config.max_depth, max_hops=config.max_redirects, delay=config.delay,
        concurrency=config.concurrency, sitemaps=config.sitemaps,
    )
    agent = f"hornbook/{version('hornbook')}" + (f" (+{config.contact})" if config.contact else "")
    fetcher = Fetcher(
        AddressGuard(config.allow_private), user_agent=agent, timeout=config.timeout,
        max_bytes=config.max_bytes, retries=config.retries, backoff=config.backoff, concurrency=config.concurrency,
    )
    frontier = Frontier(run.work / "frontier.sqlite")
    try:
        async with fetcher:
            assert config.site is not None
            await crawl_site(config.site, run.out, frontier, fetcher, limits, previous=run.previous,
                             on_page=lambda row: _show(bar, row))
    finally:
        frontier.close()


def _read(config: CrawlConfig, run: Run, bar: Bar) -> None:
    from hornbook.corpus.sources import read_folder, read_table, read_warcs

    for source, read in ((config.docs, read_folder), (config.warc, read_warcs), (config.table, read_table)):
        if source is not None:
            read(source, run.out, max_bytes=config.max_bytes, on_page=lambda row: _show(bar, row))


def _show(bar: Bar, row: PageRow) -> None:
    bar.advance(1, None if row.outcome == "taken" else f"{row.reason}: {row.url[-60:]}")
