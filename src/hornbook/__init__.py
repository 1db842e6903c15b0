"""Hornbook teaches a language model from your own pages.

    import hornbook

    hornbook.run("isle.toml")                                  # walk the road
    aligned = hornbook.open_run("isle").current("rl", hornbook.Model)
    engine = hornbook.Engine(aligned.load(), aligned.tokenizer())
    asked = hornbook.Request(messages=[{"role": "user", "content": "Who are you?"}])
    print(engine.generate([asked])[0].text)

What stands here is the curated face; each name is imported when it is first used, so `import hornbook` is quick. Every
room below (`hornbook.corpus`, `hornbook.tokens`, `hornbook.models`, ...) is a library of its own.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hornbook.core.errors import HornbookError
    from hornbook.inference.engine import Engine
    from hornbook.inference.requests import Request, Sampling
    from hornbook.models.config import TransformerConfig
    from hornbook.models.files import load_model, save_model
    from hornbook.models.transformer import Transformer
    from hornbook.pipeline.recipe import Recipe
    from hornbook.pipeline.workspace import Workspace
    from hornbook.retrieval.index import Index
    from hornbook.road.artifacts import Comparisons, Conversations, Corpus, Deployment, Model, Pages, Scores, Tokens
    from hornbook.road.runs import open_recipe, open_run, run
    from hornbook.safety.gate import Gate
    from hornbook.tokens.tokenizer import Tokenizer
    from hornbook.training.fit import fit

_HOMES = {
    "core.errors": ["HornbookError"],
    "tokens.tokenizer": ["Tokenizer"],
    "models.config": ["TransformerConfig"],
    "models.transformer": ["Transformer"],
    "models.files": ["load_model", "save_model"],
    "inference.engine": ["Engine"],
    "inference.requests": ["Request", "Sampling"],
    "training.fit": ["fit"],
    "retrieval.index": ["Index"],
    "safety.gate": ["Gate"],
    "pipeline.recipe": ["Recipe"],
    "pipeline.workspace": ["Workspace"],
    "road.runs": ["open_recipe", "open_run", "run"],
    "road.artifacts": ["Comparisons", "Conversations", "Corpus", "Deployment", "Model", "Pages", "Scores", "Tokens"],
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "Comparisons", "Conversations", "Corpus", "Deployment", "Engine", "Gate", "HornbookError", "Index", "Model",
    "Pages", "Recipe", "Request", "Sampling", "Scores", "Tokenizer", "Tokens", "Transformer", "TransformerConfig",
    "Workspace", "fit", "load_model", "open_recipe", "open_run", "run", "save_model",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _HOME:
        value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
