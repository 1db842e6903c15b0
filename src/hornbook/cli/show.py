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

Rows = Callable[[Any], Iterator[tuple[object, ...]]]
# What more may be asked of an artifact, by its kind.
OPTIONS = {"Corpus": ("against", "refused", "tags"), "TokenizerArtifact": ("against", "picture")}


def show(
    artifact: Annotated[str, typer.Argument(help="NAME/STEP for the current one, or an artifact's folder.")],
    as_json: Annotated[bool, typer.Option("--json", help="The record as it is, with what was asked for.")] = False,
    against: Annotated[
        list[str] | None, typer.Option(help="Another corpus or tokenizer (also a tokenizer.json) to compare with.")
    ] = None,
    refused: Annotated[str | None, typer.Option(help="Of a corpus: ten pages refused for this reason.")] = None,
    tags: Annotated[bool, typer.Option("--tags", help="Of a corpus: how its tags are spread.")] = False,
    picture: Annotated[Path | None, typer.Option(help="Draw a tokenizer there: .svg, .png or .html.")] = None,
) -> None:
    """Show an artifact: its record, then a corpus's funnel, a tokenizer's cost by language, a model's card."""
    folder = _found(artifact)
    record = Record.read(folder)
    asked = {"against": against, "refused": refused, "tags": tags, "picture": picture}
    wrong = [name for name, value in asked.items() if value and name not in OPTIONS.get(record.kind, ())]
    if wrong:
        raise InputError(f"--{wrong[0]} says nothing of a {record.kind}", where=folder, fix="leave it out")
    corpus = _corpus(folder, refused, tags, against or []) if record.kind == "Corpus" else {}
    if as_json:
        views = {name: data for name, (data, _) in corpus.items()}
        print_json(views if any(asked.values()) and views else record.model_dump() | views)
        return
    if not any(asked.values()):
        _show_record(folder, record)
    if record.kind == "Corpus":
        for data, rows in corpus.values():
            print_table(list(rows(data)))
    elif record.kind == "TokenizerArtifact":
        from hornbook.cli.show_tokenizer import draw, lines, survey

        found = survey(folder, record, [_tokenizer_file(name) for name in against or []])
        print_table(lines(found))
        if picture is not None:
            draw(found, picture)
    elif record.kind in ("Model", "RewardModelArtifact"):
        print_table(_model(folder, record))


def _show_record(folder: Path, record: Record) -> None:
    attempts, files = counted(record.attempts, "attempt"), counted(len(record.files), "file")
    used = sum(entry.size for entry in record.files.values())
    print_table(
        [
            ("artifact", folder),
            ("kind", f"{record.kind}, made by the stage {record.stage} (version {record.version})"),
            ("began", record.started),
            ("took", f"{duration(record.seconds)} in {attempts}, at most {size(record.peak_memory_bytes)} of memory"),
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
    print()


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


def _corpus(folder: Path, refused: str | None, tags: bool, against: list[str]) -> dict[str, tuple[Any, Rows]]:
    """What was asked for by name, as data and with what makes lines of it: the funnel, or instead of it examples of a
    refusal, the spread of the tags, differences from other corpora."""
    from hornbook.cli import corpus_view as view
    from hornbook.road.artifacts import Corpus

    corpus, found = Corpus(folder), {}
    if refused is not None:
        found["refused"] = view.refusals(corpus, refused), view.refusal_rows
    if tags:
        found["tags"] = view.tags(corpus), view.tag_rows
    for name in against:
        other = _found(name)
        if Record.read(other).kind != "Corpus":
            raise InputError("this is no corpus", where=other, fix="name NAME/corpus")
        found[f"against {name}"] = view.differences(corpus, Corpus(other)), view.difference_rows
    return found or {"funnel": (view.funnel(corpus), view.funnel_rows)}


def _tokenizer_file(name: str) -> Path:
    """A `tokenizer.json`, named as it is or as an artifact."""
    return Path(name) if Path(name).is_file() else _found(name) / "tokenizer.json"


def _model(folder: Path, record: Record) -> Iterator[tuple[object, ...]]:
    """The card: shape, size and, of a mixture, what was read how often."""
    config = json.loads((folder / "config.json").read_bytes())
    for key in ("model_type", "num_hidden_layers", "hidden_size", "intermediate_size", "vocab_size"):
        if key in config:
            yield key, config[key]
    yield "parameters", f"{sum(map(_parameters, folder.glob('*.safetensors'))):,}"
    yield "seconds from nothing", f"{_seconds(Artifact(folder), set()):,.0f}"
    for part, shares in record.metrics.get("mixture", {}).items():
        for share in shares:
            read, wanted = f"{share['read']:.1%} of what was learned", f"{share['wanted']:.1%} wanted"
            yield f"{part}: {share['source']}", f"{read} ({wanted}), {share['epochs']:.2f} times"


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
