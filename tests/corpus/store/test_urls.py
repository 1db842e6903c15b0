from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hornbook.corpus.store.urls import canonical_url, site_of
from hornbook.corpus.web.traps import trap


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
        ("http://example.org/a?b=\\c", "http://example.org/a?b=%5Cc"),
        ("http://ex%61mple.org/", "http://example.org/"),
        ("http://2130706433/", "http://127.0.0.1/"),
        ("http://0x7f.1/", "http://127.0.0.1/"),
        ("http://0177.0.0.1./", "http://127.0.0.1/"),
        ("http://１２７.0.0.1/", "http://127.0.0.1/"),
        ("http://[::FFFF:127.0.0.1]/", "http://[::ffff:7f00:1]/"),
        ("http://faß.de/", "http://xn--fa-hia.de/"),
        ("http://example.org/p;%6Asessionid=1/a", "http://example.org/p/a"),
        ("http://example.org/?utm%5Fsource=x&UTM_Medium=y&gclid=z&mtm_campaign=c&hsa_ad=1&a=1", "http://example.org/?a=1"),
        ("http://example.org/?&&a", "http://example.org/?a"),
        ("http://example.org:/", "http://example.org/"),
        ("http://example.org/%zz%", "http://example.org/%25zz%25"),
    ],
)
def test_canonical_form(url: str, canonical: str) -> None:
    assert canonical_url(url) == canonical


@pytest.mark.parametrize(
    "url", ["mailto:a@b.org", "javascript:void(0)", "http://", "http://user:pw@x.org/", "http://x:99999/", "ftp://x/",
            "http://a b/", "http://x.org/" + "a" * 3000, "http://\ud800.org/", "//x", "file:///etc/passwd",
            "http://[zz]/", "http://1.2.3.4.5/", "http://256.1.1.1/", "http://x..org/", "http://.x.org/",
            "http://x.org../", "http://[fe80::1%25eth0]/", "http://" + "a" * 64 + ".org/", "http://@x.org/",
            "http://x.org:0/", "http://x.1/"],
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
    st.one_of(
        st.sampled_from(["example.org", "Bücher.DE", "127.0.0.1", "[::1]", "a.b.c.", "xn--bcher-kva.de", "0x7F.1",
                         "faß。de"]),
        st.text(st.sampled_from("aZ.-_%2eé0x７１ß。"), min_size=1, max_size=12),
    ),
    st.sampled_from(["", ":80", ":443", ":8080"]),
    st.lists(st.sampled_from([*"ab/.%2eE~ é;=&+'\\\t", ";jsessionid=", "%6A", "..", "%2e"]), max_size=20).map("".join),
    st.lists(st.sampled_from([*"ab=&%zé+ ?/\\", "utm_source", "%75tm_x", "gclid"]), max_size=20).map("".join),
    st.text(max_size=4),
)  # fmt: skip


@given(_URLS)
def test_canonical_is_idempotent(url: str) -> None:
    once = canonical_url(url)
    assert once is None or canonical_url(once) == once


@given(st.text(max_size=60))
def test_never_raises(text: str) -> None:
    once = canonical_url(text, "http://example.org/a/")
    assert once is None or canonical_url(once) == once


@pytest.mark.parametrize(
    ("url", "trapped"),
    [
        ("http://x.org/a/b/a/b/a/b/c.html", True), ("http://x.org/a/a/a/", True), ("http://x.org/a/a/a", False),
        ("http://x.org/a/b/c/d", False), ("http://x.org/" + "d/" * 3 + "x?y=/e/e/e/e", True),
        ("http://x.org/" + "/".join(map(str, range(30))), True), ("http://x.org/2024/01/01/a", False),
        ("http://x.org/?p=a/a/a/a/", False), ("http://x.org////", False),
    ],
)  # fmt: skip
def test_traps_are_known_by_their_shape(url: str, trapped: bool) -> None:
    assert (trap(url) is not None) == trapped
