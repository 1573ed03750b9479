"""A line in the log for each request: what was asked for and what came of it, never what was said
unless that was asked for."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Final

from litestar.types import HTTPScope, Receive, ReceiveMessage

from service.api.exchange import Exchange
from service.logs import Field, log_fields

_log = logging.getLogger(__name__)

_PROBES: Final = frozenset({"/", "/health", "/metrics"})
"""Asked every few seconds by machines."""


@dataclass(frozen=True, slots=True)
class RequestLog:
    """With `with_bodies` the bodies of requests are logged too, as they came."""

    with_bodies: bool

    def heard(self, receive: Receive, exchange: Exchange) -> Receive:
        """`receive`, of which the exchange remembers the body if that is to be logged."""
        if not self.with_bodies:
            return receive

        async def remembering() -> ReceiveMessage:
            message = await receive()
            if message["type"] == "http.request" and exchange.keeps_body:
                exchange.body += message.get("body", b"")
            return message

        return remembering

    def answered(self, scope: HTTPScope, exchange: Exchange, status: int, seconds: float) -> None:
        """The request is over, for `status` or because its client has gone."""
        level = logging.DEBUG if scope["path"] in _PROBES and status < 400 else logging.INFO
        if not _log.isEnabledFor(level):
            return
        client = scope.get("client")
        fields: dict[str, Field] = {
            "id": exchange.request_id,
            "client": None if client is None else client[0],
            "method": scope["method"],
            "path": scope["path"][:200],
            "status": status,
            "seconds": round(seconds, 6),
            "model": None if exchange.model is None else exchange.model[:200],
            "prompt_tokens": exchange.num_prompt_tokens,
            "output_tokens": exchange.num_output_tokens,
        }
        if self.with_bodies:
            fields["body"] = exchange.body.decode(errors="backslashreplace")
        log_fields(_log, level, "request", fields)
