from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hornbook.corpus.urls import canonical_url, site_of


@pytest.mark.parametrize(
    ("url", "canonical"),
    [
        ("HTTP://Example.ORG:80/", "http://example.org/"),
        ("https://example.org:443", "https://example.org/"),
        ("http://example.org:8080/a", "http://example.org:8080/a"),
        ("http://example.org/a/./b/../c", "http://example.org/a/c"),
        ("http://example.org/../../x", "http://example.org/x"),
        ("http://example.org/a/..", "http://example.org/"),
        ("http://example.org/%7euser/%2E%2e/y", "http://example.org/y"),
        ("http://example.org/a%2fb", "http://example.org/a%2Fb"),
        ("http://example.org/a b?q=é", "http://example.org/a%20b?q=%C3%A9"),
        ("http://example.org/?b=2&a=1#top", "http://example.org/?a=1&b=2"),
        ("http://example.org/?utm_source=x&id=7&fbclid=y", "http://example.org/?id=7"),
        ("http://example.org/p;jsessionid=1A2B?x=1", "http://example.org/p?x=1"),
        ("http://bücher.example/", "http://xn--bcher-kva.example/"),
        ("http://example.org./", "http://example.org/"),
        ("http://[0:0:0:0:0:0:0:1]/", "http://[::1]/"),
        ("  http://example.org/a\n", "http://example.org/a"),
        ("http://example.org\\a\\b", "http://example.org/a/b"),
    ],
)
def test_canonical_form(url: str, canonical: str) -> None:
    assert canonical_url(url) == canonical


@pytest.mark.parametrize(
    "url", ["mailto:a@b.org", "javascript:void(0)", "http://", "http://user:pw@x.org/", "http://x:99999/", "ftp://x/",
            "http://a b/", "http://x.org/" + "a" * 3000, "http://\ud800.org/", "//x", "file:///etc/passwd", "http://[zz]/"],
)  # fmt: skip
def test_no_web_address(url: str) -> None:
    assert canonical_url(url) is None


def test_relative_to_a_base() -> None:
    assert canonical_url("../b?x#y", "http://example.org/a/c/d") == "http://example.org/a/b?x"
    assert canonical_url("/r", "http://example.org:81/a/") == "http://example.org:81/r"
    assert canonical_url("//other.org/r", "https://example.org/a/") == "https://other.org/r"
    assert canonical_url("", "http://example.org/a") == "http://example.org/a"


def test_www_and_scheme_are_one_site() -> None:
    assert site_of("https://www.example.org/a") == site_of("http://example.org/b")
    assert site_of("http://example.org:81/") != site_of("http://example.org/")


_URLS = st.builds(
    "{}://{}{}/{}?{}#{}".format,
    st.sampled_from(["http", "HTTPS", "Http"]),
    st.sampled_from(["example.org", "Bücher.DE", "127.0.0.1", "[::1]", "a.b.c.", "xn--bcher-kva.de"]),
    st.sampled_from(["", ":80", ":443", ":8080"]),
    st.text(st.sampled_from("ab/.%2eE~ é;=&+'\\\t"), max_size=20),
    st.text(st.sampled_from("ab=&%zé+ utm_source?/"), max_size=20),
    st.text(max_size=4),
)


@given(_URLS)
def test_canonical_is_idempotent(url: str) -> None:
    once = canonical_url(url)
    assert once is None or canonical_url(once) == once


@given(st.text(max_size=60))
def test_never_raises(text: str) -> None:
    once = canonical_url(text, "http://example.org/a/")
    assert once is None or canonical_url(once) == once
