"""Models that are none, or not whole, or another than they say, as a stranger may send them: one line on the command
line each, never a traceback, and never more than a moment."""

from __future__ import annotations

import json
import os
import re
import shutil
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from hornbook.cli import main
from hornbook.cli.import_model import import_model
from hornbook.core.errors import HornbookError
from hornbook.models import save_model
from hornbook.models.gguf.writing import write_gguf
from hornbook.models.weights import read_weights, write_safetensors
from hornbook.serving.chat import Chat
from tests.models.gguf.conftest import small
from tests.tokens.test_foreign import SMOLLM, write

Made = Callable[[Path], Any]


@pytest.fixture(scope="module")
def good(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("good") / "good"
    save_model(small("llama", tie_word_embeddings=True), folder)
    write(folder, SMOLLM, pad_token="<|im_end|>")
    write_gguf(folder, folder.parent / "good.gguf", "f32", said={})
    return folder


@pytest.fixture
def said(tmp_path, monkeypatch, capsys) -> Callable[..., tuple[int, str]]:
    """The status and the last line of a command; it may have said no more than that one line."""
    monkeypatch.setenv("HORNBOOK_RUNS", str(tmp_path / "runs"))
    monkeypatch.chdir(tmp_path)

    def call(*words: object) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["hornbook", *map(str, words)])
        with pytest.raises(SystemExit) as left:
            main()
        lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("hornbook: ")]
        return int(left.value.code or 0), lines[0] if len(lines) == 1 else f"{len(lines)} lines"

    return call


def left(folder: Path) -> list[str]:
    """What lies there and in its folder of runs, which may come to be, with its index, but no run in it."""
    runs = [path.relative_to(folder).as_posix() for path in folder.glob("runs/*") if path.is_dir()]
    return sorted([path.name for path in folder.iterdir() if path.name != "runs"] + runs)


def config(**changes: Any) -> Made:
    def change(folder: Path) -> None:
        values = json.loads((folder / "config.json").read_text()) | changes
        (folder / "config.json").write_text(json.dumps(values))

    return change


def weights(change: Callable[[dict[str, torch.Tensor]], Any]) -> Made:
    def changed(folder: Path) -> None:
        tensors = read_weights(folder)
        change(tensors)
        write_safetensors(folder / "model.safetensors", tensors)

    return changed


def header(text: bytes, length: int | None = None) -> Made:
    data = struct.pack("<Q", len(text) if length is None else length) + text + bytes(64)
    return lambda folder: (folder / "model.safetensors").write_bytes(data)


def text(name: str, content: str) -> Made:
    return lambda folder: (folder / name).write_text(content)


def tokenizer(change: Callable[[dict[str, Any]], Any]) -> Made:
    def changed(folder: Path) -> None:
        values = json.loads((folder / "tokenizer.json").read_text())
        change(values)
        (folder / "tokenizer.json").write_text(json.dumps(values))

    return changed


def piped(folder: Path) -> None:
    (folder / "config.json").unlink()
    os.mkfifo(folder / "config.json")


NORM, FAR = "model.norm.weight", {"content": "<far>", "special": True, "single_word": False, "lstrip": False,
                                  "rstrip": False, "normalized": False}  # fmt: skip
