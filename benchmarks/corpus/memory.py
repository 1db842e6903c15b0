"""The most memory that curation holds, all its processes together, on gigabytes of pages made up for it.

The pages lie in a crawl's folder, made once in a temporary folder; `HORNBOOK_PAGES_MB` says how many megabytes (2,000).
Where the system lets us make a control group, the kernel itself holds it to 1 GB, what it caches of files counted.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.results import figure

NAMES = ("curate_peak_gb",)
PAGE_BYTES = 20_000
LIMIT = 1_000_000_000
SYLLABLES = ("ba", "ri", "to", "ken", "sol", "ma", "ver", "lin", "do", "sha", "pel", "un", "ti", "gor", "fa", "we")
CURATION = """
import json, sys, time
from pathlib import Path
from hornbook.core.processes import PeakMemory
from hornbook.pipeline.run import Run
from hornbook.road.artifacts import Pages
from hornbook.road.corpus import CorpusConfig, corpus

if __name__ == "__main__":
    run, began = Run(sys.argv[2]), time.perf_counter()
    with PeakMemory() as peak:
        corpus(CorpusConfig(languages=(), extraction="fast"), Pages(sys.argv[1]), run)
    print(json.dumps({"bytes": peak.bytes, "seconds": time.perf_counter() - began, **run.metrics["funnel"]}))
"""


def figures() -> Iterator[dict]:
    """Curation in a process of its own, whose peak is read with that of its workers."""
    megabytes = int(os.environ.get("HORNBOOK_PAGES_MB", "2000"))
    with tempfile.TemporaryDirectory() as folder:
        write_crawl(Path(folder, "crawl"), megabytes * 1_000_000 // PAGE_BYTES)
        script = Path(folder, "curate.py")
        script.write_text(CURATION)
        command = [sys.executable, str(script), str(Path(folder, "crawl")), str(Path(folder, "run"))]
        with limited_group(LIMIT) as group:
            command = ["sh", "-c", f'echo $$ > {group}/cgroup.procs; exec "$@"', "sh", *command] if group else command
            said = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout.splitlines()[-1])
    yield figure(
        "curate_peak_gb", round(said["bytes"] / 1e9, 3), "GB", n=said["pages"], megabytes=megabytes, kept=said["kept"],
        seconds=round(said["seconds"], 1), held_to_limit=group is not None,
    )


@contextmanager
def limited_group(limit: int) -> Iterator[Path | None]:
    """A control group whose processes may hold `limit` bytes together, swap not counted; None where we may not make
    one."""
    for top, key in ((Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"), (Path("/sys/fs/cgroup"), "memory.max")):
        group = top / f"hornbook-{os.getpid()}"
        try:
            group.mkdir()
            (group / key).write_text(str(limit))
        except OSError:
            if group.exists():
                group.rmdir()
            continue
        try:
            yield group
        finally:
            while (group / "cgroup.procs").read_text():  # the server that forks the workers ends a moment later
                time.sleep(0.1)
            group.rmdir()
        return
    yield None


def write_crawl(folder: Path, pages: int) -> None:
    """A crawl of `pages` pages of some 20 KB of made-up prose, each other, with menus and footers around it."""
    from hornbook.corpus.store.pages import PageRow, write_pages
    from hornbook.corpus.store.warc_writer import WarcWriter

    random_source = random.Random(7)
    writer, rows = WarcWriter(folder), []
    words = ["".join(random_source.choices(SYLLABLES, k=random_source.randint(1, 4))) for _ in range(20_000)]
    for number in range(pages):
        body = _page(number, words, random_source).encode()
        url = f"https://site{number % 100}.example/{number:06d}.html"
        place = writer.resource(url, "2026-01-01T00:00:00Z", "text/html; charset=utf-8", body)
        rows.append(PageRow(
            url, 1, "taken", canonical=url, status=200, content_type="text/html", bytes=len(body),
            fetched_at="2026-01-01T00:00:00Z", warc_file=place.file, warc_offset=place.offset, warc_length=place.length,
        ))  # fmt: skip
    writer.close()
    write_pages(folder / "pages.parquet", sorted(rows, key=lambda row: row.url))


def _page(number: int, words: list[str], random_source: random.Random) -> str:
    paragraphs, size = [], 0
    while size < PAGE_BYTES - 700:
        chosen = random_source.choices(words, k=80)
        sentences = [" ".join(chosen[start : start + 16]).capitalize() + "." for start in range(0, 80, 16)]
        paragraphs.append(f"<p>{' '.join(sentences)}</p>")
        size += len(paragraphs[-1])
    menu = "".join(f"<li><a href='/{entry}.html'>Part {entry}</a></li>" for entry in range(12))
    return (
        f"<html><head><title>Page {number}</title></head><body><nav><ul>{menu}</ul></nav><main><h1>Page {number}</h1>"
        f"{''.join(paragraphs)}</main><footer><p>All pages of this site belong together.</p></footer></body></html>"
    )
