"""What the application holds while it runs, typed."""

from __future__ import annotations

from typing import TypeAlias

from litestar import Litestar, Request
from litestar.datastructures import State

from service.api.facade import Pool
from service.api.http_metrics import HttpMetrics
from service.api.openai.responses.store import ResponseStore
from service.settings import Settings

HttpRequest: TypeAlias = Request[None, None, State]


def hold_pool(app: Litestar, pool: Pool) -> None:
    app.state["pool"] = pool


def held_pool(app: Litestar) -> Pool:
    """The pool that the lifespan has put there."""
    pool: Pool = app.state["pool"]
    return pool


def pool_of(request: HttpRequest) -> Pool:
    return held_pool(request.app)


def hold_settings(app: Litestar, settings: Settings) -> None:
    app.state["settings"] = settings


def settings_of(request: HttpRequest) -> Settings:
    settings: Settings = request.app.state["settings"]
    return settings


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
