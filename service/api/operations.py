"""GET / and GET /health, open to everyone who may talk to the server at all, and GET /metrics."""

from __future__ import annotations

from litestar import Response, get

from service.api.state import HttpRequest, http_metrics_of, pool_of
from service.health import Health


@get("/", media_type="text/plain", sync_to_thread=False)
def greet() -> str:
    """In the words that scripts which wait for an Ollama look for."""
    return "Ollama is running"


@get("/health", sync_to_thread=False)
def report_health(request: HttpRequest) -> Response[Health]:
    """503 while the server is being stopped, so that a balancer sends nothing more."""
    health = pool_of(request).health()
    return Response(health, status_code=200 if health.status == "ok" else 503)


@get("/metrics", sync_to_thread=False)
def report_metrics(request: HttpRequest) -> Response[bytes]:
    """What Prometheus asks for, every few seconds."""
    # Imported here: it takes 60 ms, which not everyone who starts the service needs.
    from service.api.exposition import CONTENT_TYPE, exposition  # noqa: PLC0415

    told = exposition(http_metrics_of(request), pool_of(request).metrics())
    return Response(told, media_type=CONTENT_TYPE)
