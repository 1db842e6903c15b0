from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from aiohttp import web
from pydantic import ValidationError

from hornbook.core.errors import InputError
from hornbook.corpus.store.warc_writer import WarcWriter
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
    for enough in (1, 2, 5, 20, 35, 50):  # requests: while it asks for robots.txt, for the sitemap, for pages
        process = subprocess.Popen([sys.executable, script, site.url, tmp_path / "killed"], stderr=subprocess.DEVNULL)
        while process.poll() is None and sum(site.asked.values()) < enough + killed:
            time.sleep(0.002)
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
            killed += 1
        process.wait()
    again = crawl(config(site.url), Run(tmp_path / "killed"))
    assert killed == 6
    assert again.content_digest() == whole.content_digest()
    assert again.rows().drop(["fetched_at", "warc_offset", "warc_length"]).equals(
        whole.rows().drop(["fetched_at", "warc_offset", "warc_length"])
    )
    assert set(site.asked) == {"/robots.txt", "/sitemap.xml", "/", *(f"/{number}" for number in range(PAGES + 1))}
    assert sum(count - 1 for count in site.asked.values()) <= 2 * killed  # only what was under way: two at a time
    assert site.asked["/robots.txt"] <= 2


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
    with pytest.raises(ValidationError, match="at least one of"):
        CrawlConfig()
    with pytest.raises(ValidationError, match="at least one of"):
        CrawlConfig(site=())
    with pytest.raises(ValidationError, match="contact"):
        CrawlConfig(site="http://x.org", contact="me\r\nX-Evil: 1")
    with pytest.raises(ValidationError, match="there is no"):
        CrawlConfig(docs=tmp_path / "nothing")
    with pytest.raises(InputError, match="no web address"):
        crawl(CrawlConfig(site="ftp://x.org"), Run(tmp_path))
    with pytest.raises(InputError, match="allow_private"):
        crawl(CrawlConfig(site="http://127.0.0.1:1/"), Run(tmp_path / "inside"))


DIGEST = "ba6aa414df106d9c963f0d5262c220b3767540014bacb4f42e0a4dc96f14bc41"


def test_the_same_sources_give_the_same_digest_on_every_machine(tmp_path) -> None:
    """When this digest changes, raise the stage's version."""
    run = Run(tmp_path / "run")
    pages = crawl(several(tmp_path), run)
    assert crawl.version == 3
    assert pages.content_digest() == DIGEST
    assert run.metrics["refused"] == {"empty": 1, "type": 1}
    assert run.counts == {"inputs": 8, "outputs": 6}


def several(folder: Path) -> CrawlConfig:
    """A folder, a WARC file, a table and a data set, in one recipe."""
    (folder / "docs").mkdir()
    for name, content in (("a.md", "# A\n\ntext"), ("b.html", "<p>b</p>"), ("c.rst", "C\n=\n"), ("d.png", "x")):
        (folder / "docs" / name).write_text(content)
    writer = WarcWriter(folder / "warc")
    writer.exchange("http://x.org/e", "2026-01-01T00:00:00Z", "200 OK", [("Content-Type", "text/html")], b"<p>e</p>")
    writer.close()
    (folder / "t.jsonl").write_text('{"words": "one"}\n{"words": ""}\n')
    (folder / "set" / "data").mkdir(parents=True)
    (folder / "set" / "data" / "train.jsonl").write_text('{"words": "two", "url": "http://x.org/f"}')
    return CrawlConfig(docs=folder / "docs", warc=folder / "warc", table=folder / "t.jsonl", dataset=folder / "set",
                       text_column="words")  # fmt: skip


def test_a_site_and_a_folder_together(site, tmp_path) -> None:  # noqa: F811
    site.answers |= {"/": page("start", "/a"), "/a": page("a")}
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "b.md").write_text("text")
    both = config(site.url).model_copy(update={"docs": {"docs": tmp_path / "docs"}, "max_pages": 2})
    pages = crawl(both, Run(tmp_path / "run"))
    assert sorted(pages.rows().column("url").to_pylist()) == ["folder:///b.md", f"{site.url}/", f"{site.url}/a"]
    again = crawl(both, Run(tmp_path / "again", previous=pages.path))
    assert again.content_digest() == pages.content_digest()


def test_who_is_asking(site, tmp_path, capsys) -> None:  # noqa: F811
    agents = set()

    async def answer(request):
        agents.add(request.headers["User-Agent"])
        return web.Response(text=page("x"), content_type="text/html")

    site.answers |= {"/": answer}
    crawl(config(site.url), Run(tmp_path / "own"))
    crawl(config(site.url).model_copy(update={"contact": "https://x.org/bot"}), Run(tmp_path / "named"))
    assert agents == {"hornbook/0.1", "hornbook/0.1 (+https://x.org/bot)"}
    run = Run(tmp_path / "public")
    with pytest.raises(InputError):
        crawl(CrawlConfig(site="http://nobody.invalid", retries=0, backoff=0), run)
    assert "contact" in run.warnings[0]


def test_importing_the_stage_is_cheap() -> None:
    heavy = "[name for name in ('torch', 'docutils', 'numpy', 'pyarrow', 'aiohttp') if name in sys.modules]"
    code = f"import sys, hornbook.road.crawl, hornbook.road.corpus; print({heavy})"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


def test_paths_are_not_in_the_rows(tmp_path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text("text")
    pages = crawl(CrawlConfig(docs=tmp_path / "docs"), Run(tmp_path / "run"))
    assert str(Path(tmp_path)) not in str(pages.rows().to_pylist())
