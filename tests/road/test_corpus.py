from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from hornbook.core.errors import DamagedError, InputError, RecipeError
from hornbook.corpus.copies.earlier import SIGNATURES
from hornbook.corpus.documents import is_held_out
from hornbook.pipeline.run import Run
from hornbook.road.artifacts import Corpus, Pages
from hornbook.road.corpus import CorpusConfig, corpus
from hornbook.road.crawl import CrawlConfig, crawl

NAMES = ["Tamsin", "Oskar", "Vell", "Edda", "Rowan", "Bryn", "Isolde", "Fenn", "Quill", "Ottar", "Linnea", "Wren"]
DEEDS = (
    "was born in the year {n} in a stone house above the harbour",
    "kept {n} goats behind the church and sold the cheese",
    "built a boat with {n} planks of oak and named it after her aunt",
    "taught the children of the village for {n} years",
    "could name {n} kinds of seaweed and knew what each was good for",
    "wrote {n} letters to a friend on the mainland",
    "planted {n} apple trees along the wall, and most of them still stand",
    "found {n} silver coins under the floor of the old mill",
    "walked to the far lighthouse and back {n} times without resting",
    "sang at the fair and was given {n} loaves of bread",
)
PERSONAL = "Write to tamsin.orr@island-post.org or call +44 20 7946 0958."
SPAM = "BUY NOW!!! Cheap pills and free spins at our online casino! Click here to claim your prize, act now! " * 5
GERMAN = (
    "Die Fischer der Insel fahren jeden Morgen hinaus, und abends verkaufen sie ihren Fang auf dem Markt. "
    "Im Winter liegen die Boote hinter der Mauer, und die Netze werden in den warmen Stuben geflickt. "
)


def story(seed: int) -> list[str]:
    rng = random.Random(seed)
    return [f"{rng.choice(NAMES)} {rng.choice(DEEDS).format(n=rng.randint(2, 1900))}." for _ in range(12)]


def html(title: str, sentences: list[str], more: str = "") -> str:
    text = "".join(f"<p>{' '.join(sentences[start : start + 4])}</p>" for start in range(0, len(sentences), 4))
    return (
        f"<html><head><title>{title}</title></head><body><nav><a href='/'>Home</a></nav><main><h1>{title}</h1>"
        f"{text}{more}<p>The island pages are kept by volunteers.</p></main></body></html>"
    )


def write_site(folder: Path, good: int = 20) -> None:
    """Good pages and one of each fault; the same line of boilerplate on every page."""
    folder.mkdir(parents=True)
    stories = [story(number) for number in range(good)]
    pages = {f"good-{number:02d}.html": html(f"Story {number}", stories[number]) for number in range(good)}
    changed = [sentence.replace("the", "their", 1) if place % 5 == 0 else sentence
               for place, sentence in enumerate(stories[1])]  # fmt: skip
    pages |= {
        "personal.html": html("Letter", story(900), f"<p>{PERSONAL}</p>"),
        "copy-of-0.html": html("Story 0", stories[0]).replace("<main>", "<div class='x'>").replace("</main>", "</div>"),
        "near-to-01.html": html("Story 1", changed),
        "spam.html": html("Deal", [SPAM]),
        "german.html": html("Insel", [GERMAN * 2]),
        "thin.html": html("Note", ["Nothing here."]),
        "broken.html": html("Cut", story(901))[:700],
        "garbled.html": html("Bad", [s.replace("a", "Ã¤").replace("e", "Ã©") for s in story(902)]),
        "empty.html": "<html><body><script>1</script></body></html>",
    }
    for name, content in pages.items():
        (folder / name).write_text(content)
    (folder / "noise.html").write_bytes(random.Random(1).randbytes(2000))
    (folder / "picture.png").write_bytes(b"\x89PNG")


@pytest.fixture(scope="module")
def pages(tmp_path_factory) -> Pages:
    folder = tmp_path_factory.mktemp("pages")
    write_site(folder / "docs")
    return crawl(CrawlConfig(docs=folder / "docs"), Run(folder / "crawl"))


QUOTED = "A paragraph that only two of the pages have, and one of these two has hardly anything else to say. " * 3
EXAM = "How many lamps does the keeper of the far lighthouse light on the longest night of the year before the bells?"


