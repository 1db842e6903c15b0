"""One file that fetches nothing, shows every section, escapes everything; and no section falls over what is missing."""

from __future__ import annotations

import html
import json
import re
from html.parser import HTMLParser

import pytest

from hornbook.report.charts import POINTS, thinned
from hornbook.report.page import write_report
from hornbook.report.reading import Reading
from hornbook.report.sections import cut, end_of, sections, shown
from tests.browser import browser, tab
from tests.report.conftest import NASTY

__all__ = ["browser", "tab"]


class Page(HTMLParser):
    """The tags, what they fetch, and the visible text."""

    def __init__(self, text: str):
        super().__init__()
        self.fetched, self.tags, self.scripts, self.text, self._within = [], [], [], "", ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self._within = tag
        self.fetched += [value for name, value in attrs if name in ("src", "href", "srcset", "data", "action")]
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, data):
        if self._within == "script":
            self.scripts[-1] += data
        elif self._within != "style":
            self.text += data

    def handle_endtag(self, tag):
        self._within = ""


@pytest.fixture
def page(whole_run) -> Page:
    path = write_report(whole_run.folder, {"demo_minutes": 9.4})
    assert path == whole_run.folder / "report.html"
    return Page(path.read_text("utf-8"))


def test_it_is_self_contained_whole_and_escaped(page, whole_run):
    # It fetches nothing: every reference is to a place on the page itself.
    assert all(value.startswith("#") for value in page.fetched)
    assert not re.search(r"@import|url\(", (whole_run.folder / "report.html").read_text("utf-8").split("</style>")[0])
    assert "link" not in page.tags
    assert "img" not in page.tags
    # What came from the run is text, not markup: two scripts are ours, and no bold stands on the page but ours.
    assert len(page.scripts) == 2
    assert NASTY in page.text
    assert page.tags.count("b") == 3
    # Every section shows what it should.
    for wanted in ("The road", "robots", "too large", "What the model said on the way", "3.71", "accepted:",
                   "simulated", "9 comparisons: 0 ranked by people", "900 page", "nobody counted", "97.0 %",
                   "early and late", "43.2 %", "all others"):
        assert wanted in page.text, wanted
    assert page.text.count("✓") > 20
    # Charts are pictures, and specifications for the script.
    specs = json.loads(re.match(r"const specs = (.*);\n", page.scripts[1])[1])
    assert set(specs) == {"seconds", "funnel", "loss-pretrain", "loss-sft", "loss-reward", "scores", "practice"}
    assert page.tags.count("svg") == 1 + len(specs)


def test_its_charts_live_in_a_browser_without_a_network(whole_run, tab):
    path = write_report(whole_run.folder)
    asked = []
    tab.context.set_offline(True)
    tab.on("request", lambda request: asked.append(request.url))
    tab.goto(path.as_uri())
    tab.wait_for_function("document.querySelectorAll('.vega-embed').length === Object.keys(specs).length")
    assert asked == [path.as_uri()]
    assert not tab.complaints


def test_one_step_is_enough(made_run):
    made_run.step("crawl", pages__parquet=[{"url": "u", "outcome": "refused", "reason": "robots", "detail": None}])
    path = write_report(made_run.folder)
    text = html.unescape(first := path.read_text("utf-8"))
    assert write_report(made_run.folder).read_text("utf-8") == first, "the same run gives the same page"
    assert "The step rl is not done yet." in text
    assert "No model has been examined yet." in text


def test_sections_count_what_there_is(whole_run):
    told = sections(Reading(whole_run.folder))
    (drawn,) = told["refused"]["chart"]["datasets"].values()
    assert {row["fate"]: row["pages"] for row in drawn} == {
        "kept to learn from": 30, "kept, held out": 1, "not fetched: robots": 2, "not fetched: too large": 1,
        f"refused: {NASTY}": 5,
    }  # fmt: skip
    assert told["refused"]["groups"][0]["examples"][0]["text"].endswith("…")
    assert told["refused"]["groups"][0]["bytes"] == 5 * 1200
    assert [flow.after["pages"] for flow in told["refused"]["steps"]] == [36, 36, 31, 31]
    assert told["refused"]["personal"] == {"email": 3}
    page = html.unescape(write_report(whole_run.folder).read_text("utf-8"))
    assert "6.0 kB" in page
    assert "3 email" in page
    assert len(told["answers"]) == 10
    assert [said["model"] for said in told["answers"][0]["said"]] == ["base", "SFT", "RL"]
    sft = next(part for part in told["learning"] if part["step"] == "sft")
    assert sft["samples"] == []


def test_small_things():
    rows = [{"step": i} for i in range(5000)]
    assert len(thinned(rows)) <= POINTS + 1
    assert thinned(rows)[-1] == rows[-1]
    assert thinned(rows[:3]) == rows[:3]
    assert [shown(True, 0.856), shown(False, 1.2345), shown(True, None)] == ["85.6 %", "1.23", "–"]
    assert cut("abcdef", 3) == "abc…"
    assert end_of("abcdef", 3) == "…def"
