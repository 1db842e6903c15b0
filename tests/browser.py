"""A real browser for the tests that need one: the machine's Chromium, driven by Playwright."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import sync_playwright

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
# No sandbox, for CI is root; the others keep it from looking for its maker.
OPTIONS = ["--no-sandbox", "--no-first-run", "--disable-background-networking", "--disable-component-update",
           "--disable-sync"]  # fmt: skip


@pytest.fixture(scope="module")  # not for the session: Playwright's loop runs until it ends, and asyncio.run wants none
def browser() -> Iterator:
    if CHROMIUM is None:
        pytest.skip("there is no Chromium on this machine: apt install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        yield browser
        browser.close()


@pytest.fixture
def tab(browser) -> Iterator:
    """A page of its own, with `complaints`: what its scripts threw and its console called an error."""
    context = browser.new_context()
    page = context.new_page()
    page.complaints = []
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.on("console", lambda said: said.type == "error" and page.complaints.append(said.text))
    page.set_default_timeout(20_000)
    yield page
    context.close()
