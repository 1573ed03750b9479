from __future__ import annotations

from collections.abc import Mapping

from prometheus_client.parser import text_string_to_metric_families

from service.api.exposition import exposition
from service.api.http_metrics import HttpMetrics
from service.metrics import EndedGeneration, GenerationMetrics, KvUsage, ModelMetrics


def values(told: bytes) -> Mapping[tuple[str, tuple[str, ...]], float]:
    """Each sample by its name and the values of its labels, as Prometheus reads it."""
    return {
        (sample.name, tuple(sample.labels[name] for name in sorted(sample.labels))): sample.value
        for family in text_string_to_metric_families(told.decode())
        for sample in family.samples
    }


def generations() -> GenerationMetrics:
    metrics = GenerationMetrics()
    metrics.record(
        EndedGeneration(
            outcome="stop",
            num_prompt_tokens=30,
            num_cached_tokens=20,
            num_output_tokens=5,
            started_s=0.0,
            first_s=0.2,
            ended_s=1.0,
        )
    )
    return metrics


def test_without_requests_and_models_there_is_nothing_to_tell() -> None:
    assert values(exposition(HttpMetrics(), [])) == {}


def test_requests_are_told_by_route_and_status() -> None:
    http = HttpMetrics()
    for status in (200, 200, 429):
        http.record("/v1/completions", status, 0.3)
    told = values(exposition(http, []))
    assert told["retort_http_requests_total", ("/v1/completions", "200")] == 2
    assert told["retort_http_requests_total", ("/v1/completions", "429")] == 1
    name = "retort_http_request_duration_seconds"
    assert told[f"{name}_bucket", ("/v1/completions", "0.25")] == 0
    assert told[f"{name}_bucket", ("/v1/completions", "0.5")] == 3
    assert told[f"{name}_count", ("/v1/completions",)] == 3


def test_models_are_told_side_by_side() -> None:
    models = [
        ModelMetrics("one", 2, 1, generations(), KvUsage(10, 20, 100)),
        ModelMetrics("other", 0, 0, GenerationMetrics(), KvUsage(0, 0, 50)),
        ModelMetrics("encoder", 4, 0, num_encoded_tokens=70),
    ]
    told = values(exposition(HttpMetrics(), models))
    assert told["retort_requests_running", ("one",)] == 2
    assert told["retort_requests_running", ("encoder",)] == 4
    assert told["retort_requests_waiting", ("one",)] == 1
    assert told["retort_kv_cache_used_tokens", ("one",)] == 10
    assert told["retort_kv_cache_kept_tokens", ("one",)] == 20
    assert told["retort_kv_cache_capacity_tokens", ("other",)] == 50
    assert told["retort_generations_total", ("one", "stop")] == 1
    assert told["retort_prompt_tokens_total", ("one",)] == 30
    assert told["retort_cached_prompt_tokens_total", ("one",)] == 20
    assert told["retort_output_tokens_total", ("one",)] == 5
    assert told["retort_time_to_first_token_seconds_sum", ("one",)] == 0.2
    assert told["retort_time_per_output_token_seconds_sum", ("one",)] == 0.2
    assert told["retort_prompt_tokens_total", ("other",)] == 0
    assert told["retort_encoded_tokens_total", ("encoder",)] == 70
    assert not any(labels == ("encoder",) and "kv" in name for name, labels in told)


def test_a_name_is_no_way_to_write_metrics() -> None:
    told = values(exposition(HttpMetrics(), [ModelMetrics('a"} 1\nfake 2', 1, 0)]))
    assert {name for name, _ in told} == {"retort_requests_running", "retort_requests_waiting"}
