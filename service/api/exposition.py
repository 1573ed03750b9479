"""Metrics in the text format of Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from service.api.http_metrics import HttpMetrics
from service.metrics import GenerationMetrics, Histogram, KvUsage, ModelMetrics

CONTENT_TYPE: Final = "text/plain; version=0.0.4"
"""Litestar says the encoding."""

_COUNTERS: Final[tuple[tuple[str, str, Callable[[GenerationMetrics], int]], ...]] = (
    ("prompt_tokens", "Tokens of prompts", lambda found: found.num_prompt_tokens),
    (
        "cached_prompt_tokens",
        "Tokens of prompts that were in the KV cache already",
        lambda found: found.num_cached_tokens,
    ),
    ("output_tokens", "Tokens generated", lambda found: found.num_output_tokens),
    (
        "misformed_answers",
        "Answers that failed the last check of the form that they were held to",
        lambda found: found.num_misformed,
    ),
)
_HISTOGRAMS: Final[tuple[tuple[str, str, Callable[[GenerationMetrics], Histogram]], ...]] = (
    (
        "time_to_first_token_seconds",
        "From a generation's admission to its first token",
        lambda found: found.first_token_s,
    ),
    (
        "time_per_output_token_seconds",
        "Mean time of a generation's tokens but its first",
        lambda found: found.per_token_s,
    ),
)
_STATES: Final[tuple[tuple[str, str, Callable[[ModelMetrics], int]], ...]] = (
    ("requests_running", "Requests being computed", lambda found: found.num_running),
    ("requests_waiting", "Requests in the queue", lambda found: found.num_waiting),
)
_KV: Final[tuple[tuple[str, str, Callable[[KvUsage], int]], ...]] = (
    ("kv_cache_used_tokens", "Tokens of running requests", lambda found: found.num_used),
    ("kv_cache_kept_tokens", "Tokens kept for prompts to come", lambda found: found.num_kept),
    ("kv_cache_capacity_tokens", "Tokens that there is room for", lambda found: found.capacity),
)


def exposition(http: HttpMetrics, models: Sequence[ModelMetrics]) -> bytes:
    """All that is known now. Labels are routes and loaded models, so there are not many."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collected([*_http(http), *_models(models), *_generations(models)]))
    return generate_latest(registry)


class _Collected(Collector):
    def __init__(self, families: Sequence[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


def _http(http: HttpMetrics) -> Iterator[Metric]:
    requests = CounterMetricFamily(
        "retort_http_requests", "Requests answered", labels=["endpoint", "status"]
    )
    for (endpoint, status), count in sorted(http.requests.items()):
        requests.add_metric([endpoint, str(status)], count)
    yield requests
    durations = HistogramMetricFamily(
        "retort_http_request_duration_seconds",
        "From a request's arrival to the end of its reply",
        labels=["endpoint"],
    )
    for endpoint, histogram in sorted(http.durations_s.items()):
        durations.add_metric([endpoint], histogram.cumulative(), histogram.sum)
    yield durations


def _models(models: Sequence[ModelMetrics]) -> Iterator[Metric]:
    for name, text, state_of in _STATES:
        gauge = GaugeMetricFamily(f"retort_{name}", text, labels=["model"])
        for model in models:
            gauge.add_metric([model.name], state_of(model))
        yield gauge
    encoded = CounterMetricFamily(
        "retort_encoded_tokens", "Tokens read by encoders", labels=["model"]
    )
    for model in models:
        if model.num_encoded_tokens is not None:
            encoded.add_metric([model.name], model.num_encoded_tokens)
    yield encoded
    for name, text, tokens_of in _KV:
        gauge = GaugeMetricFamily(f"retort_{name}", text, labels=["model"])
        for model in models:
            if model.kv is not None:
                gauge.add_metric([model.name], tokens_of(model.kv))
        yield gauge


def _generations(models: Sequence[ModelMetrics]) -> Iterator[Metric]:
    known = [(model.name, model.generations) for model in models if model.generations is not None]
    ended = CounterMetricFamily(
        "retort_generations", "Generations ended, by how", labels=["model", "outcome"]
    )
    for model, found in known:
        for outcome, count in sorted(found.outcomes.items()):
            ended.add_metric([model, outcome], count)
    yield ended
    for name, text, count_of in _COUNTERS:
        counter = CounterMetricFamily(f"retort_{name}", text, labels=["model"])
        for model, found in known:
            counter.add_metric([model], count_of(found))
        yield counter
    for name, text, histogram_of in _HISTOGRAMS:
        family = HistogramMetricFamily(f"retort_{name}", text, labels=["model"])
        for model, found in known:
            histogram = histogram_of(found)
            family.add_metric([model], histogram.cumulative(), histogram.sum)
        yield family
