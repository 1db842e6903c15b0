"""The tokens stage: every document's text is in its shard, its end marked; a killed attempt goes on."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from hornbook.core.errors import DamagedError
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
    count = range(len(TEXTS))
    table = pa.table({"id": [f"d{i}" for i in count], "text": TEXTS, "source": [f"s{i // 200}" for i in count]})
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
    assert [train.source_names[source] for source in train.sources] == [f"s{i // 200}" for i in range(550)]
    assert run.metrics["sources"] == train.tokens_by_source()
    assert sum(run.metrics["sources"].values()) == train.total
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


def test_an_attempt_killed_at_any_document_goes_on_to_the_same_content(inputs, tmp_path, monkeypatch):
    """Every shard that was finished stays as it is; the batch that the kill fell into is encoded again."""
    config = TokensConfig(shard_tokens=1024)
    whole = tokens(config, *inputs, Run(tmp_path / "whole"))
    encode = Tokenizer.encode_batch
    budget = 0

    def killed(self, texts, threads):
        nonlocal budget
        if budget == 0:
            raise KeyboardInterrupt
        budget -= 1
        return encode(self, texts, threads)

    monkeypatch.setattr(Tokenizer, "encode_batch", killed)
    kept: dict[str, int] = {}
    for budget in (0, 1, 0, 2):  # noqa: B007, calls of encode_batch before the kill
        with pytest.raises(KeyboardInterrupt):
            tokens(config, *inputs, Run(tmp_path / "broken"))
        times = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "broken" / "out").rglob("*.bin")}
        assert kept.items() <= times.items()
        kept = times
    budget = -1
    assert tokens(config, *inputs, Run(tmp_path / "broken")).content_digest() == whole.content_digest()


@pytest.mark.parametrize("kind", ["wordpiece", "unigram", "characters", "bytes"])
def test_every_kind_encodes(inputs, tmp_path, kind):
    made = Tokenizer.train(TEXTS, 560, kind=kind, fill=False)
    made.save(tmp_path / kind)
    run = Run(tmp_path / "run")
    train = tokens(TokensConfig(), inputs[0], TokenizerArtifact(tmp_path / kind), run).train()
    assert [made.decode(ids) for ids in train][:20] == TEXTS[:20]
    assert run.metrics["train"]["bytes_per_token"] >= 1
    assert run.metrics["encoder"] in ("tiktoken", "gigatoken", "tokenizers")


def test_bytes_a_token_are_not_told_of_a_tokenizer_that_loses_text(inputs, tmp_path):
    from hornbook.tokens.imported import import_tokenizer
    from tests.tokens.test_imported import bert

    bert().save(str(tmp_path / "tokenizer.json"))
    import_tokenizer(tmp_path)[0].save(tmp_path / "bert")
    run = Run(tmp_path / "run")
    tokens(TokensConfig(), inputs[0], TokenizerArtifact(tmp_path / "bert"), run)
    assert run.metrics["train"]["bytes_per_token"] is None


def test_a_damaged_corpus_is_one_line(inputs, tmp_path):
    (inputs[0].path / "documents.parquet").write_bytes(b"PAR1 no more")
    with pytest.raises(DamagedError, match="documents cannot be read") as caught:
        tokens(TokensConfig(), *inputs, Run(tmp_path / "run"))
    assert "\n" not in str(caught.value)


def test_the_result_is_held(inputs, tmp_path):
    """When this digest changes, raise the stage's version."""
    artifact = tokens(TokensConfig(), *inputs, Run(tmp_path / "run"))
    assert tokens.version == 2
    assert artifact.content_digest()[:16] == "c1dad369e13a1661"