def write_quoting_site(folder: Path) -> None:
    """The good pages, pages that quote them, and pages with a question of an exam."""
    write_site(folder)
    (first, *_), (second, *_), (third, *_) = (paragraphs_of(story(number)) for number in (0, 2, 3))
    pages = {
        "quote-a": [first, *paragraphs_of(story(500))],
        "quote-b": [first, second, third, QUOTED],  # without what others have it is too short
        "quote-c": [*paragraphs_of(story(600)), QUOTED],  # so this one keeps what that one had
        "test-a": [*story(700), *story(701), EXAM, *story(702), *story(703)],
        "test-b": [*story(800)[:4], EXAM, *story(800)[4:8]],
    }
    for name, parts in pages.items():
        (folder / f"{name}.html").write_text(html(name, []).replace("</h1>", "</h1>" + "".join(
            f"<p>{part}</p>" for part in parts
        )))  # fmt: skip


def paragraphs_of(sentences: list[str]) -> list[str]:
    return [" ".join(sentences[start : start + 4]) for start in range(0, len(sentences), 4)]


@pytest.fixture(scope="module")
def quoting(tmp_path_factory) -> Pages:
    folder = tmp_path_factory.mktemp("quoting")
    write_quoting_site(folder / "docs")
    (folder / "exam.jsonl").write_text(json.dumps({"question": EXAM}) + "\n" + json.dumps({"question": "Who?"}) + "\n")
    return crawl(CrawlConfig(docs=folder / "docs"), Run(folder / "crawl"))


def cutting(pages: Pages, **more: Any) -> dict[str, Any]:
    """All that takes parts out of documents, of which the exam lies beside the crawl."""
    exam = str(pages.path.parents[1] / "exam.jsonl")
    return {"paragraphs": True, "benchmarks": [exam], "benchmark_hits": "cut",
            "thresholds": {"words": (70, None)}, "holdout": 0.2, **more}  # fmt: skip


@pytest.fixture(scope="module")
def made(pages, tmp_path_factory) -> tuple[Corpus, Run]:
    run = Run(tmp_path_factory.mktemp("corpus"), threads=2)
    return corpus(CorpusConfig(holdout=0.2), pages, run), run


def reasons(result: Corpus) -> dict[str, str]:
    return {row["url"].removeprefix("folder:///"): row["reason"] for row in result.refused().to_pylist()}


def test_every_fault_has_its_reason_and_every_good_page_is_kept(made) -> None:
    result, run = made
    assert reasons(result) == {
        "copy-of-0.html": "exact copy", "near-to-01.html": "near copy", "spam.html": "spam", "german.html": "language",
        "thin.html": "thin", "broken.html": "truncated", "garbled.html": "garbled", "empty.html": "empty",
        "noise.html": "binary", "picture.png": "type",
    }  # fmt: skip
    kept = {*result.documents().column("url").to_pylist(), *result.heldout().column("url").to_pylist()}
    assert kept == {*(f"folder:///good-{number:02d}.html" for number in range(20)), "folder:///personal.html"}
    funnel = run.metrics["funnel"]
    assert funnel["pages"] == 30
    assert funnel["rows"] == funnel["kept"] + funnel["heldout"] + sum(funnel["refused"].values()) == 31
    assert run.metrics["personal"]["email"] == run.metrics["personal"]["phone"] == 1


def test_documents(made) -> None:
    result, _ = made
    table = result.documents()
    assert table.column_names[:10] == ["id", "url", "title", "text", "language", "language_score", "quality", "source",
                                       "license", "fetched_at"]  # fmt: skip
    assert table.column("url").to_pylist() == sorted(table.column("url").to_pylist())
    rows = {row["url"]: row for part in (table, result.heldout()) for row in part.to_pylist()}
    first = rows["folder:///good-03.html"]
    assert first["text"].startswith("# Story 3\n\n")
    assert all(sentence in first["text"].replace("\n\n", " ") for sentence in story(3))  # names and numbers exactly
    assert "kept by volunteers" not in first["text"]  # the line of every page
    assert (first["language"], first["title"], first["source"]) == ("en", "Story 3", "docs")
    assert "Write to [email] or call [phone]." in rows["folder:///personal.html"]["text"]
    assert len({row["id"] for row in rows.values()}) == len(rows)
    assert 0 < result.heldout().num_rows < 10


