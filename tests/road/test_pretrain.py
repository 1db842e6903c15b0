"""The pretraining stage: a whole model folder, the same one however often it was stopped."""

from __future__ import annotations

import json
import math
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from benchmarks.pretrain.crew import together
from pydantic import ValidationError

from hornbook.core.errors import HornbookError, InputError
from hornbook.core.jsonl import read_jsonl
from hornbook.models import Transformer, TransformerConfig, load_model, save_model
from hornbook.models.counts import flops_a_token
from hornbook.models.vocabulary import with_vocabulary
from hornbook.pipeline.config import Dial
from hornbook.pipeline.identity import encoded
from hornbook.pipeline.recipe import MachineConfig, Recipe
from hornbook.pipeline.run import Run
from hornbook.road import course as course_module
from hornbook.road import forecast, here, pace
from hornbook.road.artifacts import Model, TokenizerArtifact, Tokens
from hornbook.road.learner import rates
from hornbook.road.pretrain import pretrain
from hornbook.road.pretrain_config import PretrainConfig
from hornbook.road.sizes import SIZES
from hornbook.road.tokenizer import TokenizerConfig
from hornbook.tokens.imported import import_tokenizer
from hornbook.tokens.shards import Encoded, write_tokens
from hornbook.tokens.tokenizer import Tokenizer
from hornbook.training.schedule import warmup_stable_cooldown

TEXTS = [f"{name} of {place} keeps {count} geese and sells them at its fair."
         for name in ("Edda", "Tomas", "Inga") for place in ("Vell", "Rowan Hill", "Skerry") for count in range(3, 23)]
CONFIG = {
    "depth": 2, "width": 64, "heads": 1, "key_value_heads": 1, "feed_forward": 128, "window": 64, "rows": 4,
    "tokens": 40 * 256,
}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Tokens, TokenizerArtifact]:
    folder = tmp_path_factory.mktemp("inputs")
    tokenizer = Tokenizer.train(TEXTS, 320)
    tokenizer.save(folder / "tokenizer")
    for name, texts in (("train", TEXTS[10:]), ("heldout", TEXTS[:10])):
        encoded = [np.array([*tokenizer.encode(text), tokenizer.end_of_document]) for text in texts]
        documents = [Encoded(f"{name}{index}", ids, text.split()[0])
                     for index, (ids, text) in enumerate(zip(encoded, texts, strict=True))]
        write_tokens(folder / "tokens" / name, documents, vocab_size=tokenizer.vocab_size)
    return Tokens(folder / "tokens"), TokenizerArtifact(folder / "tokenizer")


@pytest.fixture(scope="module")
def trained(inputs: tuple[Tokens, TokenizerArtifact], tmp_path_factory: pytest.TempPathFactory) -> tuple[Model, Run]:
    run = Run(tmp_path_factory.mktemp("run"), seed=5, threads=1)
    return pretrain(PretrainConfig(**CONFIG), *inputs, run), run


def test_it_learns_and_leaves_a_whole_folder(trained: tuple[Model, Run]) -> None:
    model, run = trained
    rows = list(read_jsonl(model.path / "metrics.jsonl"))
    assert [row["step"] for row in rows] == list(range(1, 41))
    assert rows[0]["loss"] == pytest.approx(math.log(320), abs=0.6)
    assert run.metrics["loss"] < 2.5
    assert all(0 < row["mfu"] < 1 for row in rows)
    work = flops_a_token(model.load().config, 64)
    assert rows[-1]["mfu"] / run.metrics["mfu"] == pytest.approx(
        rows[-1]["tokens_per_second"] / run.metrics["tokens_per_second"]
    )
    assert run.metrics["tokens_per_second"] * work / run.metrics["mfu"] > 1e9  # what a core can do, at least
    schedule = warmup_stable_cooldown(40, warmup=0.02, cooldown=0.7, floor=0.1)
    assert [row["lr"] for row in rows] == pytest.approx([schedule(step) for step in range(40)])
    assert run.counts["tokens"] == 40 * 256
    assert run.metrics["parameters"] == sum(p.numel() for p in model.load().parameters())
    assert model.tokenizer().decode(model.tokenizer().encode("Edda of Vell")) == "Edda of Vell"
    config = json.loads((model.path / "config.json").read_text())
    assert (config["model_type"], config["vocab_size"]) == ("qwen3", 320)


