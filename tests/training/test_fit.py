"""The loop: one division, skipped steps, and resuming as if it had never stopped."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch

from hornbook.core.errors import DamagedError, HornbookError
from hornbook.models import Transformer, TransformerConfig
from hornbook.tokens.batch import Batch
from hornbook.tokens.loader import PackedBatches
from hornbook.training.checkpoint import Keep, newest_checkpoint, read_checkpoint
from hornbook.training.fit import FitResult, fit
from hornbook.training.loss import Loss
from hornbook.training.objectives.next_token import next_token
from hornbook.training.optimiser import Optimiser, Rates
from hornbook.training.schedule import constant, warmup_stable_cooldown

CONFIG = TransformerConfig(
    vocab_size=24, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=2,
    num_key_value_heads=1, head_dim=16,
)
STEPS = 12


def batches(rows: int = 4) -> PackedBatches:
    random = np.random.default_rng(0)
    texts = [np.cumsum(random.integers(0, 2, random.integers(3, 40))) % 24 for _ in range(60)]
    return PackedBatches(texts, None, window=16, rows=rows, seed=1)


def train(folder: Path | None, steps: int = STEPS, **options) -> tuple[Transformer, FitResult]:
    model = Transformer(CONFIG, seed=0)
    options = {"schedule": warmup_stable_cooldown(STEPS), "batches": batches(), "objective": next_token} | options
    parts = (options.pop(name) for name in ("batches", "objective"))
    schedule, rates = options.pop("schedule"), options.pop("rates", Rates())
    options = {"folder": folder, "device": "cpu", "steps": steps, "checkpoint_every": 5} | options
    return model, fit(model, *parts, Optimiser(model, rates), schedule, **options)


def weights(model: torch.nn.Module) -> bytes:
    return b"".join(parameter.detach().numpy().tobytes() for parameter in model.parameters())


def test_it_learns_and_logs(tmp_path: Path) -> None:
    seen = []
    _, result = train(tmp_path, on_step=lambda step, row: seen.append((step, row["loss"])))
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [step for step, _ in seen] == list(range(1, STEPS + 1))
    assert rows[-1]["loss"] == result.loss < 0.9 * rows[0]["loss"]
    assert {"lr", "gradient_norm", "tokens_per_second", "tokens", "weight", "skipped"} <= rows[0].keys()
    groups = ("matrices", "embedding", "head", "vectors")
    assert all(row[f"lr_{group}"] == getattr(Rates(), group) * row["lr"] for row in rows for group in groups)
    moved = [[row.get(f"update_{group}", 0.0) for group in groups] for row in rows]
    assert [any(each) for each in moved] == [row["step"] in (1, 11) for row in rows]
    assert all(0 < ratio < 0.5 for ratio in moved[0])
    assert result.tokens == rows[-1]["tokens"] == STEPS * 64
    assert (result.steps, result.skipped, result.resumed_from) == (STEPS, 0, None)


@pytest.mark.parametrize("rates", [Rates(), Rates(weight_decay=0.5, cautious=True, row_memory=0.9)])
def test_stopped_and_gone_on_is_never_stopped(tmp_path: Path, rates: Rates) -> None:
    whole, _ = train(tmp_path / "whole", rates=rates)
    for stop in (3, 5, 11):
        train(tmp_path / str(stop), steps=stop, rates=rates)
        torch.manual_seed(stop)  # whatever another process did meanwhile
        again, result = train(tmp_path / str(stop), rates=rates)
        assert result.resumed_from == stop
        assert weights(again) == weights(whole)
        rows = [json.loads(line) for line in (tmp_path / str(stop) / "metrics.jsonl").read_text().splitlines()]
        assert [row["step"] for row in rows] == list(range(1, STEPS + 1))
    _, result = train(tmp_path / "whole", rates=rates)
    assert (result.resumed_from, result.steps) == (STEPS, STEPS)


def test_killed_is_never_stopped(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent(f"""
        import os, signal, sys
        from pathlib import Path
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        from test_fit import train, weights
        def kill(step, row):
            if step == 8:
                os.kill(os.getpid(), signal.SIGKILL)
        train(Path(sys.argv[1]), on_step=kill)
    """))
    environment = os.environ | {"OMP_NUM_THREADS": str(torch.get_num_threads())}
    killed = subprocess.run([sys.executable, script, tmp_path / "run"], env=environment, capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    again, result = train(tmp_path / "run")
    assert result.resumed_from == 5
    assert weights(again) == weights(train(None)[0])


def test_a_damaged_checkpoint_is_named_and_the_one_before_is_used(tmp_path: Path) -> None:
    train(tmp_path, steps=10)
    newest = tmp_path / "checkpoint-00000010"
    tensors = newest / "tensors.safetensors"
    tensors.write_bytes(tensors.read_bytes()[:-7])
    warnings: list[str] = []
    again, result = train(tmp_path, warn=warnings.append)
    assert result.resumed_from == 5
    assert len(warnings) == 1
    assert str(newest) in warnings[0]
    assert weights(again) == weights(train(None)[0])


@pytest.mark.parametrize("name", ["state.json", "tensors.safetensors"])
def test_every_byte_of_a_checkpoint_counts(tmp_path: Path, name: str) -> None:
    train(tmp_path, steps=2)
    (checkpoint,) = tmp_path.glob("checkpoint-*")
    read_checkpoint(checkpoint)
    data = bytearray((checkpoint / name).read_bytes())
    data[len(data) // 2] ^= 1
    (checkpoint / name).write_bytes(data)
    with pytest.raises(DamagedError):
        read_checkpoint(checkpoint)
    (checkpoint / name).unlink()
    assert newest_checkpoint(tmp_path, lambda text: None) is None


def test_threads_are_those_the_training_began_with(tmp_path: Path) -> None:
    before = torch.get_num_threads()
    try:
        train(tmp_path, steps=2)
        torch.set_num_threads(before + 1)
        warnings: list[str] = []
        train(tmp_path, steps=3, warn=warnings.append)
        assert torch.get_num_threads() == before
        assert "threads" in warnings[0]
    finally:
        torch.set_num_threads(before)


def test_a_checkpoint_of_another_model_is_refused(tmp_path: Path) -> None:
    train(tmp_path, steps=1)
    model = Transformer(CONFIG.model_copy(update={"num_hidden_layers": 3}), seed=0)
    with pytest.raises(HornbookError, match="another model"):
        fit(model, batches(), next_token, Optimiser(model), constant, folder=tmp_path, device="cpu", steps=2)


def test_one_batch_of_four_rows_is_four_of_one() -> None:
    one, _ = train(None, steps=1)
    four, _ = train(None, steps=1, batches=batches(rows=1), accumulate=4)
    for a, b in zip(one.parameters(), four.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=2e-3)  # Newton-Schulz rounds in bf16


def test_a_step_that_is_not_finite_changes_nothing_and_is_counted(tmp_path: Path) -> None:
    def poisoned(model: Transformer, batch: Batch) -> Loss:
        loss = next_token(model, batch)
        bad = poisoned.calls == 1
        poisoned.calls += 1
        return Loss(loss.total * (float("nan") if bad else 1.0), loss.weight)

    poisoned.calls = 0
    states, warnings = {}, []
    model = Transformer(CONFIG, seed=0)
    result = fit(
        model, batches(), poisoned, Optimiser(model), constant, folder=tmp_path, device="cpu", steps=3,
        on_step=lambda step, row: states.update({step: weights(model)}), warn=warnings.append,
    )
    assert "step 2 was not finite: it changed nothing" in warnings[0]
    assert (result.skipped, result.steps) == (1, 3)
    assert states[1] == states[2] != states[3]
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert ["loss" in row for row in rows] == [True, False, True]


def test_a_loss_that_stays_not_finite_is_an_error() -> None:
    with pytest.raises(HornbookError, match="not finite for 26 steps in a row"):
        train(None, steps=100, objective=lambda model, batch: Loss(next_token(model, batch).total * torch.nan, 1.0))


def test_out_of_memory_halves_the_rows_and_changes_no_sum(tmp_path: Path) -> None:
    rows: list[int] = []

    def narrow(model: Transformer, batch: Batch) -> Loss:
        rows.append(len(batch.ids_BT))
        loss = next_token(model, batch)
        if len(batch.ids_BT) > 1:
            loss.total.backward(retain_graph=True)  # what was added before it failed must not count
            raise torch.OutOfMemoryError("not for so many rows")
        return loss

    warnings: list[str] = []
    halved, _ = train(tmp_path, steps=1, objective=narrow, warn=warnings.append)
    whole, _ = train(None, steps=1)
    assert rows == [4, 2, 1, 1, 1, 1]
    assert warnings[-1] == "out of memory: batches of 4 rows are cut into 4 from step 1 on, their sums are the same"
    for a, b in zip(halved.parameters(), whole.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=2e-3)  # Newton-Schulz rounds in bf16
    _, result = train(tmp_path, objective=narrow)
    assert result.resumed_from == 1
    assert rows[6:] == [1] * 4 * (STEPS - 1)

    def never(model: Transformer, batch: Batch) -> Loss:
        raise torch.OutOfMemoryError("not for one")

    with pytest.raises(HornbookError, match="out of memory with one row at a time"):
        train(None, objective=never)


@pytest.mark.parametrize("rows", [1, 3, 6, 9])
def test_pieces_go_down_to_single_rows_whatever_their_number(rows: int) -> None:
    seen: list[int] = []

    def narrow(model: Transformer, batch: Batch) -> Loss:
        seen.append(len(batch.ids_BT))
        if len(batch.ids_BT) > 1:
            raise torch.OutOfMemoryError("not for so many rows")
        return next_token(model, batch)

    train(None, steps=1, batches=batches(rows), objective=narrow)
    assert seen[-rows:] == [1] * rows


def test_which_checkpoints_stay(tmp_path: Path) -> None:
    train(tmp_path, checkpoint_every=1, keep=Keep(newest=3, every=4))
    assert [int(path.name[-2:]) for path in sorted(tmp_path.glob("checkpoint-*"))] == [4, 8, 10, 11, 12]


def test_the_gradient_is_clipped_and_metrics_are_means() -> None:
    def objective(model: Transformer, batch: Batch) -> Loss:
        return Loss(model.lm_head.weight.sum() * 100, 4.0, {"count": torch.tensor(8.0)})

    model = Transformer(CONFIG, seed=0)
    norms = []

    class Watched(Optimiser):
        def step(self, factor: float = 1.0, *, look: bool = False) -> dict[str, float]:
            norms.append(float(model.lm_head.weight.grad.norm()))
            return {}

    result = fit(
        model, batches(), objective, Watched(model, Rates()), constant, folder=None, device="cpu", steps=1, clip=0.5
    )
    assert norms == pytest.approx([0.5])
    assert result.metrics["count"] == 2.0
    assert result.metrics["gradient_norm"] == pytest.approx(25 * (24 * 32) ** 0.5)


def test_batches_may_end_before_the_steps_do() -> None:
    few = PackedBatches([np.arange(20)], None, window=16, rows=1, seed=0, epochs=2)
    assert train(None, batches=few)[1].steps < STEPS
