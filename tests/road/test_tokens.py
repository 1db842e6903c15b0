"""The tokens stage: every document's text is in its shard, its end marked; a killed attempt goes on."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from hornbook.pipeline.run import Run
from hornbook.road.artifacts import Corpus, TokenizerArtifact
from hornbook.road.tokens import TokensConfig, tokens
from hornbook.tokens.tokenizer import Tokenizer

TEXTS = [f"Page {index} tells of {name}, who was born in {1800 + index}." for index in range(200)
         for name in ("Edda Rowan", "Tomas Vell", "Ingrid Änglund")]


@pytest.fixture
def inputs(tmp_path):
    folder = tmp_path / "corpus"
    folder.mkdir()
    table = pa.table({"id": [f"d{i}" for i in range(len(TEXTS))], "text": TEXTS})
    parquet.write_table(table.slice(0, 550), folder / "documents.parquet")
    parquet.write_table(table.slice(550), folder / "heldout.parquet")
    Tokenizer.train(TEXTS, 300).save(tmp_path / "tokenizer")
    return Corpus(folder), TokenizerArtifact(tmp_path / "tokenizer")


def test_documents_are_in_the_shards(inputs, tmp_path):
    run = Run(tmp_path / "run", threads=2)
    artifact = tokens(TokensConfig(), *inputs, run)
    encoder = inputs[1].load()
    train, heldout = artifact.train(), artifact.heldout()
    assert [encoder.decode(ids, skip_special=False) for ids in train] == [f"{t}<|endoftext|>" for t in TEXTS[:550]]
    assert [encoder.decode(ids) for ids in heldout] == TEXTS[550:]
    assert train.names == [f"d{i}" for i in range(550)]
    assert heldout.where(0) == "d550"
    assert run.metrics["train"]["bytes"] == sum(len(text.encode()) for text in TEXTS[:550])
    assert run.metrics["heldout"]["documents"] == 50
    assert run.counts["tokens"] == train.total + heldout.total


def test_a_killed_attempt_goes_on_to_the_same_content(inputs, tmp_path, monkeypatch):
    config = TokensConfig(shard_tokens=1024)
    whole = tokens(config, *inputs, Run(tmp_path / "whole"))
    encode = Tokenizer.encode_batch
    calls = []

    def killed(self, texts, threads):
        calls.append(len(texts))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return encode(self, texts, threads)

    monkeypatch.setattr(Tokenizer, "encode_batch", killed)
    with pytest.raises(KeyboardInterrupt):
        tokens(config, *inputs, Run(tmp_path / "broken"))
    resumed = tokens(config, *inputs, Run(tmp_path / "broken"))
    assert calls[0] == 512
    assert calls[2] < 550
    assert resumed.content_digest() == whole.content_digest()
    assert {path.name: path.read_bytes() for path in resumed.files()} == \
        {path.name: path.read_bytes() for path in whole.files()}


def test_the_result_is_held(inputs, tmp_path):
    """When this digest changes, raise the stage's version."""
    artifact = tokens(TokensConfig(), *inputs, Run(tmp_path / "run"))
    assert tokens.version == 1
    assert artifact.content_digest()[:16] == "2bc9fa63f197f054"
