"""One whole training of ours or of nanochat's, in a process of its own.

    python -m benchmarks.pretrain.learners NAME PLAN

PLAN is JSON (`Plan`). One JSON object comes out: bits per byte of the held-out pages, parameters, tokens read, seconds
of its steps. Both read the same rows in the same order, and are asked about the same bytes.
"""

from __future__ import annotations

import ast
import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from benchmarks.pretrain.trainers import ENVIRONMENTS, Shape, lacking
from benchmarks.results import Absent
from hornbook.core.processes import cores
from hornbook.core.seeds import derive
from hornbook.tokens.loader import PackedBatches

LONGEST_WARMUP = 0.1  # of the steps: nanochat's 40 are for runs of thousands, and fewer serve it better here


@dataclass(frozen=True)
class Plan:
    """What to train, on which text (`Text.save`), and how long."""

    text: str
    steps: int
    seed: int = 0
    shape: Shape = field(default_factory=Shape)

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, given: str) -> Plan:
        values = json.loads(given)
        return cls(**values | {"shape": Shape(**values["shape"])})


@dataclass(frozen=True)
class Text:
    """Pages as tokens: those to learn from, those held out, and how many bytes the latter are."""

    train: list[np.ndarray]
    heldout: list[np.ndarray]
    heldout_bytes: int

    def save(self, path: Path) -> None:
        parts = {name: np.concatenate(pages) for name, pages in (("train", self.train), ("heldout", self.heldout))}
        ends = {f"{name}_ends": np.cumsum([len(page) for page in getattr(self, name)]) for name in parts}
        np.savez(path, heldout_bytes=self.heldout_bytes, **parts, **ends)  # pyright: ignore[reportArgumentType]

    @classmethod
    def load(cls, path: str) -> Text:
        kept = np.load(path)
        train, heldout = (np.split(kept[name], kept[f"{name}_ends"][:-1]) for name in ("train", "heldout"))
        return cls(train, heldout, int(kept["heldout_bytes"]))

    def batches(self, plan: Plan) -> PackedBatches:
        seed = derive(plan.seed, "order")
        return PackedBatches(self.train, None, window=plan.shape.window, rows=plan.shape.rows, seed=seed)

    def bits_per_byte(self, plan: Plan, nats: Callable[[Any], float]) -> float:
        """Of every held-out token but each page's first; `nats` is the loss of a batch, summed."""
        pages = PackedBatches(self.heldout, None, window=plan.shape.window, rows=plan.shape.rows, seed=0, epochs=1)
        return sum(nats(batch) for batch in pages) / math.log(2) / self.heldout_bytes


def learn(name: str, plan: Plan) -> dict[str, float]:
    """Train in a process of its own. Raises Absent where what it needs is not here."""
    if lacking(name):
        raise Absent(lacking(name))
    command = [sys.executable, "-m", "benchmarks.pretrain.learners", name, plan.to_json()]
    found = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=os.environ | ENVIRONMENTS[name], check=True)
    return json.loads(found.stdout)


def ours(plan: Plan, text: Text) -> dict[str, float]:
    """The road's own model, rates and schedule, at the plan's shape, through `fit`."""
    import torch

    from hornbook.models.device import use_processor
    from hornbook.pipeline.config import Dial
    from hornbook.road.learner import build, rates
    from hornbook.road.pretrain_config import PretrainConfig
    from hornbook.training.batch import on_device
    from hornbook.training.fit import fit
    from hornbook.training.objectives.next_token import next_token
    from hornbook.training.optimiser import Optimiser
    from hornbook.training.schedule import warmup_stable_cooldown

    use_processor(cores())
    shape = plan.shape
    config = PretrainConfig.model_validate(PretrainConfig.defaults(Dial("laptop", shape.depth, plan.seed)) | {
        "width": shape.width, "heads": shape.heads, "key_value_heads": shape.heads, "feed_forward": shape.inner,
        "window": shape.window, "rows": shape.rows, "accumulate": 1, "tokens": plan.steps * shape.tokens,
    })  # fmt: skip
    model = build(config, shape.vocabulary, seed=derive(plan.seed, "weights"), device="cpu")
    schedule = warmup_stable_cooldown(
        plan.steps, warmup=config.warmup, cooldown=config.cooldown, floor=config.floor
    )
    result = fit(
        model, text.batches(plan), next_token, Optimiser(model, rates(config)), schedule, folder=None, device="cpu",
        steps=plan.steps,
    )  # fmt: skip
    with torch.no_grad():
        bits = text.bits_per_byte(plan, lambda batch: float(next_token(model, on_device(batch, "cpu")).total))
    return _told(bits, result.seconds, model.parameters(), plan)


