"""The site as files: every page in a layout, section indexes, a home page, sitemap and robots.txt, and the manifest
that tells the server which addresses do something else than answer with a file."""

from __future__ import annotations

import json
import random
from dataclasses import asdict
from pathlib import Path

from hornbook.core.seeds import derive
from hornbook.demo.faults import plant
from hornbook.demo.html import SECTION_NAMES, head, link_list, menu, render
from hornbook.demo.page import Page, Site
from hornbook.demo.sizes import IslandSize
from hornbook.demo.world import World

NEIGHBOURS = 5
PAGES_PER_INDEX = 150
ROBOTS = """User-agent: *
Disallow: /private/
Disallow: /drafts/
Disallow: /*?print=

User-agent: GreedyBot
Crawl-delay: 30
Disallow: /news/

Sitemap: {site}/sitemap.xml
"""


def write_site(folder: Path, pages: list[Page], world: World, seed: int, size: IslandSize, base: str) -> None:
    """Write `folder/site` and `folder/truth/faults.json`."""
    site = Site(base)
    rng = random.Random(derive(seed, "layouts"))
    for page in pages:
        path = page.path
        canonical = base + path if rng.random() < 0.5 else None
        site.files[path] = render(rng, page, world.island, canonical, neighbours(rng, page, pages)).encode()
        site.linked[path] = (page.kind, page.title)
    truth = plant(site, pages, world, seed, size)
    write_indexes(site, world.island)
    for path, content in site.files.items():
        target = folder / "site" / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    (folder / "site" / "manifest.json").write_text(json.dumps(site.special, indent=1, sort_keys=True))
    (folder / "truth").mkdir(parents=True, exist_ok=True)
    (folder / "truth" / "faults.json").write_text(json.dumps(asdict(truth), indent=1, sort_keys=True))


def neighbours(rng: random.Random, page: Page, pages: list[Page]) -> list[tuple[str, str]]:
    """A few other pages to link to."""
    return [(other.path, other.title) for other in rng.sample(pages, min(NEIGHBOURS, len(pages))) if other is not page]


def write_indexes(site: Site, island: str) -> None:
    """Section indexes that link every page, the home page, sitemap.xml and robots.txt."""
    sections: dict[str, list[tuple[str, str]]] = {key: [] for key in SECTION_NAMES}
    for path, (section, words) in site.linked.items():
        sections[section].append((path, words))
    for section, links in sections.items():
        for number, start in enumerate(range(0, max(len(links), 1), PAGES_PER_INDEX)):
            more = [(index_path(section, number + 1), "more")] if start + PAGES_PER_INDEX < len(links) else []
            listed = links[start : start + PAGES_PER_INDEX] + more
            title = SECTION_NAMES[section]
            site.files[index_path(section, number)] = index_page(island, title, listed)
    homes = [(index_path(section, 0), SECTION_NAMES[section]) for section in sections]
    site.files["/index.html"] = index_page(island, f"Pages of {island}", homes)
    # Half of the pages are in the sitemap; the others must be found by following links.
    listed = [path for path in site.linked if not path.startswith(("/private/", "/drafts/")) and "?" not in path][::2]
    entries = "".join(f"<url><loc>{site.base}{path}</loc></url>" for path in listed)
    sitemap = f'<?xml version="1.0" encoding="UTF-8"?><urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{entries}</urlset>'
    site.files["/sitemap.xml"] = sitemap.encode()
    site.files["/robots.txt"] = ROBOTS.format(site=site.base).encode()


def index_path(section: str, number: int) -> str:
    return f"/{section}/index.html" if number == 0 else f"/{section}/index-{number + 1}.html"


def index_page(island: str, title: str, links: list[tuple[str, str]]) -> bytes:
    page = Page("", title, "people")
    return (
        f'<!doctype html><html lang="en"><head>{head(page, island, None)}</head><body><nav>{menu(island)}</nav>'
        f"<h1>{title}</h1>{link_list(links)}</body></html>"
    ).encode()