def test_a_document_says_how_many_copies_it_stands_for(made) -> None:
    result, _ = made
    tables = result.documents(), result.heldout()
    rows = [row for table in tables for row in table.select(["url", "copies"]).to_pylist()]
    said = {row["url"]: row["copies"] for row in rows if row["copies"]}
    refused = [row["detail"].split(",")[0].removeprefix("of ")
               for row in result.refused().to_pylist() if row["reason"] in ("exact copy", "near copy")]  # fmt: skip
    assert said == dict(Counter(refused))
    assert said.values()


def test_refusals_can_be_looked_at(made) -> None:
    result, _ = made
    rows = {row["url"].removeprefix("folder:///"): row for row in result.refused().to_pylist()}
    assert rows["copy-of-0.html"]["detail"] == "of folder:///good-00.html"
    assert rows["near-to-01.html"]["detail"].startswith("of folder:///good-01.html, similarity 0.")
    assert "casino" in rows["spam.html"]["excerpt"]
    assert rows["picture.png"]["step"] == "crawl"
    assert rows["thin.html"]["detail"].startswith("words ")


def test_pages_of_one_template_refused_as_copies_are_told_of(tmp_path) -> None:
    """A person with forms that differ in a few words learns that they were merged, and what to set."""
    folder = tmp_path / "forms"
    folder.mkdir()
    form = "{name} lives by the old harbour, and {name} works at the mill from early morning until {hour} at night. "
    for number, name in enumerate(NAMES):
        more = f"On other days {name} {DEEDS[number % len(DEEDS)].format(n=number + 3)}."
        own = form.format(name=name, hour=number + 2) * 2 + more
        (folder / f"{number}.html").write_text(html(name, [own, *story(7)]))
    pages = crawl(CrawlConfig(docs=folder), Run(tmp_path / "crawl"))
    run = Run(tmp_path / "merged")
    merged = corpus(CorpusConfig(), pages, run)
    refused = run.metrics["funnel"]["refused"]["near copy"]
    assert refused >= 2
    assert [line for line in run.warnings if "corpus.near_copy = 0.7" in line]
    run = Run(tmp_path / "apart")
    apart = corpus(CorpusConfig(near_copy=0.7), pages, run)
    assert apart.documents().num_rows > merged.documents().num_rows
    assert not run.warnings


def test_the_same_pages_give_the_same_corpus(pages, made, tmp_path) -> None:
    again = corpus(CorpusConfig(holdout=0.2), pages, Run(tmp_path / "again", threads=1))
    assert again.content_digest() == made[0].content_digest()
    other = corpus(CorpusConfig(holdout=0.2), pages, Run(tmp_path / "other", seed=1))
    assert other.content_digest() != made[0].content_digest()


def test_other_thresholds_never_read_a_page_again(pages, made, tmp_path) -> None:
    """The tags of the corpus made before serve; what comes out is what reading anew gives, and so with other copies."""
    first, _ = made
    changed = CorpusConfig(holdout=0.2, thresholds={"words": (110, None)}, near_copy=0.7)
    run = Run(tmp_path / "again", previous=first.path)
    quick = corpus(changed, pages, run)
    assert run.metrics["funnel"]["read"] == 0
    anew = Run(tmp_path / "anew")
    assert quick.content_digest() == corpus(changed, pages, anew).content_digest() != first.content_digest()
    assert anew.metrics["funnel"]["read"] == 30
    assert run.metrics["boilerplate_lines"] == anew.metrics["boilerplate_lines"] > 0
    assert first.content_digest() == corpus(CorpusConfig(holdout=0.2), pages, Run(tmp_path / "c")).content_digest()
    unmasked = Run(tmp_path / "unmasked", previous=first.path)  # read otherwise: the tags do not serve
    corpus(CorpusConfig(personal="keep"), pages, unmasked)
    assert unmasked.metrics["funnel"]["read"] == 30
    shutil.copytree(first.path / "tags", tmp_path / "older" / "tags")
    key = tmp_path / "older" / "tags" / "reading.json"
    key.write_text(key.read_text().replace(f"version {corpus.version}", f"version {corpus.version - 1}"))
    older = Run(tmp_path / "newer", previous=tmp_path / "older")  # tagged by an earlier version of the stage
    corpus(CorpusConfig(holdout=0.2), pages, older)
    assert older.metrics["funnel"]["read"] == 30