def nanochat(plan: Plan, text: Text) -> dict[str, float]:
    """nanochat's model, optimiser, rates and schedules, from the checkout; its precision is NANOCHAT_DTYPE's."""
    import torch

    folder = os.environ["HORNBOOK_NANOCHAT"]
    sys.path.insert(0, folder)
    from nanochat.gpt import GPT, GPTConfig  # pyright: ignore[reportMissingImports]

    torch.set_num_threads(cores())
    torch.manual_seed(plan.seed)
    shape = plan.shape
    shared: dict[str, Any] = {"sequence_len": shape.window, "vocab_size": shape.vocabulary, "window_pattern": "L"}
    model = GPT(GPTConfig(
        **shared, n_layer=shape.depth, n_head=shape.heads, n_kv_head=shape.heads, n_embd=shape.width
    ))  # fmt: skip
    model.init_weights()
    script = NanochatScript(Path(folder), plan.steps)
    optimiser = model.setup_optimizer(**script.rates())

    def loss(batch: Any, reduction: str) -> torch.Tensor:
        ids_BT = torch.from_numpy(batch.ids_BT).long()
        targets_BT = torch.from_numpy(np.where(batch.weights_BT > 0, batch.targets_BT, -1)).long()
        return model(ids_BT, targets_BT, loss_reduction=reduction)

    seconds = 0.0
    for step, batch in zip(range(plan.steps), text.batches(plan), strict=False):
        started = time.perf_counter()
        loss(batch, "mean").backward()
        script.set_rates(optimiser, step)
        optimiser.step()
        model.zero_grad(set_to_none=True)
        seconds += time.perf_counter() - started
    with torch.no_grad():
        bits = text.bits_per_byte(plan, lambda batch: float(loss(batch, "sum")))
    return _told(bits, seconds, model.parameters(), plan)


class NanochatScript:
    """The rates, and the schedules of rate, momentum and decay, that scripts/base_train.py of the checkout has for so
    many steps. It is a script and cannot be imported: its defaults and its three functions are read out of it.

    Two things are not as there. It multiplies every rate with the root of the batch over 2**19 tokens, 0.09 here, and
    the decay with a number of the same kind: a rule for horizons of far more steps, left out, so that the rates are
    those of `setup_optimizer`'s caller. And the warm-up is no longer than a tenth of the run.
    """

    FUNCTIONS = ("get_lr_multiplier", "get_muon_momentum", "get_weight_decay")
    RATES = ("unembedding_lr", "embedding_lr", "scalar_lr", "matrix_lr", "weight_decay")
    SCHEDULE = ("warmup_steps", "warmdown_ratio", "final_lr_frac")

    def __init__(self, folder: Path, steps: int):
        script = folder / "scripts" / "base_train.py"
        tree = ast.parse(script.read_text(encoding="utf-8"))
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
        flags = [call for call in calls if isinstance(call.func, ast.Attribute) and call.func.attr == "add_argument"]
        named = {_name(flag): flag for flag in flags}
        self.flags = SimpleNamespace(**{name: _default(named[name]) for name in (*self.RATES, *self.SCHEDULE)})
        self.flags.warmup_steps = max(1, min(self.flags.warmup_steps, round(LONGEST_WARMUP * steps)))
        functions: list[ast.stmt] = [
            node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name in self.FUNCTIONS
        ]
        known = {
            "args": self.flags, "math": math, "num_iterations": steps, "weight_decay_scaled": self.flags.weight_decay,
        }  # fmt: skip
        exec(compile(ast.Module(functions, []), str(script), "exec"), known)
        self.factor, self.momentum, self.decay = (known[name] for name in self.FUNCTIONS)

    def rates(self) -> dict[str, float]:
        """What `setup_optimizer` asks for."""
        return {name: getattr(self.flags, name) for name in self.RATES}

    def set_rates(self, optimiser: Any, step: int) -> None:
        """As its loop does before every step."""
        for group in optimiser.param_groups:
            group["lr"] = group["initial_lr"] * self.factor(step)
            if group["kind"] == "muon":
                group["momentum"], group["weight_decay"] = self.momentum(step), self.decay(step)


def _name(flag: ast.Call) -> str:
    return ast.literal_eval(flag.args[0]).removeprefix("--").replace("-", "_")


def _default(flag: ast.Call) -> Any:
    return ast.literal_eval(next(keyword.value for keyword in flag.keywords if keyword.arg == "default"))


def _told(bits: float, seconds: float, parameters: Iterable[Any], plan: Plan) -> dict[str, float]:
    count, tokens = sum(parameter.numel() for parameter in parameters), plan.steps * plan.shape.tokens
    return {"bits_per_byte": bits, "parameters": count, "tokens": tokens, "seconds": seconds}


LEARNERS: dict[str, Callable[[Plan, Text], dict[str, float]]] = {
    "ours_bf16": ours, "nanochat_fp32": nanochat, "nanochat_bf16": nanochat,
}  # fmt: skip


def main() -> None:
    name, plan = sys.argv[1], Plan.from_json(sys.argv[2])
    answers, sys.stdout = sys.stdout, sys.stderr  # what peers print is no answer
    print(json.dumps(LEARNERS[name](plan, Text.load(plan.text))), file=answers)


if __name__ == "__main__":
    main()
