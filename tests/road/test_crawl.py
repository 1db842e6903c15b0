from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pydantic import ValidationError

from hornbook.core.errors import InputError
from hornbook.pipeline.run import Run
from hornbook.road.crawl import CrawlConfig, crawl
from tests.corpus.conftest import Site, page, site  # noqa: F401  (a fixture)

PAGES = 60
SCRIPT = """
import sys
from hornbook.pipeline.run import Run
from hornbook.road.crawl import CrawlConfig, crawl
crawl(CrawlConfig(site=sys.argv[1], allow_private=("127.0.0.1",), delay=0, concurrency=2), Run(sys.argv[2]))
"""


def config(url: str) -> CrawlConfig:
    return CrawlConfig(site=url, allow_private=("127.0.0.1",), delay=0, concurrency=2)


def fill(site: Site) -> None:  # noqa: F811
    import asyncio

    from aiohttp import web

    def slowly(number: int):
        async def answer(request):
            await asyncio.sleep(0.02)
            text = page(f"Page {number}", f"/{number + 1}", f"/{number * 7 % PAGES}", text=f"Text of {number}.")
            return web.Response(text=text, content_type="text/html")

        return answer

    site.answers |= {"/": page("start", "/0", "/20", "/40")} | {f"/{number}": slowly(number) for number in range(PAGES)}


def test_metrics_and_rows(site, tmp_path) -> None:  # noqa: F811
    fill(site)
    run = Run(tmp_path)
    pages = crawl(config(site.url), run)
    assert run.metrics["pages"] == PAGES + 1
    assert run.metrics["refused"] == {"status": 1}
    assert run.counts == {"inputs": PAGES + 2, "outputs": PAGES + 1}
    assert pages.rows().num_rows == PAGES + 2


def test_killed_at_any_moment_nothing_is_fetched_twice_and_nothing_is_missed(site, tmp_path) -> None:  # noqa: F811
    fill(site)
    whole = crawl(config(site.url), Run(tmp_path / "whole"))
    site.asked.clear()
    script = tmp_path / "crawl.py"
    script.write_text(SCRIPT)
    killed = 0
    for enough in (5, 30):
        process = subprocess.Popen([sys.executable, script, site.url, tmp_path / "killed"], stderr=subprocess.DEVNULL)
        while process.poll() is None and sum(site.asked.values()) < enough + 3 * killed:
            time.sleep(0.005)
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
            killed += 1
        process.wait()
    again = crawl(config(site.url), Run(tmp_path / "killed"))
    assert killed == 2
    assert again.content_digest() == whole.content_digest()
    assert again.rows().drop(["fetched_at", "warc_offset", "warc_length"]).equals(
        whole.rows().drop(["fetched_at", "warc_offset", "warc_length"])
    )
    repeated = {path: count for path, count in site.asked.items() if count > 1 and path != "/robots.txt"}
    repeated.pop("/sitemap.xml", None)
    assert sum(count - 1 for count in repeated.values()) <= 2 * killed  # only what was under way: two at a time


def test_an_earlier_crawl_saves_work_and_changes_nothing(site, tmp_path) -> None:  # noqa: F811
    site.answers |= {"/": page("start", "/a"), "/a": page("a")}
    first = crawl(config(site.url), Run(tmp_path / "one"))
    second = crawl(config(site.url), Run(tmp_path / "two", previous=first.path))
    assert second.content_digest() == first.content_digest()


def test_a_folder_and_its_digest(tmp_path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text("# A\n\ntext")
    one = crawl(CrawlConfig(docs=tmp_path / "docs"), Run(tmp_path / "one"))
    two = crawl(CrawlConfig(docs=tmp_path / "docs"), Run(tmp_path / "two"))
    assert one.content_digest() == two.content_digest()
    (tmp_path / "docs" / "a.md").write_text("# A\n\ntexts")
    assert crawl(CrawlConfig(docs=tmp_path / "docs"), Run(tmp_path / "three")).content_digest() != one.content_digest()


def test_bad_configurations_and_addresses(tmp_path) -> None:
    with pytest.raises(ValidationError, match="exactly one of"):
        CrawlConfig()
    with pytest.raises(ValidationError, match="exactly one of"):
        CrawlConfig(site="http://x.org", docs=tmp_path)
    with pytest.raises(ValidationError, match="there is no"):
        CrawlConfig(docs=tmp_path / "nothing")
    with pytest.raises(InputError, match="no web address"):
        crawl(CrawlConfig(site="ftp://x.org"), Run(tmp_path))
    with pytest.raises(InputError, match="allow_private"):
        crawl(CrawlConfig(site="http://127.0.0.1:1/"), Run(tmp_path / "inside"))


def test_importing_the_stage_is_cheap() -> None:
    heavy = "[name for name in ('torch', 'trafilatura', 'numpy', 'pyarrow', 'aiohttp') if name in sys.modules]"
    code = f"import sys, hornbook.road.crawl, hornbook.road.corpus; print({heavy})"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


def test_paths_are_not_in_the_rows(tmp_path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text("text")
    pages = crawl(CrawlConfig(docs=tmp_path / "docs"), Run(tmp_path / "run"))
    assert str(Path(tmp_path)) not in str(pages.rows().to_pylist())
