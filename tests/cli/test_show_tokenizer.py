"""`hornbook show` of a tokenizer: what it costs, wastes and how it splits, in words and as a picture."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from hornbook.cli.show_tokenizer import draw, lines, survey
from hornbook.core.errors import InputError
from hornbook.tokens.survey import known_encodings, shown
from hornbook.tokens.tokenizer import Tokenizer

ENGLISH = [f"The ferry of Marrow sails at {hour} o'clock." for hour in range(30)]
GERMAN = [f"Die Fähre fährt um {hour} Uhr ab." for hour in range(30)]


@pytest.fixture
def found(tmp_path):
    texts = ENGLISH + GERMAN
    made, other = tmp_path / "run" / "tokenizer" / "x", tmp_path / "other"
    corpus = tmp_path / "run" / "corpus" / "en"
    corpus.mkdir(parents=True)
    Tokenizer.train(ENGLISH, 300, fill=False).save(made)
    Tokenizer.train(texts, 273).save(other)
    table = pa.table({"id": [str(i) for i in range(60)], "text": texts, "language": ["en"] * 30 + ["de"] * 30,
                      "url": ["http://a.example/1"] * 60})
    parquet.write_table(table.slice(20), corpus / "documents.parquet")
    record = SimpleNamespace(inputs={"corpus": SimpleNamespace(artifact="corpus/en")})
    return survey(made, record, [other])


def test_cost_waste_and_splits_are_told(found):
    told = dict(lines(found))
    assert set(found.costs) == {"en", "de", "a.example"}
    [other] = [name for name in found.costs["en"] if name.endswith("/other")]
    assert found.costs["en"]["here"] > found.costs["en"][other]
    assert found.costs["en"]["here"] > found.costs["de"]["here"]
    assert told["en: bytes a token"].startswith(f"{found.costs['en']['here']:.2f}; ")
    assert told["number 1848"] == "1 | 8 | 4 | 8"
    assert told["Greek γλώσσα"].startswith("CE | B3")
    assert "never used in 40 documents" in told
    assert all(found.counts[token] == 0 for token in found.wasted)
    assert "␣ferry" in told["the longest entries"] or "ferry" in told["the longest entries"]


def test_others_encodings_are_told_or_left_out_with_the_reason(found, tmp_path, monkeypatch):
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path / "empty"))
    encodings, missing = known_encodings()
    assert not encodings
    assert set(missing) == {"GPT-2", "GPT-4"}
    assert 'tiktoken.get_encoding("gpt2")' in missing["GPT-2"]


@pytest.mark.parametrize(("ending", "begins"), [(".svg", b"<svg"), (".png", b"\x89PNG"), (".html", b"<!DOCTYPE html>")])
def test_the_picture(found, tmp_path, ending, begins):
    draw(found, tmp_path / f"drawn{ending}")
    drawn = (tmp_path / f"drawn{ending}").read_bytes()
    assert drawn.lstrip().startswith(begins)
    assert b"cdn." not in drawn[:3000]


def test_a_picture_of_no_known_kind(found, tmp_path):
    with pytest.raises(InputError, match=r"\.svg, \.png, \.html"):
        draw(found, tmp_path / "drawn.gif")


@pytest.mark.parametrize(("piece", "text"), [(b" a\n\t", "␣a⏎⇥"), (b"\xe6\x97", "E6 97"), ("é\x00".encode(), "é·")])
def test_tokens_can_be_read(piece, text):
    assert shown(piece) == text
    assert json.dumps(shown(piece))
