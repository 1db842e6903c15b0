"""`hornbook show`: one artifact, what it holds and how it came to be."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from hornbook.cli.common import duration, open_run, print_json, print_table, size
from hornbook.core.errors import InputError
from hornbook.core.words import counted
from hornbook.pipeline.artifact import Artifact
from hornbook.pipeline.record import RECORD_NAME, Record
from hornbook.pipeline.workspace import runs_folder


def show(
    artifact: Annotated[str, typer.Argument(help="NAME/STEP for the current one, or an artifact's folder.")],
    refused: Annotated[str | None, typer.Option(help="Of a corpus: ten pages refused for this reason.")] = None,
    against: Annotated[str | None, typer.Option(help="Of a corpus: what this one decides otherwise.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The record as it is.")] = False,
    against: Annotated[list[Path] | None, typer.Option(help="A tokenizer.json to compare a tokenizer with.")] = None,
    picture: Annotated[Path | None, typer.Option(help="Draw a tokenizer there: .svg, .png or .html.")] = None,
) -> None:
    """Show an artifact: its record, then a corpus's funnel, a tokenizer's cost by language, a model's card."""
    folder = _found(artifact)
    record = Record.read(folder)
    if record.kind != "TokenizerArtifact" and (against or picture):
        raise InputError("only a tokenizer is compared and drawn", where=folder, fix="leave out --against, --picture")
    if as_json:
        print_json(record.model_dump())
        return
    if refused is not None or against is not None:
        print_table(list(_asked_of_corpus(folder, record, refused, against)))
        return
    attempts, files = counted(record.attempts, "attempt"), counted(len(record.files), "file")
    used = sum(entry.size for entry in record.files.values())
    print_table(
        [
            ("artifact", folder),
            ("kind", f"{record.kind}, made by the stage {record.stage} (version {record.version})"),
            ("began", record.started),
            ("took", f"{duration(record.seconds)} in {attempts}, {size(record.peak_memory_bytes)}"),
            ("on disk", f"{size(used)} in {files}"),
            ("identity", record.identity),
            ("digest", record.digest),
            *((f"from {name}", entry.artifact) for name, entry in record.inputs.items()),
            *((f"[{record.stage}] {key}", json.dumps(value)) for key, value in record.config.items()),
            *((name, f"{count:,}") for name, count in record.counts.items()),
            *((key, _short(value)) for key, value in record.metrics.items()),
            *(("warning", warning) for warning in record.warnings),
            *(("note", note) for note in record.notes),
        ]
    )
    if record.kind == "TokenizerArtifact":
        from hornbook.cli.show_tokenizer import draw, lines, survey

        found = survey(folder, record, against or [])
        print()
        print_table(lines(found))
        if picture is not None:
            draw(found, picture)
    elif record.kind in VIEWS:
        print()
        print_table(VIEWS[record.kind](folder, record))


def _asked_of_corpus(
    folder: Path, record: Record, refused: str | None, against: str | None
) -> Iterator[tuple[object, ...]]:
    from hornbook.cli.corpus_view import differences, refusals
    from hornbook.road.artifacts import Corpus

    others = [] if against is None else [_found(against)]
    for place, kind in [(folder, record.kind), *((other, Record.read(other).kind) for other in others)]:
        if kind != "Corpus":
            raise InputError("this is no corpus", where=place, fix="name NAME/corpus")
    if refused is not None:
        yield from refusals(Corpus(folder), refused)
    for other in others:
        yield from differences(Corpus(folder), Corpus(other))


def _found(name: str) -> Path:
    for folder in (Path(name), runs_folder() / name):
        if (folder / RECORD_NAME).exists():
            return folder
    run, _, step = name.rstrip("/").rpartition("/")
    if not run:
        steps = ", ".join(f"{name}/{step}" for step in open_run(name).steps())
        raise InputError("this is a run, not an artifact", where=name, fix=f"show one of: {steps or 'it has none yet'}")
    return open_run(run).current(step).path


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 120 else f"{text[:117]}..."


def _corpus(folder: Path, record: Record) -> Iterator[tuple[object, ...]]:
    """The funnel: what was kept, and what was refused by which rule."""
    from hornbook.cli.corpus_view import funnel
    from hornbook.road.artifacts import Corpus

    return funnel(Corpus(folder))


def _model(folder: Path, record: Record) -> Iterator[tuple[object, ...]]:
    """The card: shape and size."""
    config = json.loads((folder / "config.json").read_bytes())
    for key in ("model_type", "num_hidden_layers", "hidden_size", "intermediate_size", "vocab_size"):
        if key in config:
            yield key, config[key]
    yield "parameters", f"{sum(map(_parameters, folder.glob('*.safetensors'))):,}"
    yield "seconds from nothing", f"{_seconds(Artifact(folder), set()):,.0f}"


def _parameters(path: Path) -> int:
    """Numbers in a safetensors file, from its header (8 bytes of length, then JSON)."""
    from math import prod

    with open(path, "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    return sum(prod(entry["shape"]) for name, entry in header.items() if name != "__metadata__")


def _seconds(artifact: Artifact, counted: set[Path]) -> float:
    """What it took to make this and all that it was made from."""
    if artifact.path in counted or not (artifact.path / RECORD_NAME).exists():
        return 0.0
    counted.add(artifact.path)
    run = artifact.path.parent.parent
    before = sum(_seconds(Artifact(run / entry.artifact), counted) for entry in artifact.record.inputs.values())
    return artifact.record.seconds + before


View = Callable[[Path, Record], Iterator[tuple[object, ...]]]
VIEWS: dict[str, View] = {"Corpus": _corpus, "Model": _model, "RewardModelArtifact": _model}