FOLDERS: dict[str, tuple[Made, str]] = {
    "heads that do not come out": (config(num_attention_heads=5), "must be a multiple of"),
    "no width": (config(hidden_size=0), "hidden_size: Input should be greater than 0"),
    "endless blocks": (config(num_hidden_layers=10**9), "num_hidden_layers: Input should be less than"),
    "an endless window": (config(max_position_embeddings=10**15), "max_position_embeddings: Input should be less"),
    "an endless head": (config(head_dim=10**9), "its config asks for"),
    "another vocabulary": (config(vocab_size=100), r"embed_tokens\.weight is \(420, 64\), its config asks for \(100"),
    "another family": (config(model_type="mamba"), "model_type 'mamba' is not one Hornbook reads"),
    "positions without numbers": (config(rope_scaling={"rope_type": "llama3"}), "factor: Field required"),
    "no number": (config(rms_norm_eps=float("nan")), r"config\.json: not JSON \(NaN is no number\)"),
    "a number too large": (text("config.json", '{"a": 1e999}'), "not JSON"),
    "an integer too long": (text("config.json", '{"a": ' + "9" * 5000 + "}"), "not JSON"),
    "nested without end": (text("config.json", '{"a":' * 99_999), "not JSON"),
    "a pipe": (piped, r"config\.json: the file is not there"),
    "cut weights": (lambda folder: os.truncate(folder / "model.safetensors", 9_000), "not a whole safetensors file"),
    "an endless header": (header(b"{}", 1 << 62), "not a whole safetensors file"),
    "offsets that go back": (header(b'{"a":{"dtype":"F32","shape":[4],"data_offsets":[16,0]}}'), "not a whole"),
    "shapes past all bounds": (
        header(b'{"a":{"dtype":"F32","shape":[4611686018427387904,9],"data_offsets":[0,16]}}'), "not a whole"),
    "integers for weights": (header(b'{"a":{"dtype":"I64","shape":[8],"data_offsets":[0,64]}}'), "a is of type I64"),
    "a pickle": (lambda folder: (folder / "model.safetensors").write_bytes(b"\x80\x04cos\nsystem\n"), "not a whole"),
    "a tensor that lacks": (weights(lambda tensors: tensors.pop(NORM)), "norm.weight is missing"),
    "one too many": (weights(lambda tensors: tensors.update(extra=torch.ones(3))), "asks for no such tensor"),
    "another shape": (weights(lambda tensors: tensors.update({NORM: torch.ones(65)})), r"is \(65,\), its config"),
    "weights that are no numbers": (
        weights(lambda tensors: tensors[NORM].fill_(torch.nan)), r"bad/model\.safetensors: .* numbers that are none"),
    "infinite weights": (weights(lambda tensors: tensors[NORM].fill_(torch.inf)), "numbers that are none"),
    "parts elsewhere": (lambda folder: ((folder / "model.safetensors").unlink(), (
        folder / "model.safetensors.index.json").write_text('{"weight_map": {"a": "../../b"}}')), "lies outside"),
    "a token without a row": (
        tokenizer(lambda it: it["added_tokens"].append({"id": 9999, **FAR})), "10,000 tokens, the model 420"),
    "a token at the end of the world": (
        tokenizer(lambda it: it["added_tokens"].append({"id": 10**9, **FAR})), "its ids go from"),
    "no vocabulary": (tokenizer(lambda it: it["model"].update(vocab={})), "this is no tokenizer"),
    "quantised weights": (
        config(quantization_config={"quant_method": "gptq"}), r"config\.json: its weights are quantised .*: gptq\)"),
    "a template that is none": (text("chat_template.jinja", "{% if %}"), r"chat template cannot be read \(Expected an"),
    "an end that is none": (text("generation_config.json", '{"eos_token_id": "no"}'), "this is no tokenizer"),
}  # fmt: skip


BESIDE = ("a token", "no vocabulary", "an end")  # what is not the weights goes along, as it is, from folder to folder
DAMAGED = {  # the others are whole, and say what is not read, or what cannot be
    "an endless head", "another vocabulary", "no number", "a number too large", "an integer too long",
    "nested without end", "cut weights", "an endless header", "offsets that go back", "shapes past all bounds",
    "a pickle", "a tensor that lacks", "one too many", "another shape", "a token at the end of the world",
    "no vocabulary", "an end that is none",
}  # fmt: skip


@pytest.mark.parametrize("name", FOLDERS)
def test_a_folder_that_is_no_model_is_one_line(good: Path, tmp_path: Path, said, name: str) -> None:
    spoil, says = FOLDERS[name]
    shutil.copytree(good, tmp_path / "bad")
    spoil(tmp_path / "bad")
    commands = [("import", "bad")]
    if "template" not in name:  # it goes along as it is
        commands += [("export", "bad", "--to", "gguf")]
        commands += [] if name.startswith(BESIDE) else [("export", "bad", "--to", "hf")]
    for words in commands:
        status, line = said(*words)
        assert status == (4 if name in DAMAGED else 3), line
        assert re.search(says, line), line
    assert left(tmp_path) == ["bad"]
    try:
        Chat.bare(tmp_path / "bad", "bad", slots=1)
    except HornbookError as error:
        assert error.exit_code == status or "the memory does not hold" in str(error)  # noqa: PT017


def field(key: str, new: bytes) -> Callable[[bytes], bytes]:
    """The file with the number under a key overwritten."""

    def change(whole: bytes) -> bytes:
        at = whole.index(key.encode()) + len(key) + 4
        return whole[:at] + new + whole[at + len(new) :]

    return change


