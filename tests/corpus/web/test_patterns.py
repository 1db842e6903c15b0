from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hornbook.core.errors import InputError, RecipeError
from hornbook.corpus.web.patterns import Patterns
from hornbook.pipeline.run import Run
from hornbook.road.crawl import CrawlConfig
from hornbook.road.crawl import crawl as crawl_stage
from tests.corpus.conftest import crawl, page


@pytest.mark.parametrize(
    ("pattern", "fits", "fits_not"),
    [
        ("/docs/", ["/docs/", "/docs/a", "/docs/a/b.html", "/docs/?p=1"], ["/docs", "/x/docs/", "/Docs/a"]),
        ("/docs", ["/docs", "/docs?p=1"], ["/docs/", "/docs/a"]),
        ("/*.html", ["/a.html", "/.html"], ["/a/b.html", "/a.htm"]),
        ("/**/old/", ["/old/a", "/a/old/b", "/a/b/old/"], ["/old", "/bold/a", "/a/b.old/c"]),
        ("**.pdf", ["/a.pdf", "/a/b.pdf", "/a.pdf?p=1"], ["/a.pdf.html"]),
        ("/v*/guide", ["/v1/guide", "/v/guide"], ["/v1/2/guide"]),
        ("**?action=*", ["/a?action=edit", "/w/b?action="], ["/a", "/a?x=1&action=edit", "/a?action=a/b"]),
        ("/a?", ["/a"], ["/a?p=1", "/ab"]),
        ("/a.b(c)[d]", ["/a.b(c)[d]"], ["/axb(c)[d]"]),
        ("/straße/*", ["/stra%C3%9Fe/a", "/straße/a%20b"], ["/strasse/a"]),
        ("/stra%C3%9Fe/", ["/stra%C3%9Fe/a"], []),
        ("**", ["/", "/a/b?c=d"], []),
    ],
)
def test_what_a_pattern_fits(pattern: str, fits: list[str], fits_not: list[str]) -> None:
    for path in fits:
        assert Patterns([pattern]).refusal(f"https://h.example{path}") is None, path
        assert Patterns([], [pattern]).refusal(f"https://h.example{path}") == pattern, path
    for path in fits_not:
        assert Patterns([pattern]).refusal(f"https://h.example{path}") == "in none of include", path
        assert Patterns([], [pattern]).refusal(f"https://h.example{path}") is None, path


def test_exclude_is_stronger_and_a_start_need_not_be_included() -> None:
    patterns = Patterns(["/docs/", "/blog/"], ["/docs/old/"])
    assert patterns.refusal("https://h.example/docs/old/a") == "/docs/old/"
    assert patterns.refusal("https://h.example/blog/a") is None
    assert patterns.refusal("https://h.example/", start=True) is None
    assert patterns.refusal("https://h.example/docs/old/", start=True) == "/docs/old/"


@given(st.text(st.characters(codec="utf-8", exclude_characters="*?%/"), min_size=1, max_size=20))
def test_a_name_without_wildcards_fits_itself_alone(name: str) -> None:
    patterns = Patterns([f"/{name}"])
    assert patterns.refusal(f"https://h.example/{quote(name, safe='')}") is None
    assert patterns.refusal(f"/{name}") is None
    assert patterns.refusal(f"/{name}x") is not None


@pytest.mark.parametrize("pattern", ["docs/", "*.pdf", "", "https://h.example/docs/"])
def test_a_pattern_begins_at_the_root(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"begin the pattern .* with / or with \*\*"):
        CrawlConfig(site="https://h.example", exclude=(pattern,))


