"""What the server tells Prometheus, under the names that vLLM gives these figures: dashboards made for it fit.

Source of the names and the buckets: vLLM's documentation, "Metrics".
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from hornbook.inference import Chunk, Completion
from hornbook.inference.requests import EngineFigures

FIRST = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0)
BETWEEN = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0)
WHOLE = (0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0, 120.0, 240.0, 480.0, 960.0)
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """The figures of one server. `figures` asks its engine; its counts are read when somebody looks."""

    def __init__(self, model: str, figures: Callable[[], EngineFigures]):
        self._registry = CollectorRegistry()
        self._model, self._figures = model, figures
        self._registry.register(self)

        def histogram(name: str, says: str, buckets: Iterable[float]) -> Histogram:
            made = Histogram(f"vllm:{name}", says, ["model_name"], registry=self._registry, buckets=tuple(buckets))
            return made.labels(model)

        self._first = histogram("time_to_first_token_seconds", "Seconds until the first token.", FIRST)
        self._between = histogram("inter_token_latency_seconds", "Seconds between two tokens.", BETWEEN)
        self._whole = histogram("e2e_request_latency_seconds", "Seconds until the whole answer.", WHOLE)
        self._ended = Counter("vllm:request_success", "Answers, by how they ended.", ["model_name", "finished_reason"],
                              registry=self._registry)

    def text(self) -> bytes:
        """All figures in Prometheus' text form."""
        return generate_latest(self._registry)

    def watch(self) -> Watch:
        """A stopwatch for one answer, from now on."""
        return Watch(self)

    def collect(self) -> Iterable[Metric]:
        """What the engine counts itself; asked by the registry."""
        now = self._figures()
        gauges = {
            "num_requests_running": ("Requests being answered.", now.running),
            "num_requests_waiting": ("Requests waiting to be answered.", now.waiting),
            "kv_cache_usage_perc": ("The part of the cache that is in use; 1 is all of it.", now.used),
        }  # fmt: skip
        counters = {
            "prompt_tokens": ("Tokens of prompts.", now.prompt_tokens),
            "generation_tokens": ("Tokens sampled.", now.sampled_tokens),
            "prefix_cache_queries": ("Tokens looked up in the prefix cache.", now.prompt_tokens),
            "prefix_cache_hits": ("Tokens found in the prefix cache.", now.cached_tokens),
            "num_preemptions": ("Requests put back for want of cache.", now.preemptions),
        }  # fmt: skip
        for families, kind in ((gauges, GaugeMetricFamily), (counters, CounterMetricFamily)):
            for name, (says, value) in families.items():
                family = kind(f"vllm:{name}", says, labels=["model_name"])
                family.add_metric([self._model], value)
                yield family

    def describe(self) -> Iterable[Metric]:
        """Nothing: an engine that is not there yet need not be asked when the registry takes this in."""
        return ()

    def first(self, seconds: float) -> None:
        self._first.observe(seconds)

    def between(self, seconds: float, tokens: int) -> None:
        for _ in range(tokens):
            self._between.observe(seconds / tokens)

    def ended(self, seconds: float, completion: Completion) -> None:
        reason = "abort" if completion.finish_reason == "cancelled" else completion.finish_reason
        self._ended.labels(self._model, reason).inc()
        if reason != "abort":
            self._whole.observe(seconds)


class Watch:
    """Times one answer as its chunks come."""

    def __init__(self, metrics: Metrics):
        self._metrics = metrics
        self._begin = self._last = time.monotonic()
        self._any = False

    def hear(self, chunk: Chunk) -> None:
        """A chunk has come."""
        now, tokens = time.monotonic(), len(chunk.ids)
        if tokens and not self._any:
            self._metrics.first(now - self._begin)
            tokens -= 1
        if tokens:
            self._metrics.between(now - self._last, tokens)
        if chunk.ids:
            self._any, self._last = True, now
        if chunk.completion is not None:
            self._metrics.ended(now - self._begin, chunk.completion)
