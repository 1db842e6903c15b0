"""`hornbook export`: a model for other programs, as a Hugging Face folder or as GGUF."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from hornbook.cli.common import print_json, size
from hornbook.cli.deployed import model_folder
from hornbook.core.errors import HornbookError, RecipeError
from hornbook.core.progress import progress_bar

if TYPE_CHECKING:
    from hornbook.core.progress import Bar

TYPES = {"hf": ("f32", "bf16", "f16"), "gguf": ("f32", "f16", "q8_0", "q4_0")}
BESIDE = ("tokenizer.json", "tokenizer_config.json", "generation_config.json", "chat_template.jinja")


def export(
    target: Annotated[str, typer.Argument(help="A run's name, NAME/STEP, or a model's folder.")],
    to: Annotated[Literal["hf", "gguf"], typer.Option(help="A folder as transformers has it, or one GGUF file.")],
    type: Annotated[
        Literal["f32", "bf16", "f16", "q8_0", "q4_0"] | None,
        typer.Option(help="hf: f32, bf16 or f16, as it is when left out; gguf: f32, f16 (the default), q8_0 or q4_0."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Where to; beside you, under its name, when left out.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Write a model for other programs: transformers and vLLM open the folder, llama.cpp the GGUF file."""
    folder, name = model_folder(target)
    if type is not None and type not in TYPES[to]:
        raise RecipeError(f"{to} is not written in {type}", where="--type", fix=f"use {', '.join(TYPES[to])}")
    kind = type or ("f16" if to == "gguf" else None)
    out = out or Path(f"{name}-{kind}.gguf" if to == "gguf" else f"{name}-hf")
    if out.exists():
        raise RecipeError("there is something of that name", where=out, fix="name another place with --out")
    _demand_place(out)
    with progress_bar("weights", None, "bytes") as bar:
        _write_folder(folder, out, kind, bar) if to == "hf" else _write_gguf(folder, out, kind, name, bar)
    used = sum(path.stat().st_size for path in ([out] if out.is_file() else out.iterdir()))
    if as_json:
        print_json({"from": str(folder), "to": str(out), "bytes": used})
    else:
        print(f"{out}: {size(used)}, from {folder}")


def _demand_place(out: Path) -> None:
    """Raises HornbookError, before a weight is read, where nothing can be written."""
    near = next(folder for folder in out.absolute().parents if folder.exists())
    try:
        tempfile.TemporaryFile(dir=near).close()
    except OSError:
        raise HornbookError("this place cannot be written", where=out, fix="name another with --out") from None


def _write_gguf(folder: Path, out: Path, kind: Any, name: str, bar: Bar) -> None:
    from hornbook.models.gguf.writing import write_gguf
    from hornbook.pipeline.record import RECORD_NAME, Record

    metrics = Record.read(folder).metrics if (folder / RECORD_NAME).is_file() else {}
    said = {"name": metrics.get("name") or name, "license": metrics.get("license")}
    write_gguf(folder, out, kind, said={key: text for key, text in said.items() if text}, advance=bar.advance)


def _write_folder(folder: Path, out: Path, kind: str | None, bar: Bar) -> None:
    from hornbook.models.files import write_json
    from hornbook.models.sources import DTYPES, model_source, speaking_config, write_source
    from hornbook.models.weights import WEIGHTS

    values, config = speaking_config(folder)
    dtype = None if kind is None else DTYPES[kind]
    source = model_source(folder, config)
    try:
        write_source(source, out / WEIGHTS, dtype, bar.advance)
    except BaseException:
        shutil.rmtree(out, ignore_errors=True)  # it was not there before
        raise
    named = {} if dtype is None else dict.fromkeys(("torch_dtype", "dtype"), str(dtype).removeprefix("torch."))
    for name in BESIDE:
        if (folder / name).is_file():
            shutil.copyfile(folder / name, out / name)
    write_json(out / "config.json", values | named)  # last: without it the folder is no model yet
