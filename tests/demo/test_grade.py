"""The grader, on kept documents whose marks can be worked out by hand."""

from __future__ import annotations

import json

import pyarrow
import pytest

from hornbook.demo.grade import grade


@pytest.fixture
def island(tmp_path):
    truth = {
        "good": ["g1", "g2", "g3", "g4"],
        "faults": {"c1": "exact copy", "n1": "near copy", "n2": "near copy", "s1": "spam", "d1": "disallowed"},
        "copies": {"c1": "g1", "n1": "g2", "n2": "g3"},
        "personal": {"g4": ["ona@sea.zz", "4539 1488 0343 6467"]},
    }
    (tmp_path / "truth").mkdir()
    (tmp_path / "truth" / "faults.json").write_text(json.dumps(truth))
    return tmp_path


def table(texts):
    return pyarrow.table({"url": list(texts), "text": list(texts.values())})


def test_a_perfect_run(island):
    kept = table({"g1": "a", "n1": "a copy in its original's place", "g3": "c", "g4": "write to <email>"})
    marks = grade(island, kept, reasons={"g2": "near duplicate"}, taken=["g1", "s1"])
    assert marks["figures"]["faults_refused"] == {"value": 1.0, "right": 7, "n": 7, "missed": []}
    assert marks["figures"]["good_kept"]["value"] == 1.0
    assert marks["figures"]["wrongly_merged"]["value"] == 0.0


def test_a_bad_run(island):
    kept = table({"c1": "", "g1": "", "n2": "", "g3": "", "s1": "", "g4": "Her card is 4539-1488-0343-6467."})
    marks = grade(island, kept, reasons={"g2": "near duplicate"}, taken=["d1"])
    shares = {kind: row["value"] for kind, row in marks["by_kind"].items()}
    assert shares == {"exact copy": 0, "near copy": 0.5, "spam": 0, "disallowed": 0, "personal data": 0.5}
    assert marks["figures"]["good_kept"] == {"value": 0.75, "right": 3, "n": 4, "missed": ["g2"]}
    assert marks["figures"]["wrongly_merged"] == {"value": 0.25, "right": 1, "n": 4, "missed": ["g2"]}
    assert marks["figures"]["near_copies_found"]["value"] == 0.5
    assert marks["figures"]["faults_refused_worst"]["value"] == 0.0
