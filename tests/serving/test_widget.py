"""The widget on somebody else's page, in a real browser, from another origin."""

from __future__ import annotations

import functools
import http.server
import threading

import httpx
import pytest
from playwright.sync_api import expect

from hornbook.serving.app import create_app
from tests.browser import browser, tab
from tests.serving.conftest import free_port, serving
from tests.serving.test_chat import user

__all__ = ["browser", "tab"]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The documentation of something, which has the widget on its pages: (its address, its folder)."""
    folder = tmp_path_factory.mktemp("site")
    quiet = type("Quiet", (http.server.SimpleHTTPRequestHandler,), {"log_message": lambda *_: None})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(quiet, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", folder
    server.shutdown()


def write_page(folder, base: str) -> None:
    tag = f'<script src="{base}/widget.js" data-title="Ask the isle"></script>'
    style = "<style>* { display: none !important; } html, body, hornbook-chat { display: block !important; }</style>"
    (folder / "index.html").write_text(f"<!doctype html><title>Docs</title>{style}<body><h1>Docs</h1>{tag}</body>")


def ask(tab, question: str) -> None:
    tab.get_by_role("button", name="Ask the isle").click()
    tab.get_by_role("textbox").fill(question)
    tab.get_by_role("textbox").press("Enter")


def test_one_tag_brings_the_chat_to_a_page_of_another_origin(tab, chat, site):
    address, folder = site
    with serving(create_app(chat, origins=(address,))) as base:
        write_page(folder, base)
        tab.goto(address)
        ask(tab, "Who is Mara Tolly?")
        link = tab.locator("hornbook-chat article.assistant a")
        expect(link).to_have_attribute("href", "https://isle.example/mara", timeout=20_000)
        body = {"model": "isle", "messages": user("Who is Mara Tolly?")}
        said = httpx.post(f"{base}/v1/chat/completions", json=body, timeout=30).json()
        shown = tab.locator("hornbook-chat article.assistant").inner_text()
        assert said["choices"][0]["message"]["content"].split() == shown.split()[:-2]  # the link
        tab.get_by_role("textbox").fill("<b onclick=alert(1)>bold</b>")
        tab.get_by_role("textbox").press("Enter")
        expect(tab.locator("hornbook-chat article.user").last).to_have_text("<b onclick=alert(1)>bold</b>")
        assert tab.locator("hornbook-chat article b").count() == 0
        tab.keyboard.press("Escape")
        expect(tab.get_by_role("button", name="Ask the isle")).to_be_visible()


def test_an_origin_that_is_not_allowed_is_told_so_and_gets_nothing(tab, chat, site):
    address, folder = site
    with serving(create_app(chat, origins=(f"http://127.0.0.1:{free_port()}",))) as base:
        write_page(folder, base)
        tab.goto(address)
        ask(tab, "Who is Mara Tolly?")
        expect(tab.locator("hornbook-chat article.error")).to_be_visible(timeout=20_000)
        assert tab.locator("hornbook-chat article.assistant").count() == 0