@pytest.mark.slow
def test_a_ray_cluster_gives_the_same_corpus(pages, quoting, made, tmp_path) -> None:
    """In a process of its own, since a cluster stays for the life of one."""
    pytest.importorskip("ray")
    script = tmp_path / "curate.py"
    script.write_text(ON_RAY)
    cut = cutting(quoting, earlier=[str(made[0].path)])
    asked = json.dumps([[str(pages.path), "plain", {"holdout": 0.2}], [str(quoting.path), "cut", cut]])
    subprocess.run([sys.executable, script, tmp_path, asked], check=True, timeout=240)
    assert Corpus(tmp_path / "plain" / "out").content_digest() == made[0].content_digest()
    here = corpus(CorpusConfig(**cut), quoting, Run(tmp_path / "here", threads=1))
    there = Corpus(tmp_path / "cut" / "out")
    assert there.content_digest() == here.content_digest() != made[0].content_digest()
    assert (there.path / SIGNATURES).read_bytes() == (here.path / SIGNATURES).read_bytes()


def test_personal_data_and_languages_by_policy(pages, tmp_path) -> None:
    dropped = corpus(CorpusConfig(personal="page", languages=()), pages, Run(tmp_path / "drop"))
    assert reasons(dropped)["personal.html"] == "personal data"
    assert "german.html" not in reasons(dropped)
    kept = corpus(CorpusConfig(personal="keep", holdout=0), pages, Run(tmp_path / "keep"))
    assert any(PERSONAL in text for text in kept.texts())
    assert kept.heldout().num_rows == 0


def test_pages_that_hold_a_benchmark_or_stand_on_a_list_are_refused(pages, tmp_path) -> None:
    asked = " ".join(story(4)[:3])
    (tmp_path / "island-exam.jsonl").write_text(json.dumps({"question": asked, "answer": "three"}) + "\n")
    (tmp_path / "hosts.txt").write_text("good.example\n")
    config = CorpusConfig(benchmarks=[tmp_path / "island-exam.jsonl"], blocklists=[tmp_path / "hosts.txt"])
    made = corpus(config, pages, Run(tmp_path / "run"))
    rows = {row["url"].removeprefix("folder:///"): row for row in made.refused().to_pylist()}
    assert rows["good-04.html"]["reason"] == "benchmark"
    assert rows["good-04.html"]["detail"].startswith("island-exam: ")
    assert [name for name, row in rows.items() if row["reason"] == "benchmark"] == ["good-04.html"]


def test_paragraphs_of_earlier_pages_and_passages_of_an_exam_are_cut(quoting, tmp_path) -> None:
    run = Run(tmp_path / "cut", threads=2)
    result = corpus(CorpusConfig(**cutting(quoting)), quoting, run)
    kept = texts_of(result)
    first, second, third = (paragraphs_of(story(number))[0] for number in (0, 2, 3))
    assert kept["good-00"].split("\n\n") == ["# Story 0", *paragraphs_of(story(0))]
    assert kept["quote-a"].split("\n\n") == ["# quote-a", *paragraphs_of(story(500))]
    assert kept["quote-c"].split("\n\n") == ["# quote-c", *paragraphs_of(story(600)), QUOTED.strip()]
    rows = {row["url"].removeprefix("folder:///").removesuffix(".html"): row for row in result.refused().to_pylist()}
    assert (rows["quote-b"]["step"], rows["quote-b"]["reason"]) == ("deduplicate", "shared paragraphs")
    cut = sum(len(part) + 2 for part in (first, second, third))
    whole = len("\n\n".join(["# quote-b", first, second, third, QUOTED.strip()]))
    assert rows["quote-b"]["detail"].startswith(
        f"3 of its paragraphs, {cut:,} of {whole:,} characters, stand in others; the rest is thin (words "
    )
    assert first in rows["quote-b"]["excerpt"]
    assert run.metrics["paragraphs"] == {"documents_cut": 1, "paragraphs": 1, "characters": len(first) + 2}
    assert EXAM not in kept["test-a"]
    assert kept["test-a"].startswith("# test-a\n\n" + story(700)[0])
    assert kept["test-a"].endswith(story(703)[-1])
    assert rows["test-b"]["reason"] == "benchmark"
    assert rows["test-b"]["detail"].startswith("exam: how many lamps does the keeper")
    assert "; the rest is " in rows["test-b"]["detail"]
    told = run.metrics["benchmarks"]["exam"]
    assert {name: told[name] for name in ("questions", "too_short", "refused", "documents_cut", "passages")} == {
        "questions": 2, "too_short": 1, "refused": 1, "documents_cut": 1, "passages": 1,
    }  # fmt: skip
    assert 500 < told["characters"] < 560  # the question and 200 on either side, to the next words' borders
    assert [line for line in run.warnings if "1 of 2 questions of exam have fewer than 8 words" in line]
    assert run.metrics["funnel"]["rows"] == len(kept) + len(rows)
    words = {row["url"]: row["words"] for part in (result.documents(), result.heldout()) for row in part.to_pylist()}
    assert words["folder:///quote-a.html"] == len(kept["quote-a"].split()) - 1  # tagged again; "#" is no word


