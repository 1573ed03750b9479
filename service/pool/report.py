"""What the pool tells of its models."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Literal

from service.encoder.model import LoadedEncoder
from service.health import ModelHealth
from service.metrics import ModelMetrics
from service.model import LoadedModel
from service.pool.resident import Resident
from service.runtime.providers import Provider
from service.settings.values import FOREVER


def health_of(resident: Resident, provider: Provider) -> ModelHealth:
    """An encoder's requests all run: their texts take turns in its batches."""
    size = resident.requirement.total_bytes
    num_requests, num_running = _num_requests(resident)
    return ModelHealth(
        name=str(resident.package.name),
        names=tuple(resident.names),
        status=_status(resident),
        context_length=resident.key.context_length,
        size=size,
        size_vram=0 if provider.host_memory else size,
        expires_at=_expires_at(resident),
        num_running=num_running,
        num_waiting=num_requests - num_running,
    )


def metrics_of(resident: Resident, provider: Provider) -> ModelMetrics | None:
    """None for a model that is not loaded yet."""
    now = health_of(resident, provider)
    match resident.model:
        case LoadedModel() as model:
            kv = model.engine.kv_usage()
            return ModelMetrics(now.name, now.num_running, now.num_waiting, model.metrics, kv)
        case LoadedEncoder() as model:
            read = model.num_tokens_read
            return ModelMetrics(now.name, now.num_running, now.num_waiting, num_encoded_tokens=read)
        case None:
            return None


def _num_requests(resident: Resident) -> tuple[int, int]:
    match resident.model:
        case LoadedModel() as model:
            num_requests = model.engine.num_requests
            return num_requests, min(num_requests, model.engine.num_slots)
        case LoadedEncoder() as model:
            return model.engine.num_requests, model.engine.num_requests
        case None:
            return 0, 0


def _status(resident: Resident) -> Literal["loading", "ready", "unloading"]:
    if resident.leaving is not None:
        return "unloading"
    return "loading" if resident.model is None else "ready"


def _expires_at(resident: Resident) -> datetime | None:
    if resident.keep_alive.seconds == FOREVER:
        return None
    return datetime.now(UTC) + timedelta(seconds=resident.remaining_s())
