"""Page -> document -> token offsets, and back, over the first four steps of the real road."""

from __future__ import annotations

import pytest

from hornbook.core.errors import InputError
from hornbook.road.artifacts import Corpus, TokenizerArtifact, Tokens
from hornbook.road.provenance import page_of, tokens_of
from hornbook.road.runs import open_recipe, run, workspace_of

SUBJECTS = ["heron", "otter", "lantern", "harbour", "orchard", "miller", "ferry", "quarry", "chapel", "weaver"]
VERBS = ["watches", "remembers", "repairs", "follows", "carries", "paints", "measures", "guards"]
PLACES = ["by the old bridge", "near the north gate", "below the hill", "at the market", "along the river"]


def page(number: int) -> str:
    """Sixty plain sentences that no other page has."""
    lines = []
    for line in range(60):
        first, other = SUBJECTS[number % 10], SUBJECTS[(number + line + 1) % 10]
        verb, place = VERBS[(number * 7 + line * 3) % 8], PLACES[(number + line * line) % 5]
        lines.append(f"In the year {1200 + number * 61 + line} the {first} of the village {verb} the {other} {place}.")
    return f"# The {SUBJECTS[number % 10]} number {number}\n\n" + "\n\n".join(
        " ".join(lines[start : start + 6]) for start in range(0, 60, 6)
    )


@pytest.fixture(scope="module")
def walked(tmp_path_factory):
    folder = tmp_path_factory.mktemp("road")
    (folder / "pages").mkdir()
    for number in range(12):
        (folder / "pages" / f"page{number}.md").write_text(page(number))
    (folder / "small.toml").write_text(
        'size = "tiny"\n[crawl]\ndocs = "pages"\n[tokenizer]\nvocab_size = 400\n[corpus]\nnear_copy = 1.0\n'
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HORNBOOK_RUNS", str(folder / "runs"))
        recipe = open_recipe(folder / "small.toml")
        run(recipe, until="tokens")
        assert not any(done.did for done in run(recipe, until="tokens"))
        yield workspace_of(recipe)


def test_every_token_knows_its_page_and_every_page_its_tokens(walked):
    tokens, corpus = walked.current("tokens", Tokens), walked.current("corpus", Corpus)
    shards, encoder = tokens.train(), walked.current("tokenizer", TokenizerArtifact).load()
    rows = corpus.documents().select(["url", "text"]).to_pylist()
    assert len(rows) >= 8
    covered = 0
    for row in rows:
        spans = list(tokens_of(tokens, row["url"]))
        assert len(spans) == 1
        ids = [int(token) for index in range(len(shards)) for token in shards[index]][spans[0].start : spans[0].end]
        assert encoder.decode(ids) == row["text"]
        for offset in (spans[0].start, spans[0].end - 1):
            assert page_of(tokens, offset)["url"] == row["url"]
        covered += len(ids)
    assert covered == shards.total


def test_what_no_page_holds(walked):
    tokens = walked.current("tokens", Tokens)
    assert list(tokens_of(tokens, "https://example.org/nowhere")) == []
    with pytest.raises(IndexError):
        page_of(tokens, tokens.train().total)
    with pytest.raises(InputError, match="not made from what tokens makes"):
        page_of(walked.current("corpus"), 0)