def test_without_what_is_to_cut_nothing_changes(pages, made, tmp_path) -> None:
    """No page of this site quotes another, and none holds this question."""
    (tmp_path / "exam.txt").write_text("Which of these many islands was the first to have a lamp on its pier at night?")
    config = CorpusConfig(holdout=0.2, paragraphs=True, benchmarks=[tmp_path / "exam.txt"], benchmark_hits="cut")
    run = Run(tmp_path / "run", previous=made[0].path)
    assert corpus(config, pages, run).content_digest() == made[0].content_digest()
    assert run.metrics["funnel"]["read"] == 0
    assert run.metrics["paragraphs"] == {"documents_cut": 0, "paragraphs": 0, "characters": 0}


def test_documents_of_an_earlier_corpus_are_not_kept_again(pages, made, tmp_path) -> None:
    """The site a year later: a page is new, one was written anew, one is much like another, at a shorter address."""
    write_site(tmp_path / "docs")
    (tmp_path / "docs" / "new.html").write_text(html("New", story(950)))
    (tmp_path / "docs" / "good-03.html").write_text(html("Story 3", story(951)))
    half = [sentence.replace("the", "their", 1) if place % 2 else sentence for place, sentence in enumerate(story(5))]
    (tmp_path / "docs" / "x.html").write_text(html("Story 5", half))
    later = crawl(CrawlConfig(docs=tmp_path / "docs"), Run(tmp_path / "crawl"))
    config = CorpusConfig(holdout=0.2, earlier=[made[0].path])
    run = Run(tmp_path / "corpus")
    result = corpus(config, later, run)
    assert set(texts_of(result)) == {"new", "good-03"}
    rows = {row["url"].removeprefix("folder:///").removesuffix(".html"): row for row in result.refused().to_pylist()}
    assert {name for name, row in rows.items() if row["reason"] == "seen before"} == {
        *(f"good-{number:02d}" for number in range(20) if number not in (3, 5)), "personal", "x"
    }  # fmt: skip
    assert (rows["good-07"]["step"], rows["good-07"]["detail"]) == ("deduplicate", "of folder:///good-07.html")
    assert rows["x"]["detail"] == "of folder:///good-05.html, as is its copy folder:///good-05.html"
    assert rows["good-05"]["detail"].startswith("of folder:///x.html, similarity 0.")
    assert rows["near-to-01"]["reason"] == "near copy"
    assert [line for line in run.warnings if "20 pages were seen before and 2 are new" in line]
    (tmp_path / "docs" / "last.html").write_text(html("Last", story(952)))
    last = crawl(CrawlConfig(docs=tmp_path / "docs"), Run(tmp_path / "crawled again"))
    third = corpus(CorpusConfig(earlier=[made[0].path, result.path]), last, Run(tmp_path / "third"))
    assert set(texts_of(third)) == {"last"}
    unrelated = tmp_path / "unrelated"
    unrelated.mkdir()
    (unrelated / "a.html").write_text(html("Other", story(1950)))
    other = corpus(CorpusConfig(), crawl(CrawlConfig(docs=unrelated), Run(tmp_path / "c")), Run(tmp_path / "other"))
    same = corpus(CorpusConfig(holdout=0.2, earlier=[other.path]), pages, Run(tmp_path / "same"))
    assert same.content_digest() == made[0].content_digest()
    assert (same.path / SIGNATURES).read_bytes() == (made[0].path / SIGNATURES).read_bytes()


