"""Step 1, the pages: sites fetched politely; folders, WARC files, tables and data sets read; all written as WARC."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

from pydantic import Field, field_validator, model_validator

from hornbook.core.progress import Bar
from hornbook.pipeline.config import InputPath, StageConfig
from hornbook.pipeline.run import Run
from hornbook.pipeline.stage import stage
from hornbook.road.artifacts import Pages
from hornbook.road.sources import Sources, site_name, told_apart

if TYPE_CHECKING:
    from hornbook.corpus.sources.intake import Part
    from hornbook.corpus.store.frontier import Frontier
    from hornbook.corpus.store.pages import PageRow
    from hornbook.corpus.web.fetch import Fetcher

FILES = {  # the keys of what lies on disk, and what to do where there is nothing in it
    "docs": "put HTML, Markdown, text or PDF files there",
    "warc": "name WARC or WET files, gzip or plain, or a list of their paths",
    "table": "name Parquet or JSON lines files with texts",
    "dataset": "name a folder of datasets' save_to_disk, or a clone with Parquet or JSON lines",
}


class CrawlConfig(StageConfig):
    """The section `[crawl]`: one or more of `site`, `docs`, `warc`, `table`, `dataset`, and how to fetch a site.

    The last four are each a path, a list of paths, or a table of names and paths."""

    shared: ClassVar = ("blocklists",)

    site: str | tuple[str, ...] | None = Field(
        None, description="where to start, such as https://example.org/docs/, or a list of such addresses"
    )
    docs: Sources = Field(
        {}, description="a folder of HTML, Markdown, reStructuredText, text, PDF, DOCX, EPUB; one such file; or several"
    )
    warc: Sources = Field(
        {}, description="a WARC or WET file, a folder of them, a list of paths (.paths.gz, .txt); or several"
    )
    warc_base: str = Field(
        "", description="what is put before the paths of a list: https://data.commoncrawl.org/, or a folder"
    )
    table: Sources = Field(
        {}, description="Parquet or JSON lines (.jsonl, .jsonl.gz, .jsonl.zst), a folder of them; or several"
    )
    dataset: Sources = Field({}, description="a Hugging Face dataset folder: save_to_disk's, or a clone; or several")
    dataset_config: str = Field("", description="which configuration of its card; left out, the default one")
    dataset_split: str = Field("train", description="which split of the data set")
    text_column: str = Field("text", description="where table and data set have their texts, beside url and title")
    allow_private: tuple[str, ...] = Field((), description="hosts that may lie inside: localhost, 127.0.0.1, a name")
    delay: float = Field(
        1.0, ge=0, le=3600, description="seconds between two requests to a host at least; 0 is for hosts of your own"
    )
    concurrency: int = Field(8, ge=1, le=64, description="hosts asked at once; requests at once to a host of your own")
    max_pages: int = Field(10_000, ge=1, description="pages to take of the sites at most")
    max_host_pages: int | None = Field(None, ge=1, description="pages to take of one host at most")
    max_minutes: float | None = Field(None, gt=0, description="minutes for the sites at most")
    max_host_minutes: float | None = Field(None, gt=0, description="minutes for one host at most")
    max_depth: int = Field(16, ge=0, description="links to follow from the start at most")
    max_redirects: int = Field(5, ge=0, le=20, description="redirects one after another at most")
    max_bytes: int = Field(10_000_000, ge=1000, description="bytes of one page at most")
    timeout: float = Field(20.0, gt=0, le=600, description="seconds for a whole answer")
    retries: int = Field(2, ge=0, le=10, description="how often a failing page is asked for again")
    backoff: float = Field(0.5, ge=0, le=30, description="seconds before the first time, doubled each time")
    sitemaps: bool = Field(True, description="whether to read the site's sitemaps")
    include: tuple[str, ...] = Field(
        (), description='only these paths, such as ["/docs/", "/**/manual-*.html"]; [] for all'
    )
    exclude: tuple[str, ...] = Field((), description='but not these, such as ["/docs/old/", "**.pdf", "**?action=*"]')
    blocklists: list[InputPath] = Field(
        [], description="lists of hosts and URLs that are never asked; named at the recipe's top"
    )
    contact: str = Field(
        "", pattern=r"^[\x20-\x7e]*$", description="who to write to, in the user agent: an address or a page"
    )

    @field_validator("include", "exclude")
    @classmethod
    def _patterns(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        from hornbook.corpus.web.patterns import Patterns

        Patterns(value)
        return value

    @model_validator(mode="after")
    def _some_source(self) -> Self:
        if not self.site and not any(getattr(self, key) for key in FILES):
            raise ValueError(f"name at least one of site, {', '.join(FILES)} (there is none)")
        names = dict.fromkeys(map(site_name, self.sites))
        for key in FILES:
            told_apart([*names, *getattr(self, key)], key)
            names |= dict.fromkeys(getattr(self, key))
        return self

    @property
    def sites(self) -> tuple[str, ...]:
        """The addresses to start at."""
        return (self.site,) if isinstance(self.site, str) else self.site or ()

    def about_seconds(self) -> float | None:
        return None if self.sites and self.delay else 20.0


@stage(version=3)
def crawl(config: CrawlConfig, run: Run) -> Pages:
    """Write WARC files and `pages.parquet`, one row a URL with its outcome and reason.

    An interrupted crawl goes on from its frontier; a crawl made again asks the site only for what has changed.
    Metrics: `pages` taken, `refused` by reason, `bytes`. Raises InputError when nothing can be had.
    """
    from hornbook.corpus.store.frontier import Frontier

    frontier = Frontier(run.work / "frontier.sqlite")
    try:
        with run.progress("crawl", None, "pages") as bar:
            if config.sites:
                import asyncio

                asyncio.run(_sites(config, run, frontier, bar))
            _read(config, run, frontier, bar)
    finally:
        frontier.close()
    pages = Pages(run.out)
    taken, refused, size = _counted(pages)
    if silent := refused["gone"] + refused["robots unreachable"]:
        run.warn(f"{silent:,} pages were not asked for: their site, one of several, did not answer")
    run.metric(pages=taken, refused=dict(sorted(refused.items())), bytes=size)
    run.count(inputs=taken + refused.total(), outputs=taken)
    return pages


async def _sites(config: CrawlConfig, run: Run, frontier: Frontier, bar: Bar) -> None:
    from hornbook.corpus.store.urls import host_of
    from hornbook.corpus.tagging.blocklist import Blocklist
    from hornbook.corpus.web.crawl import crawl_site, start_url
    from hornbook.corpus.web.limits import CrawlLimits

    names = set(CrawlLimits.__dataclass_fields__) & set(CrawlConfig.model_fields)
    limits = CrawlLimits(max_hops=config.max_redirects, **config.model_dump(include=names))
    async with _fetcher(config) as fetcher:
        public = {host_of(start_url(site)) for site in config.sites} - fetcher.guard.allow
        if public and not config.contact:
            run.warn('the site cannot tell who is crawling it: say so under [crawl], contact = "you@example.org"')
        await crawl_site(
            config.sites, run.out, frontier, fetcher, limits, previous=run.previous,
            blocked=Blocklist.read(config.blocklists, words=False).refusal, on_page=lambda row: _show(bar, row),
            on_wait=lambda host, seconds: bar.advance(0, f"{host} lets us wait {seconds:,.0f} s"),
        )  # fmt: skip


def _read(config: CrawlConfig, run: Run, frontier: Frontier, bar: Bar) -> None:
    from hornbook.corpus.sources.intake import Intake

    named: list[tuple[str, str, Path]] = [(key, *each) for key in FILES for each in getattr(config, key).items()]
    if not named:
        return
    intake = Intake(run.out, frontier, lambda row: _show(bar, row))
    for key, name, path in named:
        intake.read(name, path, _parts(key, path, config, run), FILES[key], apart=len(named) > 1)
    intake.close()


def _parts(key: str, path: Path, config: CrawlConfig, run: Run) -> Iterator[Part]:
    """What is to be read of a path, as its key has it read."""
    most, column = config.max_bytes, config.text_column
    if key == "docs":
        from hornbook.corpus.sources.folders import folder_parts
        from hornbook.corpus.web.patterns import Patterns

        wanted = Patterns() if config.sites else Patterns(config.include, config.exclude)  # else they are the sites'
        return folder_parts(path, most, wanted.refusal)
    if key == "warc":
        from hornbook.corpus.sources.archives import archive_parts

        return archive_parts(path, most, config.warc_base, run.work, lambda: _fetcher(config))
    if key == "table":
        from hornbook.corpus.sources.tables import table_parts

        return table_parts(path, most, column)
    from hornbook.corpus.sources.datasets import dataset_parts

    return dataset_parts(path, most, column, config.dataset_config, config.dataset_split)


def _fetcher(config: CrawlConfig) -> Fetcher:
    from hornbook.corpus.web.fetch import Fetcher
    from hornbook.corpus.web.guard import AddressGuard

    agent = "hornbook/" + ".".join(version("hornbook").split(".")[:2])
    return Fetcher(
        AddressGuard(config.allow_private), user_agent=f"{agent} (+{config.contact})" if config.contact else agent,
        timeout=config.timeout, max_bytes=config.max_bytes,
    )  # fmt: skip


def _counted(pages: Pages) -> tuple[int, Counter[str], int]:
    """Pages taken, pages refused by reason, bytes of those taken; a few rows at a time."""
    import pyarrow.parquet

    refused, taken, size = Counter[str](), 0, 0
    for path in pages.files("pages*.parquet"):
        with pyarrow.parquet.ParquetFile(path) as table:
            for batch in table.iter_batches(columns=["outcome", "reason", "bytes"]):
                for row in batch.to_pylist():
                    if row["outcome"] == "taken":
                        taken, size = taken + 1, size + (row["bytes"] or 0)
                    else:
                        refused[row["reason"] or ""] += 1
    return taken, refused, size


def _show(bar: Bar, row: PageRow) -> None:
    bar.advance(1, None if row.outcome == "taken" else f"{row.reason}: {row.url[-60:]}")
