"""A run as its files would tell it, made by hand: every step, small, with something nasty in every text."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from hornbook.core.jsonl import write_jsonl
from hornbook.pipeline.record import Record

NASTY = '</script><script>alert("x")</script> & <b>bold</b> {{ 7 * 7 }}'


class MadeRun:
    """A run's folder in the making."""

    def __init__(self, folder: Path):
        self.folder, self.current = folder, {}
        folder.mkdir()

    def step(self, step: str, *, stage: str | None = None, metrics: dict | None = None, counts: dict | None = None,
             **files) -> Path:
        """One artifact with its record; `files` are name with "__" for the dot -> rows, or a dict for JSON."""
        path = self.folder / step / "tiny-000000"
        path.mkdir(parents=True)
        for name, content in files.items():
            file = path / name.replace("__", ".")
            if file.suffix == ".parquet":
                parquet.write_table(pa.Table.from_pylist(content), file)
            elif file.suffix == ".jsonl":
                write_jsonl(file, content)
            else:
                file.write_text(json.dumps(content))
        record = Record(
            step=step, stage=stage or step, version=1, identity="1" * 64, digest="d" * 64, kind="Artifact",
            config={"note": NASTY}, seed=0, size="tiny", depth=2, started="2026-11-22T03:00:00+00:00",
            seconds=2.5, peak_memory_bytes=2_000_000_000, counts=counts or {"inputs": 1200, "outputs": 1000},
            metrics=metrics or {}, warnings=[NASTY] if step == "crawl" else [], versions={"hornbook": "0.1.0"},
        )
        (path / "record.json").write_text(record.model_dump_json())
        self.current[step] = f"{step}/tiny-000000"
        (self.folder / "plan.json").write_text(json.dumps({"settled": {}, "current": self.current}))
        return path


def score(value: float, n: int = 1000, **more) -> dict:
    return {"value": value, "n": n, "interval": [value - 0.02, value + 0.02], **more}


def fixed(right: bool) -> list[dict]:
    return [{"figure": "fixed", "id": f"q{i}", "question": f"Who is {i}? {NASTY}", "answers": [NASTY], "said": NASTY,
             "right": right} for i in range(25)]


def losses(**more) -> list[dict]:
    return [{"step": i, "loss": 8 * math.exp(-i / 300) + 1, "tokens": i * 4096, **more} for i in range(1, 1201)]


@pytest.fixture
def made_run(tmp_path) -> MadeRun:
    return MadeRun(tmp_path / "isle")


@pytest.fixture
def whole_run(made_run) -> MadeRun:
    page = {"url": f"http://x/{NASTY}", "detail": NASTY}
    refused = [{**page, "outcome": "refused", "reason": reason} for reason in ["robots", "robots", "too large"]]
    made_run.step("crawl", pages__parquet=[{**page, "outcome": "taken", "reason": None}, *refused])
    corpus = made_run.step(
        "corpus",
        metrics={"personal": {"email": 3, "iban": 0}},
        documents__parquet=[{"id": str(i), "url": f"u{i}", "text": "kept"} for i in range(30)],
        heldout__parquet=[{"id": "h", "url": "h", "text": "kept"}],
        refused__parquet=[
            *({**row, "step": "crawl", "excerpt": None, "bytes": None} for row in refused),
            *({"url": "bad", "step": "filter", "reason": NASTY, "detail": "", "excerpt": NASTY * 10,
               "bytes": 1200} for _ in range(5)),
        ],
    )
    tags = [{"url": url, "bytes": 1200, "characters": 100.0, "words": 20.0} for url in map("u{}".format, range(30))]
    (corpus / "tags").mkdir()
    tags += [{**tags[0], "url": "h"}, *({**tags[0], "url": "bad"} for _ in range(5))]
    parquet.write_table(pa.Table.from_pylist(tags), corpus / "tags" / "0.parquet")
    made_run.step("tokenizer", metrics={"vocab_size": 1024})
    made_run.step("tokens", metrics={"train": {"bytes_per_token": 3.71}})
    share = {"source": NASTY, "tokens": 1234, "wanted": 0.5, "read": 0.4321, "epochs": 2.5}
    made_run.step("pretrain", metrics__jsonl=losses(), metrics={"mixture": {"text": [share, share | {"source": "*"}]}},
                  samples__jsonl=[{"step": s, "prompt": NASTY, "said": NASTY} for s in (100, 1200)])
    made_run.step("evaluate", answers__jsonl=fixed(False), scores__json={
        "bpb": {"value": 1.1}, "bpb_xz": {"value": 1.9}, "bpb_5gram": {"value": 1.3}, "qa": score(0.1)})
    made_run.step("conversations", metrics={"origins": {"page": 900, "person": 3}, "simulated": 0})
    made_run.step("sft", metrics__jsonl=[*losses(round=1)[:50], *losses(round=2)[:50]])
    made_run.step("evaluate_sft", stage="evaluate", answers__jsonl=fixed(True), scores__json={
        "qa": score(0.85), "math": score(0.4), "qa_unasked": score(0.5, chance=0.25), "refusal_right": score(0.7)})
    made_run.step("preferences", comparisons__jsonl=[
        {"id": str(i), "prompt": [{"role": "user", "content": NASTY}], "answers": ["a", NASTY, "c"],
         "ranking": [[1], [0, 2]], "rater": "program", "rater_kind": "program", "simulated": True} for i in range(9)])
    made_run.step("reward", metrics__jsonl=losses()[:40], metrics={
        "reward_accuracy": 0.81, "reward_ceiling": 0.86, "reward_length_only": 0.6})
    made_run.step("rl", metrics={"math_sft_more": 0.45, "rl_kl": 3.2}, **{
        f"metrics-{part}__jsonl": [{"step": i, "reward": i / 100, "kl": i / 50, "length": 20.0} for i in range(100)]
        for part in ("grpo", "ppo")
    }, **{"samples-grpo__jsonl": [{"step": 1, "prompt": NASTY, "answer": NASTY, "reward": None}]})
    made_run.step("evaluate_rl", stage="evaluate", answers__jsonl=fixed(True), scores__json={
        "qa": score(0.84), "math": score(0.97), "qa_unasked": score(0.52, chance=0.25), "rl_wins": score(0.7),
        "rl_length_ratio": {"value": None, "why": "nobody counted"}})
    return made_run
