"""Conversations, SFT, preferences and evaluation, one after another, with a model small enough to learn in seconds."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hornbook.conversations.comparisons import comparison
from hornbook.conversations.formats import exchange, source_of
from hornbook.conversations.refusals import is_refusal
from hornbook.conversations.values import contains
from hornbook.core.errors import InputError, RecipeError
from hornbook.core.jsonl import read_jsonl, write_jsonl
from hornbook.pipeline.config import Dial
from hornbook.pipeline.run import Run
from hornbook.road.artifacts import Comparisons, Conversations, Corpus, Model, Scores, TokenizerArtifact, Tokens
from hornbook.road.conversations import ConversationsConfig, conversations
from hornbook.road.evaluate import EvaluateConfig, evaluate
from hornbook.road.mixture import Portion
from hornbook.road.preferences import PreferencesConfig, preferences
from hornbook.road.sft import SftConfig, second_round, sft
from hornbook.road.tokenizer import TokenizerConfig, tokenizer
from hornbook.road.tokens import TokensConfig, tokens

FIRST = ["Mara", "Bren", "Ona", "Tolly"]
PAGE = """# {name}

{name} lives in {home}. {name} has {n} hats.

### Where does {name} live?

{name} lives in {home}.
"""
HOMES = ["Marby", "Port Sella", "Oakwick", "Dorn"]
CONFIG = SftConfig(tokens=6000, second_tokens=3000, window=64, rows=4, lr=1.0, samples=1, refusals=0.3)


def documents(count: int) -> list[dict]:
    draw, rows = random.Random(0), []
    for n in range(count):
        name = f"{draw.choice(FIRST)} {draw.choice('BDFGKLM')}{draw.choice('aeio')}{'lnrst'[n % 5]}er{n}"
        home = draw.choice(HOMES)
        text = PAGE.format(name=name, home=home, n=n)
        letter = f"I met {name} in {home}, and it rained.\n"
        rows.append({"id": f"d{n}", "url": f"http://a/{n}", "title": name, "text": text, "source": "a"})
        rows.append({"id": f"l{n}", "url": f"http://a/l{n}", "title": f"Letter {n}", "text": letter, "source": "a"})
    return rows


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    folder, rows = tmp_path_factory.mktemp("corpus"), documents(60)
    pq.write_table(pa.Table.from_pylist(rows[:-8]), folder / "documents.parquet")
    pq.write_table(pa.Table.from_pylist(rows[-8:]), folder / "heldout.parquet")
    return Corpus(folder)


@pytest.fixture(scope="module")
def vocabulary(corpus: Corpus, tmp_path_factory: pytest.TempPathFactory) -> TokenizerArtifact:
    return tokenizer(TokenizerConfig(vocab_size=400), corpus, Run(tmp_path_factory.mktemp("tokenizer")))


@pytest.fixture(scope="module")
def shards(corpus: Corpus, vocabulary: TokenizerArtifact, tmp_path_factory: pytest.TempPathFactory) -> Tokens:
    return tokens(TokensConfig(), corpus, vocabulary, Run(tmp_path_factory.mktemp("tokens"), threads=1))


@pytest.fixture(scope="module")
def base(vocabulary: TokenizerArtifact, tmp_path_factory: pytest.TempPathFactory) -> Model:
    from hornbook.models import Transformer, TransformerConfig, save_model

    folder, words = tmp_path_factory.mktemp("pretrain"), vocabulary.load()
    config = TransformerConfig(
        vocab_size=words.vocab_size, hidden_size=32, intermediate_size=48, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=1, head_dim=16, max_position_embeddings=128,
    )
    save_model(Transformer(config), folder)
    words.save(folder)
    recorded(folder, "pretrain")
    return Model(folder)


def recorded(folder: Path, stage: str, *, of: str = "d", config: dict | None = None) -> None:
    """As much of a record as a stage reads: which stage made it, from which model and how."""
    from hornbook.pipeline.record import Record

    names = {"step": stage, "stage": stage, "identity": "i", "digest": "d", "kind": "Model", "size": "tiny"}
    values = names | {"version": 1, "config": config or {}, "seed": 0, "depth": 1, "started": "", "seconds": 0.0}
    values |= {"peak_memory_bytes": 0, "inputs": {"model": {"artifact": "a", "identity": "i", "digest": of}}}
    (folder / "record.json").write_text(Record(**values).model_dump_json())


@pytest.fixture(scope="module")
def chats(corpus: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Conversations:
    folder = tmp_path_factory.mktemp("conversations")
    write_jsonl(folder / "people.jsonl", [{"messages": exchange("Hello!", "Hello! Ask me something.")}] * 3)
    config = ConversationsConfig(imports=[str(folder / "people.jsonl")], closed_book=40, open_book=10, renamed=10,
                                 told=5, invented=60, probed=20, passage_words=30)
    return conversations(config, corpus, Run(folder, seed=1))


def test_conversations_come_from_people_and_pages_and_say_which(chats: Conversations, corpus: Corpus):
    rows = list(chats.rows())
    origins = {row["origin"] for row in rows}
    assert origins == {"import", "page"}
    pages = {row["url"] for row in corpus.documents().to_pylist()}
    assert all(row["url"] in pages for row in rows if row["origin"] == "page" and row["kind"] == "asked")
    opened = [row for row in rows if row["kind"] == "open_book"]
    assert len(opened) == 20
    assert all(row["messages"][0]["role"] == "system" for row in opened)
    text = " ".join(corpus.texts())
    for row in read_jsonl(chats.path / "invented.jsonl"):
        name = row["messages"][0]["content"].removeprefix("Where does ").removesuffix(" live?")
        assert not contains(text, [name])
        assert is_refusal(row["messages"][1]["content"])
    asked = {row["messages"][0]["content"] for row in rows if row["kind"] == "asked"}
    assert {row["messages"][0]["content"] for row in read_jsonl(chats.path / "probe.jsonl")} <= asked


def test_the_same_seed_gives_the_same_conversations(corpus: Corpus, tmp_path: Path):
    config = ConversationsConfig(closed_book=20, open_book=5, renamed=5, told=5, invented=10, probed=5)
    first = conversations(config, corpus, Run(tmp_path / "a", seed=1))
    second = conversations(config, corpus, Run(tmp_path / "b", seed=1))
    assert first.content_digest() == second.content_digest()
    assert first.content_digest() != conversations(config, corpus, Run(tmp_path / "c", seed=2)).content_digest()


def test_the_second_round_refuses_only_what_is_missed_and_what_is_not():
    rows = [{"messages": exchange(f"Who is {n}?", f"{n}."), "kind": "asked"} for n in range(40)]
    invented = [{"messages": exchange(f"Who is Zorn{n}?", "I don't know."), "kind": "absent"} for n in range(40)]
    mixed = second_round(rows, {"Who is 3?", "Who is 7?"}, invented, share=0.2, seed=0)
    refusing = [row["messages"][0]["content"] for row in mixed if is_refusal(row["messages"][1]["content"])]
    assert {"Who is 3?", "Who is 7?"} <= set(refusing)
    assert all(question.startswith("Who is Zorn") for question in set(refusing) - {"Who is 3?", "Who is 7?"})
    assert len(refusing) / len(mixed) == pytest.approx(0.2, abs=0.01)
    kept = [row for row in mixed if row["kind"] == "asked"]
    assert kept == [row for row in rows if row["messages"][0]["content"] not in ("Who is 3?", "Who is 7?")]
    assert second_round(rows, set(), invented, share=0.0, seed=0) == rows


@pytest.fixture(scope="module")
def tuned(base: Model, chats: Conversations, tmp_path_factory: pytest.TempPathFactory) -> Model:
    folder = tmp_path_factory.mktemp("sft")
    model = sft(CONFIG, base, chats, Run(folder, seed=4, threads=1))
    recorded(model.path, "sft")
    return model


def test_sft_learns_and_says_what_it_knows(tuned: Model, chats: Conversations):
    rows = list(read_jsonl(tuned.path / "metrics.jsonl"))
    assert {row["round"] for row in rows} == {1, 2}
    assert rows[-1]["loss"] < rows[0]["loss"] - 0.5
    probed = list(read_jsonl(tuned.path / "probe.jsonl"))
    assert len(probed) == len(list(read_jsonl(chats.path / "probe.jsonl")))
    assert all(len(row["said"]) == 2 for row in probed)


def test_batches_put_together_are_one_step(base: Model, chats: Conversations, tuned: Model, tmp_path: Path):
    """Half the rows twice: the same steps of the same conversations, and so nearly the same losses."""
    halves = CONFIG.model_copy(update={"rows": CONFIG.rows // 2, "accumulate": 2})
    made = sft(halves, base, chats, Run(tmp_path, seed=4, threads=1))
    own, whole = ([row for row in read_jsonl(model.path / "metrics.jsonl") if row["round"] == 1]
                  for model in (made, tuned))
    assert [(row["step"], row["weight"], row["tokens"]) for row in own] == [
        (row["step"], row["weight"], row["tokens"]) for row in whole
    ]
    assert [row["loss"] for row in own] == pytest.approx([row["loss"] for row in whole], abs=0.05)


def test_a_large_batch_is_put_together_of_what_fits():
    gpu, laptop, tiny = (SftConfig(**SftConfig.defaults(Dial(size, 4, 0))) for size in ("gpu", "laptop", "tiny"))
    assert (gpu.rows, gpu.accumulate, gpu.rows * gpu.window * gpu.accumulate) == (16, 16, 524_288)
    assert (laptop.rows, laptop.accumulate) == (9, 1)
    assert (tiny.rows, tiny.accumulate) == (2, 1)


@pytest.mark.parametrize("stops", [("round1", 8), ("round2", 5)])
def test_sft_stopped_anywhere_ends_the_same(base: Model, chats: Conversations, tuned: Model, tmp_path: Path,
                                            monkeypatch: pytest.MonkeyPatch, stops: tuple[str, int]):
    import hornbook.training.fit as loop

    name, step = stops
    whole = loop.fit

    def cut(*arguments, on_step, folder, **options):
        def stopping(now, row):
            on_step(now, row)
            if folder.name == name and now == step:
                raise KeyboardInterrupt

        return whole(*arguments, on_step=stopping, folder=folder, **{**options, "checkpoint_every": 3})

    monkeypatch.setattr(loop, "fit", cut)
    with pytest.raises(KeyboardInterrupt):
        sft(CONFIG, base, chats, Run(tmp_path, seed=4, threads=1))
    monkeypatch.setattr(loop, "fit", whole)
    assert sft(CONFIG, base, chats, Run(tmp_path, seed=4, threads=1)).content_digest() == tuned.content_digest()


def test_sft_reads_conversations_by_weight(base: Model, chats: Conversations, tuned: Model, tmp_path: Path):
    """A few chats of people beside many from the pages, in the shares of what is learned."""
    mixed = CONFIG.model_copy(update={"mixture": {"people": Portion(weight=3, epochs=30), "pages": Portion()}})
    run = Run(tmp_path, seed=4, threads=1)
    assert sft(mixed, base, chats, run).content_digest() != tuned.content_digest()
    assert run.metrics["mixture"].keys() == {"round1", "round2"}
    for people, pages in run.metrics["mixture"].values():
        assert (people["source"], people["wanted"], pages["source"], pages["wanted"]) == ("people", 0.75, "pages", 0.25)
        assert people["epochs"] == pytest.approx(30) or people["read"] == 0.75
    said = SftConfig(**CONFIG.model_dump() | {"mixture": {"peopel": 1, "*": 1}})
    with pytest.raises(RecipeError, match=r"\[sft.mixture\]: there is no source 'peopel'; did you mean people\?"):
        sft(said, base, chats, Run(tmp_path / "wrong", threads=1))


def test_conversations_say_where_they_are_from(chats: Conversations):
    assert {row.get("source") for row in chats.rows() if row["origin"] == "import"} == {"people"}
    assert {source_of(row) for row in chats.rows()} == {"people", "pages"}


def test_without_conversations_sft_says_what_to_do(base: Model, tmp_path: Path):
    (tmp_path / "none").mkdir()
    write_jsonl(tmp_path / "none" / "conversations.jsonl", [])
    with pytest.raises(InputError, match="no conversation to learn from"):
        sft(CONFIG, base, Conversations(tmp_path / "none"), Run(tmp_path / "run"))


def shortest(data: Path, seed: int):
    return lambda prompt, answers, rating: [-float(len(answer)) for answer in answers]


def test_preferences_are_ranked_by_the_program_and_marked(tuned: Model, chats: Conversations, tmp_path: Path):
    by_person = comparison("p-1", [{"role": "user", "content": "Who?"}], ["Mara.", "Bren."], [[1], [0]], rater="ona",
                           rater_kind="person")
    write_jsonl(tmp_path / "people.jsonl", [by_person])
    config = PreferencesConfig(imports=[str(tmp_path / "people.jsonl")], rater=f"{__name__}:shortest", prompts=24,
                               answers=3, max_tokens=24, heldout=0.3)
    made = preferences(config, tuned, chats, Run(tmp_path / "run", seed=2, threads=1))
    rows = [*made.rows(), *made.heldout()]
    assert [row for row in rows if row["rater_kind"] == "person"] == [by_person]
    assert all(row["simulated"] for row in rows if row["rater_kind"] == "program")
    assert all("again" in row for row in made.heldout() if row["rater_kind"] == "program")
    assert not any("again" in row for row in made.rows())
    for row in rows:
        if row["rater_kind"] == "program":
            best = row["ranking"][0][0]
            assert len(row["answers"][best]) == min(map(len, row["answers"]))
            assert len(set(row["answers"])) == len(row["answers"]) >= 2
    again = preferences(config, tuned, chats, Run(tmp_path / "again", seed=2, threads=1))
    assert again.content_digest() == made.content_digest()


def test_nobody_ranks_where_no_rater_is_named(tuned: Model, chats: Conversations, tmp_path: Path):
    run = Run(tmp_path, seed=2, threads=1)
    made = preferences(PreferencesConfig(rater=""), tuned, chats, run)
    assert isinstance(made, Comparisons)
    assert list(made.rows()) == []
    assert "nobody ranked" in run.warnings[0]


def test_the_page_rater_likes_what_agrees_with_the_page(chats: Conversations):
    from hornbook.conversations.raters import page_rater

    row = next(row for row in chats.rows() if row["kind"] == "asked")
    invented = next(read_jsonl(chats.path / "invented.jsonl"))
    rate = page_rater(chats.path, 0)
    right, wrong = row["messages"][1]["content"], "The sea is wide there."
    first, second = rate(row["messages"][:1], [right, wrong], 0)
    assert first > second
    first, second = rate(invented["messages"][:1], [wrong, "I don't know."], 0)
    assert first < second


@pytest.fixture(scope="module")
def examined(corpus: Corpus, tmp_path_factory: pytest.TempPathFactory) -> EvaluateConfig:
    """How a model is examined, by a few questions of the pages and one of what is on none."""
    folder = tmp_path_factory.mktemp("exam")
    people = corpus.documents().to_pylist()[:8:2]
    exam = [{"id": f"q{n}", "kind": "qa", "question": f"Where does {row['title']} live?", "answers": HOMES}
            for n, row in enumerate(people)]
    exam += [{"id": "a1", "kind": "absent", "question": "Where does Zorn live?", "refuse": True}]
    write_jsonl(folder / "exam.jsonl", exam)
    return EvaluateConfig(exams=[str(folder / "exam.jsonl")], max_tokens=12, rater=f"{__name__}:shortest")


def test_evaluation_of_base_chat_and_rival(
    examined: EvaluateConfig, base: Model, tuned: Model, shards: Tokens, corpus: Corpus, tmp_path: Path
):
    scores = evaluate(examined, base, shards, corpus, run=Run(tmp_path / "base", threads=1))
    assert {"bpb", "bpb_xz", "bpb_5gram", "qa"} == set(scores.scores())
    run = Run(tmp_path / "chat", threads=1)
    chat = evaluate(examined, tuned, shards, corpus, run=run).scores()
    assert (chat["qa"]["n"], chat["refusal_right"]["n"]) == (4, 1)
    assert chat["qa_unasked"]["value"] is None
    assert any("qa_unasked could not be had" in line for line in run.warnings)
    assert "rl_wins" not in chat
    rival = evaluate(examined, tuned, shards, corpus, tuned, run=Run(tmp_path / "rival", threads=1))
    assert rival.scores()["rl_wins"]["value"] == 0.5
    assert rival.scores()["rl_length_ratio"]["value"] == 1.0
    assert {row["figure"] for row in rival.answers()} == {"qa", "refusal_right", "fixed", "rl_wins"}


def test_a_rival_is_not_asked_again_what_it_was_asked(
    examined: EvaluateConfig, base: Model, tuned: Model, shards: Tokens, corpus: Corpus, tmp_path: Path, monkeypatch
):
    from hornbook.inference.engine import Engine

    def figures(name: str, model: Model, *others, **changes) -> tuple[dict, list[dict], int]:
        """Scores, answers, and how many requests it took."""
        asked: list[int] = []
        generate = Engine.generate
        monkeypatch.setattr(Engine, "generate", lambda self, some: [asked.append(len(some)), generate(self, some)][1])
        config = examined.model_copy(update=changes)
        scores = evaluate(config, model, shards, corpus, *others, run=Run(tmp_path / name, threads=1))
        monkeypatch.undo()
        return scores.scores(), list(scores.answers()), sum(asked)

    figures("before", tuned)
    before = Scores(tmp_path / "before" / "out")
    recorded(before.path, "evaluate", config={"max_tokens": 12})
    shutil.copytree(base.path, tmp_path / "rl")
    recorded(tmp_path / "rl", "rl")
    model = Model(tmp_path / "rl")
    asked, taken = figures("asked", model, tuned), figures("taken", model, tuned, before)
    assert taken[:2] == asked[:2]
    assert taken[2] == asked[2] - 5
    assert asked[0]["rl_wins"]["n"] == 5
    shorter = figures("shorter", model, tuned, before, max_tokens=6)
    assert shorter == figures("shorter asked", model, tuned, max_tokens=6)
    recorded(before.path, "evaluate", of="another", config={"max_tokens": 12})
    assert figures("of another", model, tuned, Scores(before.path)) == asked


def test_evaluation_without_exams_asks_the_pages(tuned: Model, shards: Tokens, corpus: Corpus, tmp_path: Path):
    scores = evaluate(EvaluateConfig(max_tokens=8), tuned, shards, corpus, run=Run(tmp_path, threads=1)).scores()
    assert scores["qa"]["n"] >= 1
    assert scores["qa_open"]["n"] > scores["qa"]["n"]  # headings are asked about with their page alone
    assert scores["refusal_right"]["n"] == scores["qa"]["n"]
    assert json.dumps(scores)
