"""One batched engine for every use of a model: KV cache, continuous batching, sampling, streaming, scoring."""

from hornbook.inference.engine import Engine
from hornbook.inference.requests import Chunk, Completion, PromptTooLongError, Request, Sampling

__all__ = ["Chunk", "Completion", "Engine", "PromptTooLongError", "Request", "Sampling"]