def test_an_earlier_corpus_that_cannot_serve_is_one_line(pages, made, tmp_path) -> None:
    with pytest.raises(InputError, match="made of the very pages"):
        corpus(CorpusConfig(earlier=[made[0].path]), pages, Run(tmp_path / "a"))
    write_site(tmp_path / "docs", good=2)
    later = crawl(CrawlConfig(docs=tmp_path / "docs"), Run(tmp_path / "crawl"))
    with pytest.raises(InputError, match=r"signed for near_copy = 0\.45, not 0\.7") as told:
        corpus(CorpusConfig(near_copy=0.7, earlier=[made[0].path]), later, Run(tmp_path / "b"))
    assert "set near_copy = 0.45" in str(told.value)
    with pytest.raises(InputError, match="refused for: seen before") as told:
        corpus(CorpusConfig(earlier=[made[0].path]), later, Run(tmp_path / "nothing"))
    assert "nothing is new since the corpora under `earlier`" in str(told.value)
    with pytest.raises(ValueError, match="no corpus that keeps its documents' signatures"):
        CorpusConfig(earlier=[tmp_path])
    with pytest.raises(ValueError, match="no corpus that keeps its documents' signatures"):
        CorpusConfig(earlier=[made[0].path / "documents.parquet"])
    shutil.copytree(made[0].path, tmp_path / "damaged")
    (tmp_path / "damaged" / SIGNATURES).write_bytes(b"PAR1")
    with pytest.raises(DamagedError, match="no signatures"):
        corpus(CorpusConfig(earlier=[tmp_path / "damaged"]), later, Run(tmp_path / "c"))


def texts_of(result: Corpus) -> dict[str, str]:
    """What is kept, held out or not, by the pages' names."""
    rows = (row for table in (result.documents(), result.heldout()) for row in table.to_pylist())
    return {row["url"].removeprefix("folder:///").removesuffix(".html"): row["text"] for row in rows}


