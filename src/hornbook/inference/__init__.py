"""One batched engine for every use of a model: paged cache, continuous batching, sampling, streaming, scoring."""

from hornbook.inference.beams import beam_search
from hornbook.inference.engine import Engine
from hornbook.inference.guide import Guide
from hornbook.inference.requests import Chunk, Completion, EngineFigures, PromptTooLongError, Request, Sampling

__all__ = [
    "Chunk", "Completion", "Engine", "EngineFigures", "Guide", "PromptTooLongError", "Request", "Sampling",
    "beam_search",
]  # fmt: skip
