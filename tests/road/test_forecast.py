"""What pretraining will take here: by arithmetic what fits, by measuring how long; nothing is kept from the reader."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hornbook.core.errors import InputError
from hornbook.pipeline.config import Dial
from hornbook.pipeline.recipe import MachineConfig, Recipe
from hornbook.road import forecast, room
from hornbook.road.here import document_tokens
from hornbook.road.pace import Pace, affordable, candidates, measured_pace
from hornbook.road.pace_trial import PaceTrial
from hornbook.road.pretrain_config import PretrainConfig
from hornbook.road.reward import RewardConfig
from hornbook.road.rl import RlConfig
from hornbook.road.sft import SftConfig
from hornbook.road.tokenizer import TokenizerConfig
from hornbook.tokens.shards import Encoded, write_tokens

CONFIG = PretrainConfig(
    depth=2, width=64, heads=1, key_value_heads=1, feed_forward=128, window=64, rows=4, accumulate=2, tokens=40 * 512,
    induction=False,
)  # fmt: skip


def recipe(**machine: Any) -> Recipe:
    machine = {"device": "cpu", **machine}
    configs = {"tokenizer": TokenizerConfig(vocab_size=512)}
    return Recipe(Path("r.toml"), Dial("laptop", 2, 0), [], configs, MachineConfig(**machine))


def test_a_pace_is_measured_and_leaves_no_trace(tmp_path: Path) -> None:
    threads = torch.get_num_threads()
    pace = measured_pace(CONFIG, 512, device="cpu", compile=False, threads=None, folder=tmp_path, seconds=0.05)
    assert pace.threads in candidates("cpu")
    assert min(pace.batch, pace.optimiser, pace.checkpoint, pace.sample) > 0
    assert pace.spread[0] <= 1 <= pace.spread[1]
    assert pace.step(3) == pytest.approx(3 * pace.batch + pace.optimiser)
    assert torch.get_num_threads() == threads
    assert list(tmp_path.iterdir()) == []
    assert measured_pace(CONFIG, 512, device="cpu", compile=False, threads=1, seconds=0.01).threads == 1


def test_a_large_step_is_tried_with_fewer_layers_and_then_rows() -> None:
    large = PretrainConfig(depth=24, width=1536, heads=24, key_value_heads=24, feed_forward=4096, window=2048, rows=64)
    part = affordable(large, 32_768, "cpu")
    assert (part.rows, part.depth) == (1, 2)
    narrow = {"width": 512, "heads": 8, "key_value_heads": 8, "feed_forward": 1536, "window": 512, "rows": 6}
    part = affordable(large.model_copy(update=narrow), 16_384, "cpu")
    assert (part.rows, part.depth) == (6, 2)
    assert affordable(CONFIG, 512, "cpu") == CONFIG
    middle = affordable(CONFIG.model_copy(update={"rows": 100_000}), 512, "cpu")
    assert 1 < middle.rows < 100_000
    assert middle.depth == 2


def test_the_forecast_adds_up() -> None:
    pace = Pace(threads=2, batch=0.5, optimiser=0.25, spread=(0.9, 1.5), checkpoint=2.0, sample=0.5)
    asked = recipe()
    measured = {forecast._key(CONFIG, asked): pace.__dict__ | {"spread": list(pace.spread)}}
    found = forecast.estimate(CONFIG, asked, measured, thorough=False)
    assert CONFIG.parts == (12, 28)  # a checkpoint every ten steps, and one at the end of each part
    assert found.seconds == pytest.approx(40 * 1.25 + 2.0 * (2 + 3) + 6 * 0.5 + forecast.START_SECONDS)
    assert found.between == pytest.approx((found.seconds - 0.1 * 50, found.seconds + 0.5 * 50))
    assert (found.threads, found.figures["steps"], found.figures["tokens"]) == (2, 40, 40 * 512)
    minutes = CONFIG.model_copy(update={"minutes": 3.0})
    assert forecast.estimate(minutes, asked, measured, thorough=False).seconds == 180


def test_a_busy_machine_is_measured_again_and_the_best_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    def pace(batch: float, others: float) -> Pace:
        return Pace(2, batch, 0.0, (0.9, 1.1), checkpoint=0.0, sample=0.0, others=others)

    found = iter([pace(6.0, 0.5), pace(9.0, 0.6), pace(3.0, 0.4), pace(4.0, 0.0), pace(1.0, 0.0)])
    monkeypatch.setattr(forecast, "measured_pace", lambda *_, **__: next(found))
    measured: dict[str, Any] = {}
    minutes = CONFIG.model_copy(update={"minutes": 3.0, "tokens": None})
    told = [forecast.estimate(CONFIG, recipe(), measured, thorough=True)]
    assert not minutes.sure(recipe(), measured)
    assert CONFIG.sure(recipe(), measured)
    told += [forecast.estimate(CONFIG, recipe(), measured, thorough=True) for _ in range(4)]
    around = forecast.START_SECONDS
    assert [each.seconds - around for each in told if each.seconds] == pytest.approx([480, 480, 240, 320, 320])
    assert [each.doubt and each.doubt[:28] for each in told] == [
        "other programs took 50% of t", "other programs took 50% of t", "other programs took 40% of t", None, None,
    ]  # fmt: skip
    assert minutes.sure(recipe(), measured)
    assert next(found).batch == 1.0  # a quiet machine's is not measured again


def test_documents_are_as_long_as_those_of_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HORNBOOK_RUNS", str(tmp_path))
    assert document_tokens(recipe(), 512) == 512
    measured = {forecast._key(CONFIG, recipe()): "while nothing was known"}
    ids = [np.arange(length) % 512 for length in (100, 300, 1000)]
    folder = tmp_path / "r" / "tokens" / "laptop-123456"
    write_tokens(folder / "train", [Encoded(str(x), each, "") for x, each in enumerate(ids)], vocab_size=512)
    (folder / "record.json").write_text("{}")
    plan = {"current": {"tokens": "tokens/laptop-123456"}}
    (tmp_path / "r" / "plan.json").write_text(json.dumps(plan))
    # 1000 is cut into 512 and 488: of 1400 tokens 512 stand in one of 512, 488 in one of 488, 300 and 100 likewise
    mean = (512**2 + 488**2 + 300**2 + 100**2) / 1400
    assert document_tokens(recipe(), 512) == round(mean / 64) * 64 == 448
    assert document_tokens(recipe(), 64) == 64
    assert forecast._key(CONFIG.model_copy(update={"window": 512}), recipe()) not in measured


def test_a_trial_reads_rows_full_of_such_documents() -> None:
    batch = next(PaceTrial(CONFIG, 512, "cpu", False, 24).batches)
    assert batch.documents_BT.tolist() == [[0] * 24 + [1] * 24 + [2] * 16] * CONFIG.rows
    whole = next(PaceTrial(CONFIG, 512, "cpu", False, 64).batches)
    assert (whole.documents_BT == 0).all()


def test_who_does_not_ask_waits_for_nothing() -> None:
    measured: dict[str, Any] = {}
    assert forecast.estimate(CONFIG, recipe(), measured, thorough=False).seconds is None
    assert measured == {}


def test_what_does_not_fit_is_refused_with_what_would(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forecast, "memory_of", lambda device: 1_000_000_000)
    wide = CONFIG.model_copy(update={"width": 256, "heads": 4, "rows": 48, "window": 512, "depth": 4, "accumulate": 1})
    with pytest.raises(InputError, match=r"needs \S+ GB of memory at its peak, and there are 1.0 GB; set") as refused:
        forecast.estimate(wide, recipe(), {}, thorough=False)
    settings = dict(part.split(" = ") for part in str(refused.value).split("set ")[1].split(":")[0].split(" and "))
    fitting = wide.model_copy(update={key.removeprefix("pretrain."): int(value) for key, value in settings.items()})
    assert fitting.step_tokens == wide.step_tokens
    assert sum(forecast.estimate(fitting, recipe(), {}, thorough=False).memory.values()) <= 1_000_000_000
    with pytest.raises(InputError, match=r"lower depth, pretrain\.window or tokenizer\.vocab_size"):
        forecast.estimate(wide.model_copy(update={"depth": 400}), recipe(), {}, thorough=False)


@pytest.mark.parametrize(("section", "config", "needs"), [
    ("sft", SftConfig(rows=512), r"needs \S+ GB of memory at its peak, and there are 1.0 GB; lower sft.rows, sft.wind"),
    ("reward", RewardConfig(), "needs at least .* there are 1.0 GB; lower depth or tokenizer.vocab_size"),
    ("rl", RlConfig(), "needs at least .* there are 1.0 GB; lower depth or tokenizer.vocab_size"),
    ("rl", RlConfig(ppo_steps=0, dpo=True), "needs at least .* there are 1.0 GB; lower depth"),
])  # fmt: skip
def test_what_later_stages_hold_is_refused_before_they_begin(
    section: str, config: Any, needs: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = CONFIG.model_copy(update={"width": 1024, "heads": 16, "feed_forward": 4096, "depth": 4})
    asked = recipe()
    asked.configs["pretrain"] = large
    monkeypatch.setattr(room, "memory_of", lambda device: 1_000_000_000)
    with pytest.raises(InputError, match=needs) as refused:
        config.estimate(asked, {}, thorough=False)
    assert str(refused.value).startswith(f"[{section}]: ")
    assert "\n" not in str(refused.value)
    asked.configs["pretrain"] = CONFIG
    small = config.model_copy(update={"rows": 2}) if section == "sft" else config
    told = small.estimate(asked, {}, thorough=False)
    assert told is None or 0.3e9 < sum(told.memory.values()) < 1e9
    del asked.configs["pretrain"]  # a road that begins with somebody's model
    assert config.estimate(asked, {}, thorough=False) is None


@pytest.mark.parametrize(("changes", "says"), [
    ({"heads": 3, "key_value_heads": 2}, r"\[pretrain\]: num_attention_heads 3 must be a multiple of"),
    ({"depth": 100_000}, r"\[pretrain\]: num_hidden_layers: Input should be less"),
    ({"window": 10**12}, r"\[pretrain\]: max_position_embeddings: Input should be less"),
    ({"width": 64 * 10**12}, "of memory at its peak"),
])  # fmt: skip
def test_parts_that_do_not_fit_are_one_line(changes: dict[str, int], says: str) -> None:
    with pytest.raises(InputError, match=says) as caught:
        forecast.estimate(CONFIG.model_copy(update=changes), recipe(), {}, thorough=False)
    assert "\n" not in str(caught.value)


def test_a_gpu_that_is_not_here_is_said_before_anything_is_measured() -> None:
    name = f"cuda:{torch.cuda.device_count()}"
    with pytest.raises(InputError, match=rf"device = '{name}': torch finds \d+ GPUs? here; set device = \"cpu\""):
        forecast.estimate(CONFIG, recipe(device=name), {}, thorough=True)


def test_models_that_are_kept_take_their_time() -> None:
    kept = CONFIG.model_copy(update={"keep_every": 10})  # four models, each a third of a checkpoint
    assert forecast._checkpoints(kept) == pytest.approx(forecast._checkpoints(CONFIG) + 4 / 3)
