"""What the service takes in memory beyond the weights and the cache it serves from. Linux only."""

from __future__ import annotations

import re
from pathlib import Path

from bench.http_load import LoadPlan, LoadReport, measure_load
from bench.http_rates import MAX_TOKENS, REQUESTS_PER_CLIENT, WORDS_PER_PROMPT
from bench.prompts import fresh_prompts
from bench.report import Measurement, Reach
from bench.retort_engine import slot_length
from bench.service_process import running_service
from bench.setup import CLIENTS, Setup, Variant
from service.store.manifest import Manifest

VARIANTS = (Variant.DEFAULT,)

LIMIT_MB = 300
"""Beyond the files and the cache that is in use. The whole cache is reserved but hardly touched:
counted in full, it would hide anything."""

_SLOTS = 8
"""Those of the service unless it is told otherwise."""

_PEAK = re.compile(r"^VmHWM:\s+(\d+) kB$", re.MULTILINE)


def measure(setup: Setup) -> list[Measurement]:
    """The peak of a fresh service after one load of eight clients."""
    package = setup.package(Variant.DEFAULT)
    prompts = fresh_prompts(WORDS_PER_PROMPT, CLIENTS * REQUESTS_PER_CLIENT)
    with running_service(setup.models, setup.threads) as service:
        plan = LoadPlan(service.url, str(package.name), prompts, CLIENTS, MAX_TOKENS)
        load = measure_load(plan)
        peak = _peak_rss_bytes(service.pid)
    return _measurements(package.manifest, load, peak)


def _measurements(manifest: Manifest, load: LoadReport, peak: int) -> list[Measurement]:
    weights = manifest.weights_bytes
    per_token = manifest.architecture.kv_bytes_per_token
    reserved = per_token * _SLOTS * slot_length(manifest)
    used = per_token * _SLOTS * (load.prompt_tokens + load.output_tokens) // load.requests
    return [
        _megabytes("service: peak RSS, 8 clients", peak),
        _megabytes("service: package files", weights),
        _megabytes(f"service: KV of {_SLOTS} slots of {slot_length(manifest)} tokens", reserved),
        _megabytes("service: KV of the tokens that were cached", used),
        _megabytes(
            "service: RSS beyond files and KV of cached tokens", peak - weights - used, LIMIT_MB
        ),
    ]


def _megabytes(name: str, size: int, at_most: float | None = None) -> Measurement:
    reach = None if at_most is None else Reach("at_most", at_most)
    return Measurement(name, "MB", (size / 1e6,), reach=reach)


def _peak_rss_bytes(pid: int) -> int:
    found = _PEAK.search(Path(f"/proc/{pid}/status").read_text())
    assert found is not None, "Linux tells the peak of every process that has memory"
    return 1024 * int(found[1])
