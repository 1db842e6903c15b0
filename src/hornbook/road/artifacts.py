"""The kinds of artifact: each adds typed reading to a folder, and says which of its files are the result."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from hornbook.core.errors import DamagedError
from hornbook.core.jsonl import read_jsonl
from hornbook.pipeline.artifact import Artifact
from hornbook.pipeline.content import TIMES
from hornbook.pipeline.record import REBUILD

if TYPE_CHECKING:
    import pyarrow
    import torch

    from hornbook.models.heads import RewardModel
    from hornbook.models.transformer import Transformer
    from hornbook.tokens.shards import TokenShards
    from hornbook.tokens.tokenizer import Tokenizer

MODEL_FILES = ("*.safetensors", "config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json")


class Pages(Artifact):
    """A crawl: WARC files and `pages*.parquet`, one row a page. Pages come in the network's order, so it bears nothing.

    The digest is that of the rows, which carry each page's URL, status and the digest of its payload.
    """

    contents: ClassVar = ("pages*.parquet",)
    ordered: ClassVar = False
    without: ClassVar = TIMES | {"warc", "warc_file", "warc_offset", "warc_length", "record_id"}

    def warcs(self) -> list[Path]:
        """The WARC files, in the order of their names."""
        return self.files("**/*.warc", "**/*.warc.gz")

    def rows(self) -> pyarrow.Table:
        """One row a page fetched, refused or failed."""
        return _table(self, "pages*.parquet")


class Corpus(Artifact):
    """Documents kept, documents held out from training, and documents refused with their reason."""

    contents: ClassVar = ("documents*.parquet", "heldout*.parquet", "refused*.parquet")

    def documents(self) -> pyarrow.Table:
        """The documents to train on: `id, url, title, text, language, …`."""
        return _table(self, "documents*.parquet")

    def heldout(self) -> pyarrow.Table:
        """The documents kept from training, with the same columns."""
        return _table(self, "heldout*.parquet")

    def refused(self) -> pyarrow.Table:
        """The documents refused, each with its `reason`."""
        return _table(self, "refused*.parquet")

    def texts(self) -> Iterator[str]:
        """The text of every document to train on, in order."""
        for batch in self.documents().select(["text"]).to_batches(1024):
            yield from batch.column(0).to_pylist()


class TokenizerArtifact(Artifact):
    """`tokenizer.json` and `tokenizer_config.json` with the chat template."""

    contents: ClassVar = ("tokenizer.json", "tokenizer_config.json")

    def load(self) -> Tokenizer:
        """The tokenizer, ready to encode."""
        from hornbook.tokens.tokenizer import Tokenizer

        return Tokenizer.load(self.path)


class Tokens(Artifact):
    """Token shards: `train/` and `heldout/`, each `.bin`, `.idx` and a manifest."""

    contents: ClassVar = ("*/*.bin", "*/*.idx", "*/*.ids", "*/*.json")

    def train(self) -> TokenShards:
        """The documents to train on, as token ids."""
        return self._shards("train")

    def heldout(self) -> TokenShards:
        """The documents kept from training, as token ids."""
        return self._shards("heldout")

    def _shards(self, name: str) -> TokenShards:
        from hornbook.tokens.shards import TokenShards

        return TokenShards(self.path / name)


class Model(Artifact):
    """A Hugging Face folder: configuration, safetensors, tokenizer with chat template. Others may lie in folders below:
    what was made on the way, or to compare with."""

    contents: ClassVar = (*MODEL_FILES, "*/*.safetensors")

    def load(self, device: str = "cpu", dtype: torch.dtype | None = None) -> Transformer:
        """The model on `device`, in fp32 unless a `dtype` is given."""
        import torch

        from hornbook.models.files import load_model

        return load_model(self.path, device=device, dtype=dtype or torch.float32)

    def tokenizer(self) -> Tokenizer:
        """The tokenizer that lies in the model's folder."""
        from hornbook.tokens.tokenizer import Tokenizer

        return Tokenizer.load(self.path)

    def samples(self) -> list[dict[str, Any]]:
        """What the model said at steps of its training (`samples.jsonl`); empty when none were kept."""
        return list(_rows(self, "samples*.jsonl"))

    def metrics(self) -> list[dict[str, Any]]:
        """One row a logged training step (`metrics*.jsonl`)."""
        return list(_rows(self, "metrics*.jsonl"))


class RewardModelArtifact(Model):
    """A model whose head gives one number a sequence."""

    def load(self, device: str = "cpu", dtype: torch.dtype | None = None) -> RewardModel:  # type: ignore[override]
        """The reward model on `device`, in fp32 unless a `dtype` is given."""
        import torch

        from hornbook.models.heads import load_reward_model

        return load_reward_model(self.path, device=device, dtype=dtype or torch.float32)


class Scores(Artifact):
    """`scores.json` (figure -> value, n, interval, chance) and `answers*.jsonl`, one row a question asked."""

    contents: ClassVar = ("scores.json", "answers*.jsonl")

    def scores(self) -> dict[str, Any]:
        """The figures."""
        return _json(self.path / "scores.json")

    def answers(self) -> Iterator[dict[str, Any]]:
        """Every question with what was answered and how it was graded."""
        return _rows(self, "answers*.jsonl")


class Conversations(Artifact):
    """`conversations*.jsonl`: OpenAI `messages` with `origin`, `url` and `kind`; other JSONL files may lie beside."""

    contents: ClassVar = ("*.jsonl",)

    def rows(self) -> Iterator[dict[str, Any]]:
        """The conversations, in order."""
        return _rows(self, "conversations*.jsonl")


class Comparisons(Artifact):
    """`comparisons*.jsonl`: answers to a prompt and their ranking; `heldout*.jsonl` beside it where some are kept."""

    contents: ClassVar = ("comparisons*.jsonl", "heldout*.jsonl")

    def rows(self) -> Iterator[dict[str, Any]]:
        """The comparisons to learn from."""
        return _rows(self, "comparisons*.jsonl")

    def heldout(self) -> Iterator[dict[str, Any]]:
        """The comparisons kept to judge the reward model."""
        return _rows(self, "heldout*.jsonl")


class Deployment(Artifact):
    """All that `hornbook serve` needs: settings, the gate's policy, a model's folder, the index of the pages.

    The index has files of random names, so it bears by the passages it was built from.
    """

    contents: ClassVar = ("deploy.toml", "policy.toml", "passages.jsonl", *(f"model/{name}" for name in MODEL_FILES))


def _table(artifact: Artifact, pattern: str) -> pyarrow.Table:
    import pyarrow
    import pyarrow.parquet

    files = artifact.files(pattern)
    if not files:
        raise DamagedError(f"there is no {pattern} here", where=artifact.path, fix=REBUILD)
    return pyarrow.concat_tables([pyarrow.parquet.read_table(path) for path in files], promote_options="default")


def _rows(artifact: Artifact, pattern: str) -> Iterator[dict[str, Any]]:
    for path in artifact.files(pattern):
        yield from read_jsonl(path)


def _json(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_bytes())
    except (OSError, json.JSONDecodeError):
        raise DamagedError("this is not JSON Hornbook wrote", where=path, fix=REBUILD) from None
