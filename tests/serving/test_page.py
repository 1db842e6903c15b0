"""The chat page in a real browser, against a real server."""

from __future__ import annotations

import httpx
import pytest
from playwright.sync_api import expect

from hornbook.serving.app import create_app
from hornbook.serving.keys import Key, Keys
from tests.browser import browser, tab
from tests.serving.conftest import serving

__all__ = ["browser", "tab"]

KEY = "a key of decent length"


def ask(tab, question: str) -> None:
    tab.fill("#question", question)
    tab.press("#question", "Enter")


def wait(tab) -> None:
    """Until nothing is being answered."""
    expect(tab.locator("#send")).to_have_text("Ask", timeout=20_000)


def said(base: str, messages: list[dict]) -> str:
    """What the API answers, in one piece."""
    body = {"model": "isle", "messages": messages, "hornbook": {"open_book": True}}
    return httpx.post(f"{base}/v1/chat/completions", json=body, timeout=30).json()["choices"][0]["message"]["content"]


def test_a_chat_with_its_pages(tab, base):
    tab.goto(base)
    expect(tab).to_have_title("isle")
    ask(tab, "Who is Mara Tolly?")
    page = tab.wait_for_selector("article.assistant a.page")
    wait(tab)
    assert page.get_attribute("href") == "https://isle.example/mara"
    first = said(base, [{"role": "user", "content": "Who is Mara Tolly?"}])
    assert first.endswith("(Page: Mara Tolly)")
    assert tab.inner_text("article.assistant").split("https://")[0].strip() == first.strip()
    ask(tab, "Tell me of houses.")
    tab.wait_for_selector("article:nth-of-type(4)")
    wait(tab)
    turns = [("user", "Who is Mara Tolly?"), ("assistant", first), ("user", "Tell me of houses.")]
    second = said(base, [{"role": role, "content": text} for role, text in turns])
    assert tab.locator("article").all_inner_texts()[3].split("https://")[0].strip() == second.strip()
    assert tab.input_value("#question") == ""
    tab.click("#anew")
    assert tab.locator("article").count() == 0
    assert not tab.complaints


def test_what_is_said_is_text(tab, base):
    tab.goto(base)
    ask(tab, "<img src=x onerror=alert(1)> <b>bold</b>")
    wait(tab)
    assert tab.inner_text("article.user") == "<img src=x onerror=alert(1)> <b>bold</b>"
    assert tab.locator("article *:not(.page)").count() == 0
    assert not tab.complaints


def test_what_the_server_refuses_is_told_and_can_be_asked_anew(tab, base):
    tab.goto(base)
    ask(tab, "word " * 4000)
    error = tab.wait_for_selector("article.error")
    assert "token" in error.inner_text()
    wait(tab)
    ask(tab, "Tell me of houses.")
    tab.wait_for_selector("article.assistant")
    wait(tab)
    assert tab.locator("article.error").count() == 1


@pytest.fixture(scope="module")
def locked(chat):
    with serving(create_app(chat, keys=Keys(fixed=(Key.of(KEY, "test"),)))) as address:
        yield address


def test_a_key_is_asked_for_and_kept(tab, locked):
    tab.goto(locked)
    for key in ("not the key at all", KEY):
        tab.wait_for_selector("#key-wanted[open]")
        tab.fill("#key", key)
        with tab.expect_response("**/v1/models") as answered:
            tab.click("#key-wanted button")
        assert answered.value.status == (200 if key == KEY else 401)
    expect(tab).to_have_title("isle")
    ask(tab, "Tell me of houses.")
    tab.wait_for_selector("article.assistant")
    wait(tab)
    assert tab.locator("article.error").count() == 0