FILES: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "cut": (lambda whole: whole[:-100], "lies outside it"),
    "cut in its header": (lambda whole: whole[:400], "ends within its header"),
    "nothing": (lambda whole: b"", "this is no GGUF file"),
    "endless tensors": (lambda whole: whole[:8] + struct.pack("<Q", 1 << 60) + whole[16:], "more than it can hold"),
    "no blocks": (field("llama.block_count", bytes(4)), "num_hidden_layers: Input should be greater"),
    "endless blocks": (field("llama.block_count", b"\xff" * 4), "4,294,967,295 blocks cannot be"),
    "seven heads": (field("llama.attention.head_count", struct.pack("<I", 7)), "must be a multiple of"),
    "no number": (field("llama.rope.freq_base", struct.pack("<f", float("nan"))), "should be a finite number"),
    "no numbers in its weights": (
        lambda whole: whole[:-8] + struct.pack("<ff", float("nan"), 1), r"bad\.gguf: .* that are none"),
}  # fmt: skip
CUT = {"cut", "cut in its header", "endless tensors", "endless blocks"}


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_no_model_is_one_line(good: Path, tmp_path: Path, said, name: str) -> None:
    spoil, says = FILES[name]
    (tmp_path / "bad.gguf").write_bytes(spoil((good.parent / "good.gguf").read_bytes()))
    status, line = said("import", "bad.gguf")
    assert status == (4 if name in CUT else 3), line
    assert re.search(says, line), line
    assert left(tmp_path) == ["bad.gguf"]


@pytest.mark.parametrize(("words", "status", "says"), [
    (["import", "x" * 5000], 3, "no file can have so long a name"), (["chat", "x" * 5000], 3, "so long a name"),
    (["import", "/dev/zero"], 3, "no GGUF file"), (["import", "GOOD", "--name", "../up"], 2, "no name for a run"),
    (["import", "org/name"], 3, "org/name: there is no such .*, and no hub is asked for it; download the model first"),
    (["import", "https://huggingface.co/org/name"], 3, "no hub is asked for it; download the model first, then name"),
    (["export", "/etc", "--to", "hf"], 3, "/etc: this is neither a run nor a model's folder; name a run, or a folder"),
    (["chat", "GOOD"], 3, "good: this is a model, not a run; bring it in first: hornbook import /.*good$"),
    (["serve", "GOOD.gguf"], 3, r"this is a model, not a run; bring it in first: hornbook import /.*good\.gguf$"),
    (["export", "GOOD", "--to", "hf", "--out", "/proc/x"], 1, "/proc/x: this place cannot be written; name .* --out"),
    (["export", "GOOD", "--to", "gguf", "--out", "/proc/x.gguf"], 1, r"/proc/x\.gguf: this place cannot be written"),
    (["export", "GOOD", "--to", "gguf", "--out", "GOOD/config.json/x"], 1, "this place cannot be written"),
])  # fmt: skip
def test_words_that_name_nothing_are_one_line(good: Path, said, words: list[str], status: int, says: str) -> None:
    code, line = said(*(word.replace("GOOD", str(good)) for word in words))
    assert code == status, line
    assert re.search(says, line), line
    assert not list(good.parent.glob(".*"))


@pytest.mark.parametrize(("words", "says"), [
    (["export", "good/nosuch", "--to", "hf"], "good: this run has no model called 'nosuch'; it has: import"),
    (["export", "good/pretrain", "--to", "hf"], "this run has no model called 'pretrain'; it has: import"),
    (["chat", "good", "--model", "rl"], "this run has no model called 'rl'; it has: import"),
    (["chat", "good/import"], "this is a step, not a run; name the run alone, good, and its model with --model"),
])  # fmt: skip
def test_a_model_that_a_run_does_not_have_is_one_line(good: Path, said, words: list[str], says: str) -> None:
    import_model(str(good), "good")
    assert said(*words)[0] == 3
    assert says in said(*words)[1]


def test_an_answer_of_no_words_is_refused(good: Path, said) -> None:
    import_model(str(good), "good")
    status, line = said("chat", "good", "--once", "Hi", "--max-tokens", "0")
    assert (status, line) == (3, "hornbook: max_tokens: must be at least 1, not 0")