def test_a_crawl_asks_for_nothing_that_is_excluded(site, tmp_path) -> None:
    listed = "".join(f"<url><loc>{site.url}{path}</loc></url>" for path in ("/docs/c", "/docs/old/d", "/blog/e"))
    site.answers |= {
        "/robots.txt": "", "/sitemap.xml": f"<urlset>{listed}</urlset>",
        "/": page("start", "/docs/", "/blog/", "/moved"), "/docs/": page("docs", "/docs/a", "/docs/old/b", "/"),
        "/docs/a": page("a", "/docs/a?print=1"), "/docs/a?print=1": page("print"), "/docs/c": page("c"),
        "/docs/old/b": page("b"), "/docs/old/d": page("d"), "/blog/": page("blog"), "/blog/e": page("e"),
    }  # fmt: skip
    rows = crawl(site.url, tmp_path, limits={"include": ("/docs/",), "exclude": ("/docs/old/", "**?print=*")})
    assert {path: (row.outcome, row.reason, row.detail) for path, row in rows.items()} == {
        **dict.fromkeys(["/", "/docs/", "/docs/a", "/docs/c"], ("taken", None, None)),
        **dict.fromkeys(["/docs/old/b", "/docs/old/d"], ("refused", "excluded", "/docs/old/")),
        **dict.fromkeys(["/blog/", "/blog/e", "/moved"], ("refused", "excluded", "in none of include")),
        "/docs/a?print=1": ("refused", "excluded", "**?print=*"),
    }
    assert set(site.asked) == {"/robots.txt", "/sitemap.xml", "/", "/docs/", "/docs/a", "/docs/c"}


def test_where_a_start_leads_is_asked_and_other_redirects_are_not(site, tmp_path) -> None:
    from tests.corpus.web.test_crawl import redirect

    site.answers |= {
        "/": redirect("/en/"), "/en/": page("start", "/docs/a", "/docs/b"), "/docs/a": page("a"),
        "/docs/b": redirect("/elsewhere"), "/elsewhere": page("elsewhere"),
    }  # fmt: skip
    rows = crawl(site.url, tmp_path, limits={"include": ("/docs/",)})
    assert {path: row.reason for path, row in rows.items()} == {
        "/": "redirect", "/en/": None, "/docs/a": None, "/docs/b": "redirect", "/elsewhere": "excluded",
    }  # fmt: skip
    assert site.asked["/elsewhere"] == 0


def test_a_start_that_is_excluded_is_an_error_before_anything_is_asked(site, tmp_path) -> None:
    with pytest.raises(RecipeError, match=r"starts where exclude = \['/docs/'\]"):
        crawl(f"{site.url}/docs/", tmp_path, limits={"exclude": ("/docs/",)})
    assert not site.asked


def test_files_of_a_folder_by_the_same_patterns(tmp_path) -> None:
    for name in ("a.md", "guide/b c.md", "guide/old/d.md"):
        path = tmp_path / "docs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"# {name}\n\nA page about the harbour.")
    config = CrawlConfig(docs=tmp_path / "docs", include=("/guide/b c*", "/guide/old/"), exclude=("/**/old/",))
    rows = crawl_stage(config, Run(tmp_path / "run")).rows().to_pylist()
    assert {row["url"]: (row["outcome"], row["reason"], row["detail"]) for row in rows} == {
        "folder:///a.md": ("refused", "excluded", "in none of include"),
        "folder:///guide/b%20c.md": ("taken", None, None),
        "folder:///guide/old/d.md": ("refused", "excluded", "/**/old/"),
    }


def test_beside_a_site_the_patterns_are_the_sites(site, tmp_path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.md").write_text("# A\n\nA page about the harbour.")
    site.answers |= {"/": page("start", "/docs/a", "/blog/b"), "/docs/a": page("a"), "/blog/b": page("b")}
    options = {"site": site.url, "allow_private": ("127.0.0.1",), "delay": 0, "include": ("/docs/",)}
    rows = crawl_stage(CrawlConfig(docs=tmp_path / "notes", **options), Run(tmp_path / "run")).rows().to_pylist()
    found = {row["url"].removeprefix(site.url): row["reason"] for row in rows}
    assert found == {"/": None, "/docs/a": None, "/blog/b": "excluded", "folder:///a.md": None}


def test_a_folder_of_which_nothing_is_wanted_says_what_to_change(tmp_path) -> None:
    (tmp_path / "a.md").write_text("# A")
    with pytest.raises(InputError, match=r"in none of include.*change include or exclude"):
        crawl_stage(CrawlConfig(docs=tmp_path, include=("/b/",)), Run(tmp_path / ".run"))
