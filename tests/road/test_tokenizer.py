"""The tokenizer stage, and what it says when the pages are too few."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from hornbook.core.errors import InputError
from hornbook.pipeline.config import Dial
from hornbook.pipeline.run import Run
from hornbook.road.artifacts import Corpus
from hornbook.road.tokenizer import TokenizerConfig, tokenizer

TEXTS = [f"The ferry of {name} sails at {hour} o'clock.\n\nIt's kept by Edda Rowan." for name in
         ("Marrow", "Vell", "Tansy", "Quill") for hour in range(5)]


@pytest.fixture
def corpus(tmp_path):
    folder = tmp_path / "corpus"
    folder.mkdir()
    table = pa.table({"id": [f"d{i}" for i in range(len(TEXTS))], "text": TEXTS})
    parquet.write_table(table, folder / "documents.parquet")
    parquet.write_table(table.slice(0, 0), folder / "heldout.parquet")
    return Corpus(folder)


def test_trains_on_the_documents(corpus, tmp_path):
    run = Run(tmp_path / "run")
    artifact = tokenizer(TokenizerConfig(vocab_size=300), corpus, run)
    loaded = artifact.load()
    assert loaded.vocab_size == run.metrics["vocab_size"] == 300
    assert loaded.decode(loaded.encode(TEXTS[0])) == TEXTS[0]
    assert run.counts == {"inputs": 20, "outputs": 300}


def test_the_result_is_held(corpus, tmp_path):
    """When this digest changes, raise the stage's version."""
    artifact = tokenizer(TokenizerConfig(vocab_size=300), corpus, Run(tmp_path / "run"))
    assert tokenizer.version == 3
    assert artifact.content_digest()[:16] == "d39fa4ecc3658ff5"


def test_too_few_pages_name_the_largest_vocabulary(corpus, tmp_path):
    with pytest.raises(InputError, match=r"tokenizer\.vocab_size: .* it fills \d+; ask for at most \d+"):
        tokenizer(TokenizerConfig(vocab_size=4096), corpus, Run(tmp_path / "run"))


def test_a_vocabulary_nobody_asked_for_is_as_large_as_the_text_fills(corpus, tmp_path):
    run = Run(tmp_path / "run")
    found = tokenizer(TokenizerConfig(), corpus, run).load().vocab_size
    assert 265 < found < 4096
    assert any(f"{found:,} tokens" in note for note in run.notes)


@pytest.mark.parametrize("kind", ["wordpiece", "unigram", "characters", "bytes"])
def test_every_kind_is_made_and_held(corpus, tmp_path, kind):
    held = {"wordpiece": "28b149b0", "unigram": "421a7e96", "characters": "c6060814", "bytes": "001b7347"}
    run = Run(tmp_path / "run")
    artifact = tokenizer(TokenizerConfig(kind=kind, at_most=560), corpus, run)
    loaded = artifact.load()
    assert [loaded.decode(loaded.encode(text)) for text in TEXTS] == TEXTS
    assert run.metrics["lossless"]
    assert artifact.content_digest()[:8] == held[kind]


def test_another_models_is_taken_and_given_what_it_lacks(corpus, tmp_path):
    from tests.tokens.test_imported import bert, gpt2

    for maker, lossless in ((gpt2, True), (bert, False)):
        gpt2 = tmp_path / maker.__name__
        gpt2.mkdir()
        maker().save(str(gpt2 / "tokenizer.json"))
        run = Run(tmp_path / f"run-{maker.__name__}")
        found = tokenizer(TokenizerConfig(init=gpt2), corpus, run).load()
        assert found.lossless == run.metrics["lossless"] == lossless
        assert any("was given the special tokens" in note for note in run.notes)
        assert bool(run.warnings) != lossless


@pytest.mark.parametrize(("said", "answer"), [
    ({"init": ".", "vocab_size": 300}, "init brings its own"),
    ({"init": ".", "kind": "unigram"}, "init brings its own"),
    ({"kind": "bytes", "vocab_size": 300}, "leave vocab_size out"), ({"init": "nowhere.json"}, "there is no"),
    ({"vocab_size": 200_000}, "131072"), ({"kind": "words"}, "bpe"),
])
def test_what_cannot_be_is_refused(said, answer):
    with pytest.raises(ValueError, match=answer):
        TokenizerConfig(**said)


def test_the_dial_chooses():
    assert TokenizerConfig.defaults(Dial("tiny", 2, 0)) == {"at_most": 1024}
    assert TokenizerConfig.defaults(Dial("laptop", 4, 0)) == {"at_most": 4096}
    assert TokenizerConfig.defaults(Dial("gpu", 12, 0)) == {"at_most": 32768}
    assert TokenizerConfig().label() == TokenizerConfig(vocab_size=4096).label() == "4k"
    assert TokenizerConfig(vocab_size=300).label() == "300"
    assert TokenizerConfig(kind="unigram", vocab_size=300).label() == "unigram-300"
    assert TokenizerConfig(kind="bytes").label() == "bytes"
    assert TokenizerConfig(init=".").label() == "import"