def test_samples_are_kept_through_training(trained: tuple[Model, Run]) -> None:
    samples = trained[0].samples()
    assert sorted({row["step"] for row in samples}) == [1, 4, 10, 20, 30, 40]
    prompts = [row["prompt"] for row in samples if row["step"] == 1]
    assert len(prompts) == 4
    assert all(any(text.startswith(prompt) for text in TEXTS[:10]) for prompt in prompts)


def stopped_and_gone_on(inputs, folder: Path, monkeypatch: pytest.MonkeyPatch, module, name: str, killed) -> Model:
    """The model of a training that was stopped by what stands for `name`, and went on without it."""
    with monkeypatch.context() as patch:
        patch.setattr(module, name, killed)
        with pytest.raises(KeyboardInterrupt):
            pretrain(PretrainConfig(**CONFIG), *inputs, Run(folder, seed=5, threads=1))
    return pretrain(PretrainConfig(**CONFIG), *inputs, Run(folder, seed=5, threads=1))


@pytest.mark.parametrize("stop", [7, 38])
def test_a_killed_attempt_goes_on_to_the_same_model(
    inputs: tuple[Tokens, TokenizerArtifact], trained: tuple[Model, Run], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, stop: int,
) -> None:  # fmt: skip
    class Killed(course_module.Samples):
        def __call__(self, step: int) -> None:
            super().__call__(step)
            if step == stop:
                raise KeyboardInterrupt

    again = stopped_and_gone_on(inputs, tmp_path, monkeypatch, course_module, "Samples", Killed)
    assert again.content_digest() == trained[0].content_digest()
    assert again.samples() == trained[0].samples()


def test_it_goes_on_from_an_open_model(inputs: tuple[Tokens, TokenizerArtifact], trained, tmp_path: Path) -> None:
    config = PretrainConfig(**CONFIG | {"tokens": 256, "init": trained[0].path})
    run = Run(tmp_path, seed=6, threads=1)
    pretrain(config, *inputs, run)
    assert run.metrics["loss"] < trained[0].metrics()[0]["loss"] - 1
    assert run.metrics["steps"] == 1


def test_eight_bit_floats_are_refused_where_there_are_none(inputs, tmp_path: Path) -> None:
    config = PretrainConfig(**CONFIG | {"fp8": True})
    with pytest.raises(HornbookError, match=r"\[pretrain\] fp8: cpu has no products of eight-bit floats"):
        pretrain(config, *inputs, Run(tmp_path, seed=5, threads=1))
    with pytest.raises(HornbookError, match=r"\[pretrain\] fp8: cpu has no products of eight-bit floats"):
        config.estimate(recipe("tiny"), {}, thorough=False)