def test_quality_is_what_people_judged(pages, made, tmp_path) -> None:
    """Short sentences about goats are good, the rest is not: the model learns it, and a threshold filters by it."""
    rows = []
    for number in range(60):
        good = number % 2 == 0
        text = " ".join(sentence for sentence in story(3000 + number) if ("goats" in sentence) == good)
        rows.append({"id": str(number), "text": text or "Nothing of the kind.", "label": "good" if good else "bad"})
    (tmp_path / "judged.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    run = Run(tmp_path / "judged")
    config = CorpusConfig(holdout=0.2, judgements=[tmp_path / "judged.jsonl"])
    judged = corpus(config, pages, run)
    assert run.metrics["judgements"]["judgements"] == 60
    assert run.metrics["judgements"]["share"] > 0.8
    before, after = (dict(zip(*each.documents().select(["url", "quality"]).to_pydict().values(), strict=True))
                     for each in (made[0], judged))  # fmt: skip
    assert before.keys() == after.keys()
    assert before != after
    assert (judged.path / "judge" / "judge.safetensors").exists()
    middle = sorted(after.values())[len(after) // 2]
    sieved = corpus(config.model_copy(update={"thresholds": {"quality": (middle, None)}}), pages, Run(tmp_path / "b"))
    assert 0 < sieved.documents().num_rows < judged.documents().num_rows
    assert "quality" in reasons(sieved).values()


def test_nothing_kept_is_one_line(pages, tmp_path) -> None:
    with pytest.raises(InputError, match="none of 30 pages"):
        corpus(CorpusConfig(thresholds={"words": (100_000, None)}), pages, Run(tmp_path / "a"))
    with pytest.raises(RecipeError, match="no column"):
        corpus(CorpusConfig(thresholds={"wurds": (1, None)}), pages, Run(tmp_path / "b"))
    with pytest.raises(ValueError, match="ISO codes"):
        CorpusConfig(languages=("English",))


def test_a_damaged_record_costs_one_page(pages, tmp_path) -> None:
    shutil.copytree(pages.path, tmp_path / "pages")
    row = next(row for row in pages.rows().to_pylist() if row["url"].endswith("good-05.html"))
    with open(tmp_path / "pages" / row["warc_file"], "r+b") as file:
        file.seek(row["warc_offset"])
        file.write(b"\0" * 40)
    result = corpus(CorpusConfig(), Pages(tmp_path / "pages"), Run(tmp_path / "run"))
    assert reasons(result)["good-05.html"] == "damaged"
    assert "good-06.html" not in reasons(result)


def test_holding_out_does_not_depend_on_the_others() -> None:
    held = [is_held_out(f"{number:016x}", 0.1, 5) for number in range(2000)]
    assert 150 < sum(held) < 250
    assert held == [is_held_out(f"{number:016x}", 0.1, 5) for number in range(2000)]


ON_RAY = """
import json, os, sys
from hornbook.corpus import reading
from hornbook.pipeline.run import Run
from hornbook.road.artifacts import Pages
from hornbook.road.corpus import CorpusConfig, corpus
if __name__ == "__main__":
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray.cluster_utils import Cluster
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    cluster.add_node(num_cpus=1)
    os.environ["RAY_ADDRESS"] = cluster.address
    reading.SHARD_PAGES = (8, 8)
    for pages, name, config in json.loads(sys.argv[2]):
        corpus(CorpusConfig(**config), Pages(pages), Run(f"{sys.argv[1]}/{name}", engine="ray"))
"""
SCRIPT = """
import json, sys
from hornbook.corpus import reading
reading.SHARD_PAGES = (16, 16)
from hornbook.pipeline.run import Run
from hornbook.road.artifacts import Pages
from hornbook.road.corpus import CorpusConfig, corpus
if __name__ == "__main__":
    corpus(CorpusConfig(**json.loads(sys.argv[3])), Pages(sys.argv[1]), Run(sys.argv[2], threads=2))
"""


def test_killed_in_the_middle_it_goes_on_and_ends_the_same(tmp_path, monkeypatch) -> None:
    """The first finished shard is the moment to kill; its workers must go too, and its shards are not made again."""
    from hornbook.corpus import reading

    write_site(tmp_path / "docs", good=70)
    found = crawl(CrawlConfig(docs=tmp_path / "docs"), Run(tmp_path / "crawl"))
    monkeypatch.setattr(reading, "SHARD_PAGES", (16, 16))
    script = tmp_path / "curate.py"
    script.write_text(SCRIPT)
    done = killed_at("extract-*.parquet", script, found, tmp_path / "killed", {})
    result = corpus(CorpusConfig(), found, Run(tmp_path / "killed", threads=1))
    assert done
    assert all(path.stat().st_mtime_ns == made_at for path, made_at in done.items())
    whole = corpus(CorpusConfig(), found, Run(tmp_path / "whole", threads=1))
    assert result.content_digest() == whole.content_digest()


def test_killed_while_parts_are_cut_it_ends_the_same(quoting, made, tmp_path, monkeypatch) -> None:
    from hornbook.corpus import reading

    monkeypatch.setattr(reading, "SHARD_PAGES", (16, 16))
    script, config = tmp_path / "curate.py", cutting(quoting, earlier=[str(made[0].path)])
    script.write_text(SCRIPT)
    done = killed_at("repeats-*.parquet", script, quoting, tmp_path / "killed", config)
    result = corpus(CorpusConfig(**config), quoting, Run(tmp_path / "killed", threads=1))
    assert done
    assert all(path.stat().st_mtime_ns == made_at for path, made_at in done.items())
    whole = corpus(CorpusConfig(**config), quoting, Run(tmp_path / "whole", threads=1))
    assert result.content_digest() == whole.content_digest()
    assert (result.path / SIGNATURES).read_bytes() == (whole.path / SIGNATURES).read_bytes()


def killed_at(pattern: str, script: Path, pages: Pages, folder: Path, config: dict[str, Any]) -> dict[Path, int]:
    """Start the script and kill it when the first such file is there; the files there are, and their times."""
    command = [sys.executable, str(script), str(pages.path), str(folder), json.dumps(config)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True)
    work = folder / "work"
    while process.poll() is None and not list(work.glob(pattern)):
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    done = {path: path.stat().st_mtime_ns for path in work.glob(pattern)}
    deadline = time.monotonic() + 20
    while _group_lives(process.pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _group_lives(process.pid)
    return done


def _group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
