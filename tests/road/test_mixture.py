"""A recipe's mixture: what it may say, what it comes to, and the road with one, killed and gone on."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest

from hornbook.core.errors import RecipeError
from hornbook.pipeline.recipe import Recipe
from hornbook.pipeline.run import Run
from hornbook.road import course as course_module
from hornbook.road.artifacts import Model, TokenizerArtifact, Tokens
from hornbook.road.corpus import CorpusConfig, corpus
from hornbook.road.crawl import CrawlConfig, crawl
from hornbook.road.mixture import Portion, mixed
from hornbook.road.pretrain import pretrain
from hornbook.road.pretrain_config import PretrainConfig
from hornbook.road.sizes import SIZES
from hornbook.road.steps import ROAD
from hornbook.road.tokenizer import TokenizerConfig, tokenizer
from hornbook.road.tokens import TokensConfig, tokens
from tests.road.test_corpus import story

NAMES = ["docs.python.org", "notes", "web"]
SOURCES = np.repeat([0, 1, 2], [50, 10, 400])
SIZES_OF = np.repeat([200, 100, 50], [50, 10, 400])  # 10,000, 1,000 and 20,000 tokens


def shares(run: Run, horizon: int = 31_000, **portions: float | dict) -> dict[str, tuple[float, float]]:
    """What each source has of what is read, and how often it is read."""
    given = {name: Portion(**value) if isinstance(value, dict) else Portion(weight=value)
             for name, value in portions.items()}
    _, rows = mixed(given, NAMES, SOURCES, SIZES_OF, SIZES_OF, horizon=horizon, seed=1, section="pretrain", run=run)
    return {row["source"]: (row["read"], row["epochs"]) for row in rows}


def test_weights_are_shares_of_what_is_learned(tmp_path):
    run = Run(tmp_path)
    assert shares(run) == {}
    assert shares(run, **{"docs.python.org": 3, "notes": 1, "*": 1}) == \
        {"docs.python.org": (0.6, 1.86), "notes": (0.2, 6.2), "*": (0.2, 0.31)}
    assert shares(run, notes=1, **{"*": 1}) == {"notes": (0.5, 15.5), "*": (0.5, pytest.approx(0.517, abs=1e-3))}
    assert shares(run, **{"notes": 1, "*": 0}) == {"notes": (1.0, 31.0), "*": (0.0, 0.0)}
    assert not run.warnings


def test_what_a_bound_leaves_free_goes_to_the_others_by_weight(tmp_path):
    run = Run(tmp_path)
    found = shares(run, notes={"weight": 2, "epochs": 4}, web=1, **{"docs.python.org": 1})
    assert found == {"notes": (0.129, 4.0), "web": (0.4355, 0.675), "docs.python.org": (0.4355, 1.35)}
    assert not run.warnings


def test_a_horizon_that_is_not_filled_is_said_with_its_figures(tmp_path):
    run = Run(tmp_path)
    found = shares(run, 62_000, **{"*": {"epochs": 1}})
    assert found == {"*": (1.0, 2.0)}
    assert run.warnings == [
        "the mixture allows 31,000 tokens and 62,000 are to be read: every source is read 2.0 times as often as its "
        "epochs say; bring more text, or ask for less"
    ]


@pytest.mark.parametrize(("portions", "says"), [
    ({"notess": 1, "*": 1}, r"\[pretrain.mixture\]: there is no source 'notess'; did you mean notes\? there are"),
    ({"notes": 1}, r"it says nothing of docs.python.org, web; write \"\*\" = 1 for all others together, 0 to leave "
                   r"them out; there are: docs.python.org \(10,000 tokens\), notes \(1,000 tokens\), web \(20,000"),
    ({"notes": 0, "*": 0}, "every source has weight 0; give one a weight"),
])
def test_a_mixture_that_cannot_be_is_one_line(tmp_path, portions, says):
    with pytest.raises(RecipeError, match=says):
        shares(Run(tmp_path), **portions)


def test_a_source_with_nothing_to_predict_is_not_there(tmp_path):
    sizes = np.where(SOURCES == 1, 0, SIZES_OF)
    run = Run(tmp_path)
    order, rows = mixed({"*": Portion()}, NAMES, SOURCES, sizes, sizes, horizon=100, seed=1, section="sft", run=run)
    assert [row["tokens"] for row in rows] == [30_000]
    assert order is not None
    assert not set(order.members(0, 0)) & set(np.flatnonzero(SOURCES == 1))
    with pytest.raises(RecipeError, match="there is no source 'notes'"):
        mixed({"notes": Portion()}, NAMES, SOURCES, sizes, sizes, horizon=9, seed=1, section="sft", run=run)


def read_recipe(folder: Path, text: str) -> PretrainConfig:
    (folder / "docs").mkdir(exist_ok=True)
    (folder / "r.toml").write_text(f'[crawl]\ndocs = "docs"\n[pretrain.mixture]\n{text}\n')
    recipe = Recipe.read(folder / "r.toml", ROAD, {name: size.depth for name, size in SIZES.items()})
    return recipe.configs["pretrain"]  # type: ignore[return-value]


def test_a_recipe_says_it_in_numbers_or_tables(tmp_path):
    read = read_recipe(tmp_path, '"docs.python.org" = 3\nnotes = { weight = 1, epochs = 4 }\n"*" = 1')
    assert read.mixture == {"docs.python.org": Portion(weight=3), "notes": Portion(epochs=4), "*": Portion()}
    assert PretrainConfig.model_validate_json(read.model_dump_json()) == read


@pytest.mark.parametrize(("text", "says"), [
    ("notes = { weigth = 1 }", "mixture.notes = {'weigth': 1} cannot be: it has weight and epochs alone"),
    ("notes = -1", "mixture.notes.weight = -1 cannot be: input should be greater than or equal to 0"),
    ("notes = { epochs = 0.5 }", "mixture.notes.epochs = 0.5 cannot be: input should be greater than or equal to 1"),
    ("notes = true", "mixture.notes = True cannot be"),
])
def test_what_no_portion_is_is_one_line(tmp_path, text, says):
    with pytest.raises(RecipeError) as caught:
        read_recipe(tmp_path, text)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


MIXTURE = {"notes": {"weight": 2, "epochs": 3}, "more": 1, "*": 1}
SMALL = {
    "depth": 1, "width": 64, "heads": 1, "key_value_heads": 1, "feed_forward": 64, "window": 64, "rows": 4,
    "tokens": 100 * 256, "mixture": MIXTURE,
}  # fmt: skip


@pytest.fixture(scope="module")
def road(tmp_path_factory: pytest.TempPathFactory) -> tuple[Tokens, TokenizerArtifact]:
    """Two folders and a table, as far as tokens. In both folders lie pages of the same names."""
    folder = tmp_path_factory.mktemp("road")
    for name, first, count in (("notes", 0, 6), ("more", 100, 30)):
        (folder / name).mkdir()
        for number in range(count):
            (folder / name / f"{number}.md").write_text(f"# Page {number}\n\n{' '.join(story(first + number))}")
    rows = [json.dumps({"text": " ".join(story(200 + number))}) for number in range(40)]
    (folder / "table.jsonl").write_text("\n".join(rows))
    pages = crawl(CrawlConfig(docs=[folder / "notes", folder / "more"], table=folder / "table.jsonl"),
                  Run(folder / "crawl"))  # fmt: skip
    kept = corpus(CorpusConfig(holdout=0.05), pages, Run(folder / "corpus"))
    words = tokenizer(TokenizerConfig(vocab_size=400), kept, Run(folder / "tokenizer"))
    return tokens(TokensConfig(), kept, words, Run(folder / "tokens")), words


def test_the_road_with_a_mixture(road, tmp_path, monkeypatch):
    """What was planned is what is read; killed at any step it goes on to the same model."""
    train, seen = road[0].train(), []
    assert train.source_names == ["more", "notes", "table"]

    class Watched(course_module.PackedBatches):
        def _batch(self, rows, share):
            seen.extend(piece.sequence for row in rows for piece in row if piece.start == 0)
            return super()._batch(rows, share)

    monkeypatch.setattr(course_module, "PackedBatches", Watched)
    run = Run(tmp_path / "whole", seed=5, threads=1)
    whole = pretrain(PretrainConfig(**SMALL), *road, run)
    rows = {row["source"]: row for row in run.metrics["mixture"]["text"]}
    assert rows.keys() == {"notes", "more", "*"}
    assert rows["notes"]["epochs"] == 3.0
    assert rows["more"]["read"] == rows["*"]["read"]
    assert not run.warnings
    counts = np.bincount(seen, minlength=len(train))
    notes = counts[train.sources == 1]
    assert notes.max() <= 3
    for own, name in ((0, "more"), (2, "*")):
        assert counts[train.sources == own].mean() == pytest.approx(rows[name]["epochs"], rel=0.15)

    class Killed(course_module.Samples):
        def __call__(self, step: int) -> None:
            super().__call__(step)
            if step == killed_at:
                raise KeyboardInterrupt

    killed_at = random.Random(0).randrange(20, 90)
    with monkeypatch.context() as patch:
        patch.setattr(course_module, "Samples", Killed)
        with pytest.raises(KeyboardInterrupt):
            pretrain(PretrainConfig(**SMALL), *road, Run(tmp_path / "killed", seed=5, threads=1))
    again: Model = pretrain(PretrainConfig(**SMALL), *road, Run(tmp_path / "killed", seed=5, threads=1))
    assert again.content_digest() == whole.content_digest()


def test_another_mixture_is_another_model(road, tmp_path):
    few = SMALL | {"tokens": 512}
    digests = {
        pretrain(PretrainConfig(**few | {"mixture": mixture}), *road, Run(tmp_path / str(number), seed=5, threads=1))
        .content_digest() for number, mixture in enumerate(({}, {"notes": 1, "*": 0}, {"more": 1, "*": 0}))
    }  # fmt: skip
    assert len(digests) == 3