def test_blocks_are_computed_again_where_a_gpu_is_too_small(inputs, trained, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(here, "fitted", lambda shape, batching, device: replace(batching, recomputed=1))
    run = Run(tmp_path, seed=5, threads=1)
    again = pretrain(PretrainConfig(**CONFIG), *inputs, run)
    assert run.notes == ["the activations do not fit the GPU's memory: those of 1 block of 2 are computed again on the "
                         "way back"]  # fmt: skip
    assert again.content_digest() == trained[0].content_digest()


def test_an_open_model_of_another_vocabulary_is_refused(inputs, tmp_path: Path) -> None:
    shape = TransformerConfig(
        vocab_size=99, hidden_size=64, intermediate_size=64, num_hidden_layers=1, num_attention_heads=1,
        num_key_value_heads=1, head_dim=64,
    )
    save_model(Transformer(shape), tmp_path / "open")
    with pytest.raises(InputError, match="its vocabulary has 99 tokens, the tokenizer here 320"):
        pretrain(PretrainConfig(**CONFIG | {"init": tmp_path / "open"}), *inputs, Run(tmp_path / "run", threads=1))


def test_what_newer_keys_do_not_ask_for_is_what_was_made_before() -> None:
    plain = encoded(PretrainConfig(**CONFIG), {})
    assert not set(PretrainConfig.later) & plain.keys()
    asked = PretrainConfig(**CONFIG, weight_decay=0.1, cautious_decay=True, normuon_beta2=0.95, keep_every=3)
    assert set(PretrainConfig.later) <= encoded(asked, {}).keys()
    found = rates(asked)
    assert (found.weight_decay, found.cautious, found.row_memory) == (0.1, True, 0.95)
    with pytest.raises(ValidationError, match="cautious_decay says which weights decay, and weight_decay is 0"):
        PretrainConfig(**CONFIG, cautious_decay=True)


def test_models_on_the_way_are_kept_and_so_many_checkpoints(inputs, trained, tmp_path: Path, monkeypatch) -> None:
    """Of every sixteenth step, through both parts and a kill; what is learned is what it was."""
    config = PretrainConfig(**CONFIG, keep_every=16)
    seen: list[int] = []

    class Killed(course_module.Samples):
        def __call__(self, step: int) -> None:
            super().__call__(step)
            seen.append(len(list((tmp_path / "work").glob("*/checkpoint-*"))))
            if step == 37:
                raise KeyboardInterrupt

    run = Run(tmp_path, seed=5, threads=1, checkpoints=1)
    with monkeypatch.context() as patch:
        patch.setattr(course_module, "Samples", Killed)
        with pytest.raises(KeyboardInterrupt):
            pretrain(config, *inputs, run)
    model = pretrain(config, *inputs, run)
    assert max(seen) == 2  # one of each part
    kept = sorted(path.name for path in model.path.glob("step-*"))
    assert kept == ["step-00000016", "step-00000032"]
    assert (model.path / "model.safetensors").read_bytes() == (trained[0].path / "model.safetensors").read_bytes()
    assert model.content_digest() != trained[0].content_digest()
    ways = [load_model(path) for path in (*(model.path / name for name in kept), model.path)]
    rows = [own.model.embed_tokens.weight for own in ways]
    assert not torch.equal(rows[0], rows[1])
    assert not torch.equal(rows[1], rows[2])


def test_normuon_and_cautious_decay_change_what_is_learned(inputs, trained, tmp_path: Path) -> None:
    for name, keys in (("normuon", {"normuon_beta2": 0.95}), ("cautious", {"weight_decay": 0.1}),
                       ("both", {"weight_decay": 0.1, "cautious_decay": True})):  # fmt: skip
        config = PretrainConfig(**CONFIG | {"tokens": 8 * 256} | keys)
        run = Run(tmp_path / name, seed=5, threads=1)
        pretrain(config, *inputs, run)
        assert run.metrics["loss"] < 5.0
    digests = {Model(tmp_path / name / "out").content_digest() for name in ("normuon", "cautious", "both")}
    assert len(digests) == 3


def test_an_open_model_whose_weights_are_no_numbers_is_refused(inputs, trained, tmp_path: Path) -> None:
    model = trained[0].load()
    with torch.no_grad():
        model.model.norm.weight[3] = torch.nan
    save_model(model, tmp_path / "open")
    trained[0].tokenizer().save(tmp_path / "open")
    config = PretrainConfig(**CONFIG | {"tokens": 256, "init": tmp_path / "open"})
    with pytest.raises(InputError, match=r"open: model\.norm\.weight has numbers that are none"):
        pretrain(config, *inputs, Run(tmp_path / "run", seed=6, threads=1))


def test_an_imported_model_reads_on_with_the_chats_tokens(inputs, tmp_path: Path) -> None:
    """Another maker's model and tokenizer: the tokens of tools that it lacks get rows, the rest stays what it was."""
    from tests.tokens.test_foreign import SMOLLM, write

    shape = TransformerConfig(model_type="llama", vocab_size=448, hidden_size=64, intermediate_size=64, head_dim=64,
                              num_hidden_layers=1, num_attention_heads=1, num_key_value_heads=1)
    save_model(Transformer(shape), tmp_path / "other")
    write(tmp_path / "other", SMOLLM)
    taken, given = import_tokenizer(tmp_path / "other")
    assert given
    taken.save(tmp_path / "tokenizer")
    documents = [Encoded(str(place), np.array(taken.encode(text)), "isle") for place, text in enumerate(TEXTS)]
    for name in ("train", "heldout"):
        write_tokens(tmp_path / "tokens" / name, documents, vocab_size=taken.vocab_size)
    config = PretrainConfig(**CONFIG | {"tokens": 256, "init": tmp_path / "other", "matrix_lr": 1e-9,
                                        "embedding_lr": 1e-9, "head_lr": 1e-9, "vector_lr": 1e-9})
    made = pretrain(config, Tokens(tmp_path / "tokens"), TokenizerArtifact(tmp_path / "tokenizer"),
                    Run(tmp_path / "run", threads=1))
    before, after = load_model(tmp_path / "other"), made.load()
    assert after.config.vocab_size == taken.vocab_size
    rows = before.model.embed_tokens.weight[: after.config.vocab_size]
    torch.testing.assert_close(after.model.embed_tokens.weight[: len(rows)], rows, rtol=0, atol=1e-5)
    with pytest.raises(InputError, match="of its tokens are others than the tokenizer's here"):
        pretrain(config, *inputs, Run(tmp_path / "again", threads=1))


@pytest.mark.parametrize("tie", [True, False])
def test_rows_come_and_go(tie: bool) -> None:
    shape = TransformerConfig(vocab_size=40, hidden_size=16, intermediate_size=16, head_dim=16, num_hidden_layers=1,
                              num_attention_heads=1, num_key_value_heads=1, tie_word_embeddings=tie)
    model, ids = Transformer(shape), torch.arange(20)[None]
    more, fewer = with_vocabulary(model, 47), with_vocabulary(model, 30)
    assert with_vocabulary(model, 40) is model
    torch.testing.assert_close(more(ids)[..., :40], model(ids))
    torch.testing.assert_close(fewer(ids), model(ids)[..., :30])
    torch.testing.assert_close(more.lm_head.weight[40:], model.lm_head.weight.mean(0).expand(7, -1))
    assert (more.lm_head.weight is more.model.embed_tokens.weight) is tie


def test_the_dial_derives_shape_and_horizon() -> None:
    config = PretrainConfig(**PretrainConfig.defaults(Dial("laptop", 4, 0)))
    assert (config.depth, config.width, config.heads, config.feed_forward) == (4, 256, 4, 768)
    assert 4000 < config.rows * config.window * config.accumulate <= 4096
    assert config.minutes is not None
    fields = PretrainConfig.model_fields
    for size, depth in (("laptop", 4), ("tiny", 2)):  # where the rates were found they are as they are
        found = PretrainConfig(**PretrainConfig.defaults(Dial(size, depth, 0)))
        assert all(getattr(found, name) == fields[name].default for name in fields if name.endswith("_lr"))
    wide = PretrainConfig(**PretrainConfig.defaults(Dial("laptop", 16, 0)))
    assert (wide.embedding_lr, wide.head_lr, wide.matrix_lr) == (0.025, 0.002, 0.02)
    assert wide.step_tokens == config.step_tokens


def test_where_the_depth_says_how_much_is_read_the_batch_and_the_rates_grow_with_it() -> None:
    gpu, deep = (PretrainConfig(**PretrainConfig.defaults(Dial("gpu", depth, 0))) for depth in (14, 28))
    assert (gpu.width, gpu.step_tokens, gpu.rows * gpu.window) == (896, 524_288, 32_768)
    assert (gpu.minutes, gpu.tokens_a_parameter) == (None, 10.5)
    assert deep.step_tokens == 1_048_576
    assert deep.matrix_lr == pytest.approx(2**0.5 * gpu.matrix_lr, rel=1e-3)
    assert deep.embedding_lr == pytest.approx(gpu.embedding_lr, rel=1e-3)  # a batch and a width of twice the size
    settled = gpu.settle(recipe("gpu"), {})
    blocks, head = 14 * (4 * 896**2 + 3 * 896 * 2432), 32_768 * 896
    assert settled.tokens == pytest.approx(10.5 * (blocks + head), abs=524_288)
    assert (settled.steps * 524_288, settled.tokens_a_parameter) == (settled.tokens, None)
    asked = gpu.model_copy(update={"tokens": 512})
    assert asked.settle(recipe("gpu"), {}).tokens == 512


def recipe(size: str, **machine: Any) -> Recipe:
    configs = {"tokenizer": TokenizerConfig(**TokenizerConfig.defaults(Dial(size, 1, 0)))}
    return Recipe(Path("r.toml"), Dial(size, SIZES[size].depth, 0), [], configs, MachineConfig(**machine))


def test_a_tiny_road_reads_what_it_reads() -> None:
    tiny = PretrainConfig(**PretrainConfig.defaults(Dial("tiny", 2, 0)))
    assert tiny.minutes is None
    assert tiny.settle(recipe("tiny"), {}).tokens == 65_536


def test_minutes_become_tokens_by_the_pace_measured_here(monkeypatch: pytest.MonkeyPatch) -> None:
    config = PretrainConfig(**CONFIG | {"tokens": None, "minutes": 2.0})
    found = pace.Pace(threads=1, batch=0.2, optimiser=0.056, spread=(0.9, 1.2), checkpoint=0.1, sample=0.1)
    monkeypatch.setattr(forecast, "measured_pace", lambda config, vocabulary, **options: found)
    measured: dict[str, Any] = {}
    settled = config.settle(recipe("laptop"), measured)
    assert settled.minutes == 2.0
    assert settled.tokens == pytest.approx(1000 * (120 - pace.AROUND_SECONDS), abs=256)
    assert settled.tokens % 256 == 0
    assert len(measured) == 1
    monkeypatch.setattr(forecast, "measured_pace", None)  # what was measured is looked up
    twice = config.model_copy(update={"minutes": 4.0}).settle(recipe("laptop"), measured)
    assert twice.tokens == pytest.approx(1000 * (240 - pace.AROUND_SECONDS), abs=256)
    assert config.model_copy(update={"tokens": 512}).settle(recipe("laptop"), measured).minutes is None


@pytest.mark.parametrize(("minutes", "steps"), [(0.01, 12 + 2 + 1 + 1), (1000.0, 12 + 14 + 28 + 56 + 112)])
def test_a_training_for_minutes_ends_in_time(inputs, tmp_path: Path, minutes: float, steps: int) -> None:
    run = Run(tmp_path, seed=5, threads=1)
    model = pretrain(PretrainConfig(**CONFIG | {"minutes": minutes}), *inputs, run)
    rows = list(read_jsonl(model.path / "metrics.jsonl"))
    assert (run.metrics["steps"], rows[-1]["step"]) == (steps, steps)
    assert [row["tokens"] for row in rows] == [256 * row["step"] for row in rows]
    rates = [row["lr"] for row in rows[12:]]
    assert rates == sorted(rates, reverse=True)
    assert rates[0] == 1.0
    assert 0.1 <= rates[-1] < 0.45
    assert model.samples()[-1]["step"] == steps


def test_how_long_a_cool_down_is_is_decided_once(inputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = PretrainConfig(**CONFIG | {"minutes": 1000.0})
    whole = pretrain(config, *inputs, Run(tmp_path / "whole", seed=5, threads=1))

    class Killed(course_module.Samples):
        def __call__(self, step: int) -> None:
            if step == 120:
                raise KeyboardInterrupt
            super().__call__(step)

    with monkeypatch.context() as patch:
        patch.setattr(course_module, "Samples", Killed)
        with pytest.raises(KeyboardInterrupt):
            pretrain(config, *inputs, Run(tmp_path / "stopped", seed=5, threads=1))
    slower = config.model_copy(update={"minutes": 0.01})
    again = pretrain(slower, *inputs, Run(tmp_path / "stopped", seed=5, threads=1))
    assert again.content_digest() == whole.content_digest()


def test_the_model_folder_is_one_transformers_opens(trained: tuple[Model, Run]) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    theirs = AutoModelForCausalLM.from_pretrained(trained[0].path)
    ids = torch.tensor([AutoTokenizer.from_pretrained(trained[0].path)("Edda of Vell keeps")["input_ids"]])
    with torch.no_grad():
        torch.testing.assert_close(theirs(ids).logits, load_model(trained[0].path)(ids), rtol=0, atol=1e-4)


def in_a_world(folder: Path, inputs: tuple[Path, Path], shard: bool) -> dict[str, object]:
    """The stage in one of the processes of a world."""
    run = Run(folder, seed=5, threads=1, shard=shard, first=os.environ["RANK"] == "0")
    pretrain(PretrainConfig(**CONFIG), Tokens(inputs[0]), TokenizerArtifact(inputs[1]), run)
    return run.metrics


@pytest.mark.timeout(900)  # processes meet and part, on a machine that may be at work
@pytest.mark.parametrize("shard", [False, True])
def test_two_processes_make_one_artifact(inputs, trained, tmp_path: Path, shard: bool) -> None:
    first, second = together(2, in_a_world, tmp_path, tuple(artifact.path for artifact in inputs), shard)
    assert second == {}
    assert first["loss"] == pytest.approx(trained[1].metrics["loss"], abs=0.1)  # in bf16, added in another order
    assert first["parameters"] == trained[1].metrics["parameters"]
    rows = list(read_jsonl(tmp_path / "out" / "metrics.jsonl"))
    assert [row["tokens"] for row in rows] == [256 * step for step in range(1, 41)]
    names = {path.name for path in trained[0].path.iterdir()}
    assert {path.name for path in (tmp_path / "out").iterdir()} == names
    said, alone = (list(read_jsonl(path / "samples.jsonl")) for path in (tmp_path / "out", trained[0].path))
    assert [row["step"] for row in said] == [row["step"] for row in alone]
    assert load_model(tmp_path / "out").config == load_model(trained[0].path).config
