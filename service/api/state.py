"""What the application holds while it runs, typed."""

from __future__ import annotations

from typing import TypeAlias, TypeVar

from litestar import Litestar, Request
from litestar.datastructures import State

from service.api.encoding import Encoder
from service.api.exchange import exchange_of
from service.api.facade import Lease, Model, Pool
from service.api.http_metrics import HttpMetrics
from service.api.keep_alive import KeepAlive, keep_alive_s
from service.api.openai.responses.store import ResponseStore
from service.exporting import Exports
from service.settings import Settings
from service.store.overrides import NO_OVERRIDES, Overrides
from service.store.packages import Store

ModelT = TypeVar("ModelT")

HttpRequest: TypeAlias = Request[None, None, State]


def hold_pool(app: Litestar, pool: Pool) -> None:
    app.state["pool"] = pool


def held_pool(app: Litestar) -> Pool:
    """The pool that the lifespan has put there."""
    pool: Pool = app.state["pool"]
    return pool


def pool_of(request: HttpRequest) -> Pool:
    return held_pool(request.app)


async def model_of(
    request: HttpRequest,
    name: str,
    keep_alive: KeepAlive | None = None,
    overrides: Overrides = NO_OVERRIDES,
) -> Model:
    """The model called `name`, which stays loaded until the reply has ended, and for as long after
    that as `keep_alive` says. Raises as the pool's `lease` does, and RequestError."""
    exchange_of(request.scope).model = name
    lease = await pool_of(request).lease(name, keep_alive_s(keep_alive), overrides)
    return _until_the_end(request, lease)


async def encoder_of(
    request: HttpRequest,
    name: str,
    keep_alive: KeepAlive | None = None,
    overrides: Overrides = NO_OVERRIDES,
) -> Encoder:
    """As `model_of`, for a model that embeds or ranks."""
    exchange_of(request.scope).model = name
    lease = await pool_of(request).lease_encoder(name, keep_alive_s(keep_alive), overrides)
    return _until_the_end(request, lease)


def _until_the_end(request: HttpRequest, lease: Lease[ModelT]) -> ModelT:
    exchange_of(request.scope).ends.callback(lease.release)
    return lease.model


def hold_settings(app: Litestar, settings: Settings) -> None:
    app.state["settings"] = settings


def settings_of(request: HttpRequest) -> Settings:
    settings: Settings = request.app.state["settings"]
    return settings


def store_of(request: HttpRequest) -> Store:
    return Store(settings_of(request).models_folder)


def hold_exports(app: Litestar, exports: Exports) -> None:
    app.state["exports"] = exports


def exports_of(request: HttpRequest) -> Exports:
    exports: Exports = request.app.state["exports"]
    return exports


def hold_http_metrics(app: Litestar, metrics: HttpMetrics) -> None:
    app.state["http_metrics"] = metrics


def http_metrics_of(request: HttpRequest) -> HttpMetrics:
    metrics: HttpMetrics = request.app.state["http_metrics"]
    return metrics


def hold_responses(app: Litestar, responses: ResponseStore) -> None:
    app.state["responses"] = responses


def responses_of(request: HttpRequest) -> ResponseStore:
    responses: ResponseStore = request.app.state["responses"]
    return responses


def hold_startup_failure(app: Litestar, error: Exception) -> None:
    app.state["startup_failure"] = error


def held_startup_failure(app: Litestar) -> Exception | None:
    """Why the lifespan could not start, which ASGI can only tell as a traceback."""
    failure: Exception | None = app.state.get("startup_failure")
    return failure
