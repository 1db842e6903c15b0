"""The deployment stage: one folder that loads alone, and what it says when something is wrong."""

from __future__ import annotations

import json
import shutil

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from hornbook.core.errors import InputError, RecipeError
from hornbook.pipeline.config import InputPath
from hornbook.pipeline.run import Run
from hornbook.road.artifacts import Corpus, Model
from hornbook.road.deploy import DeployConfig, deploy

PEOPLE = ["Mara Tolly", "Edda Rowan", "Tomas Vell"]
ROWS = [{"url": f"https://isle.example/{number}", "title": name, "text": f"# {name}\n\n{name} lives in Saltmere."}
        for number, name in enumerate(PEOPLE)]  # fmt: skip


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    table = pa.Table.from_pylist(ROWS)
    parquet.write_table(table.slice(0, 2), folder / "documents.parquet")
    parquet.write_table(table.slice(2), folder / "heldout.parquet")
    return Corpus(folder)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    from hornbook.models import Transformer, TransformerConfig, save_model
    from hornbook.tokens.tokenizer import Tokenizer

    folder = tmp_path_factory.mktemp("model")
    tokenizer = Tokenizer.train([row["text"] for row in ROWS] * 5, 270)
    config = TransformerConfig(
        vocab_size=270, hidden_size=32, intermediate_size=64, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=1, head_dim=16, max_position_embeddings=256, tie_word_embeddings=True,
    )  # fmt: skip
    save_model(Transformer(config, seed=1), folder)
    tokenizer.save(folder)
    (folder / "metrics.jsonl").write_text("{}\n")
    return Model(folder)


def test_the_folder_answers_alone(corpus, model, tmp_path):
    from hornbook.inference import Sampling
    from hornbook.serving.chat import Chat

    run = Run(tmp_path / "run")
    made = deploy(DeployConfig(name="isle", max_tokens=5), corpus, model, run)
    assert run.counts == {"inputs": 3, "outputs": 3}
    elsewhere = tmp_path / "elsewhere"
    shutil.move(made.path, elsewhere)
    assert not (elsewhere / "model" / "metrics.jsonl").exists()
    chat = Chat.load(elsewhere, slots=1)
    assert (chat.settings.name, chat.settings.max_tokens) == ("isle", 5)
    for row in ROWS:  # the page that was held out from training too
        asked = [{"role": "user", "content": f"Where does {row['title']} live?"}]
        prepared = chat.prepare(asked, Sampling(max_tokens=5))
        assert [page.url for page in prepared.pages] == [row["url"]]
        assert chat.engine.generate([prepared.request])[0].ids


def test_a_second_attempt_over_half_a_first_is_the_same(corpus, model, tmp_path):
    whole = deploy(DeployConfig(), corpus, model, Run(tmp_path / "whole"))
    run = Run(tmp_path / "half")
    (run.out / "model").mkdir(parents=True)
    (run.out / "model" / "config.json").write_text("{")
    shutil.copytree(whole.path / "index", run.out / "index")
    again = deploy(DeployConfig(), corpus, model, run)
    assert again.content_digest() == whole.content_digest()
    assert (model.path / "config.json").stat().st_size > 10  # what was linked was not written through


def test_the_result_is_held(corpus, model, tmp_path):
    """When these rows change, raise the stage's version."""
    made = deploy(DeployConfig(), corpus, model, Run(tmp_path))
    rows = [json.loads(line) for line in (made.path / "passages.jsonl").read_text().splitlines()]
    assert rows[0] == {"title": "Mara Tolly", "url": "https://isle.example/0", "text": "Mara Tolly lives in Saltmere.",
                       "heading": "Mara Tolly"}  # fmt: skip
    assert (made.path / "deploy.toml").read_text().splitlines() == [
        'name = "hornbook"', 'model = "model"', 'index = "index"', 'policy = "policy.toml"', "temperature = 0.0",
        "max_tokens = 128",
    ]  # fmt: skip


def test_all_but_the_index_bears_on_the_digest(corpus, model, tmp_path):
    made = deploy(DeployConfig(), corpus, model, Run(tmp_path))
    written = {path for path in made.files("**/*") if made.path / "index" not in path.parents}
    assert set(made.files(*made.contents)) == written
    assert {path.name for path in written} >= {"deploy.toml", "policy.toml", "passages.jsonl", "model.safetensors"}


def test_a_policy_of_ones_own(corpus, model, tmp_path):
    from hornbook.safety import DEFAULT, Policy

    path = tmp_path / "mine.toml"
    path.write_text(DEFAULT.replace('personal = "allow"', 'personal = "refuse"'))
    made = deploy(DeployConfig(policy=InputPath(path)), corpus, model, Run(tmp_path / "run"))
    assert Policy.read(made.path / "policy.toml").action("input", "personal") == "refuse"
    path.write_text(DEFAULT.replace('"allow"', '"alow"'))
    with pytest.raises(RecipeError, match=r"input.personal: unknown action 'alow'"):
        deploy(DeployConfig(policy=InputPath(path)), corpus, model, Run(tmp_path / "other"))


def test_no_page_is_said(model, tmp_path):
    (tmp_path / "corpus").mkdir()
    parquet.write_table(pa.Table.from_pylist(ROWS).slice(0, 0), tmp_path / "corpus" / "documents.parquet")
    with pytest.raises(InputError, match="there is no page to index"):
        deploy(DeployConfig(), Corpus(tmp_path / "corpus"), model, Run(tmp_path / "run"))
