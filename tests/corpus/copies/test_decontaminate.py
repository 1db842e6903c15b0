from __future__ import annotations

import json
import random

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hornbook.core.errors import DamagedError, InputError
from hornbook.corpus.copies.decontaminate import Benchmarks, without
from hornbook.corpus.copies.folding import words

QUESTION = "A lighthouse keeper has 14 lamps and lights half of them each night; how many burn after three nights?"
SHORT = "Which river flows through the town of Railkwick?"


def prose(rng: random.Random, count: int) -> str:
    return " ".join(f"word{rng.randrange(500)}" for _ in range(count))


@settings(max_examples=100)
@given(st.lists(st.lists(st.sampled_from("ab"), max_size=25).map(" ".join), min_size=1, max_size=4),
       st.lists(st.lists(st.sampled_from("ab"), max_size=60).map(" ".join), max_size=4))  # fmt: skip
def test_overlaps_are_those_of_the_sets(benchmark: list[str], texts: list[str]) -> None:
    grams = set()
    for text in benchmark:
        own = words(text)
        if len(own) >= 8:
            size = min(len(own), 13)
            grams |= {tuple(own[start : start + size]) for start in range(len(own) - size + 1)}
    for text, overlap in zip(texts, Benchmarks({"b": [[text] for text in benchmark]}).overlaps(texts), strict=True):
        own = words(text)
        hits = {start for start in range(len(own)) for gram in grams if tuple(own[start : start + len(gram)]) == gram}
        assert (overlap is not None) == bool(hits)
        if overlap is not None:
            assert tuple(overlap.ngram.split()) in grams
            inside = " ".join(text[begin:end] for begin, end in overlap.passages)
            assert all(word in inside for word in overlap.ngram.split())
            assert overlap.passages[0][0] == 2 * min(hits)


def test_names_the_benchmark_and_what_is_shared() -> None:
    rng = random.Random(0)
    benchmarks = Benchmarks({"lamps": [[QUESTION, "A."], ["Too short."], []], "rivers": [[SHORT]]})
    assert benchmarks.questions == {"lamps": 3, "rivers": 1}
    assert benchmarks.too_short == {"lamps": 2, "rivers": 0}
    clean, lamp, river = prose(rng, 300), prose(rng, 200), prose(rng, 50)
    leaked = f"{lamp} “A LIGHTHOUSE-KEEPER has 14 lamps, and lights half of them, each night… how many {lamp}"
    found = benchmarks.overlaps([clean, leaked, f"{river}\n{SHORT} It is the Shotock.", "", SHORT[:20]])
    assert [overlap and overlap.benchmark for overlap in found] == [None, "lamps", "rivers", None, None]
    assert found[1] is not None
    assert found[1].ngram == "a lighthouse keeper has 14 lamps and lights half of them each night"
    (begin, end), = found[1].passages
    assert leaked[begin:end].startswith("“A LIGHTHOUSE")
    assert leaked[begin:end].endswith("how many")


def test_the_passage_is_cut_with_what_stands_beside_it() -> None:
    rng = random.Random(1)
    before, after = prose(rng, 200), prose(rng, 200)
    text = f"{before} {QUESTION} {after}"
    benchmarks = Benchmarks({"lamps": [[QUESTION]]})
    (overlap,) = benchmarks.overlaps([text])
    assert overlap is not None
    left = without(text, overlap)
    assert benchmarks.overlaps([left]) == [None]
    pieces = left.split("\n\n")
    assert before.startswith(pieces[0])
    assert after.endswith(pieces[1])
    assert 200 <= len(before) - len(pieces[0]) < 215
    (overlap,) = benchmarks.overlaps([QUESTION])
    assert overlap is not None
    assert without(QUESTION, overlap) == ""
    sheet = " ".join(f"{prose(rng, 120)} {QUESTION}" for _ in range(12))
    (overlap,) = benchmarks.overlaps([sheet])
    assert overlap is not None
    assert len(overlap.passages) == 12
    assert without(sheet, overlap) == ""


def test_benchmarks_are_read_from_files(tmp_path) -> None:
    (tmp_path / "lines.jsonl").write_text(json.dumps({"id": 3, "ask": {"text": QUESTION, "choices": ["a", SHORT]}}))
    pyarrow.parquet.write_table(pyarrow.table({"q": [QUESTION], "n": [1], "l": [[SHORT]]}), tmp_path / "table.parquet")
    (tmp_path / "plain.txt").write_text(f"{QUESTION}\n\n{SHORT}\n")
    for name in ("lines.jsonl", "table.parquet", "plain.txt"):
        benchmarks = Benchmarks.read([tmp_path / name])
        found = benchmarks.overlaps([QUESTION, SHORT])
        assert [overlap and overlap.benchmark for overlap in found] == [name.split(".")[0]] * 2
    with pytest.raises(InputError, match="not a benchmark's texts"):
        Benchmarks.read([tmp_path / "x.pdf"])


def test_exams_as_people_publish_them(tmp_path) -> None:
    """GSM8K's lines, MMLU's Parquet and its older CSV without a head, a folder of it; a name that two files share."""
    asked = "Natalia sold clips to 48 of her friends in April, and then half as many in May. How many were that?"
    for name in ("gsm8k", "math"):
        (tmp_path / name).mkdir()
    row = {"question": asked, "answer": "She sold 48/2 = <<48/2=24>>24 clips in May.\n#### 72"}
    (tmp_path / "gsm8k" / "test.jsonl").write_text(json.dumps(row) + "\n")
    (tmp_path / "math" / "test.jsonl").write_text(json.dumps({"problem": SHORT, "level": "Level 3"}) + "\n")
    rows = [{"question": QUESTION, "subject": "anatomy", "choices": ["1", "2", "4", "8"], "answer": 2},
            {"question": "Which is true?", "subject": "anatomy", "choices": ["a", "b", "c", "d"], "answer": 0}]
    (tmp_path / "mmlu" / "all").mkdir(parents=True)
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "mmlu" / "all" / "test.parquet")
    (tmp_path / "mmlu" / "README.md").write_text(f"A card that shows one: {SHORT}")
    (tmp_path / "anatomy_test.csv").write_text(f'"{QUESTION}",1,2,4,8,C\nWhich is true?,a,b,c,d,A\n')
    paths = ["gsm8k/test.jsonl", "math/test.jsonl", "mmlu", "anatomy_test.csv"]
    benchmarks = Benchmarks.read(tmp_path / path for path in paths)
    assert benchmarks.questions == {"gsm8k/test": 1, "math/test": 1, "mmlu": 2, "anatomy_test": 2}
    assert benchmarks.too_short == {"gsm8k/test": 0, "math/test": 0, "mmlu": 1, "anatomy_test": 1}
    found = benchmarks.overlaps([asked, SHORT, QUESTION, row["answer"]])
    assert [each and each.benchmark for each in found] == ["gsm8k/test", "math/test", "mmlu", "gsm8k/test"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no benchmark's texts in this folder"):
        Benchmarks.read([tmp_path / "empty"])
    (tmp_path / "broken.parquet").write_bytes(b"PAR1")
    with pytest.raises(DamagedError, match="not readable"):
        Benchmarks.read([tmp_path / "broken.parquet"])
