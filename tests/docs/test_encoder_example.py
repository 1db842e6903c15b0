"""The encoder's example in the book does what the text beside it says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
import transformers

from tests.docs.tables import BOOK


def test_the_example_trains_saves_and_pools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (BOOK / "05-pretrain.md").read_text("utf-8").partition("## Models that read both ways")[2]
    example = re.findall(r"```python\n(.*?)```", page, re.DOTALL)[0]
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    exec(compile(example, "05-pretrain.md", "exec"), names)
    assert names["vector_BD"].norm().item() == pytest.approx(1.0, abs=1e-5)
    assert len((tmp_path / "encoder-training" / "metrics.jsonl").read_text().splitlines()) == 20
    theirs = transformers.AutoModelForMaskedLM.from_pretrained(tmp_path / "encoder")
    with torch.no_grad():
        logits = names["reader"](names["ids_BT"])
        torch.testing.assert_close(theirs(names["ids_BT"]).logits, logits, rtol=1e-5, atol=1e-5)
