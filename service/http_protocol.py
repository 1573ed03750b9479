"""HTTP/1.1 connections that end: uvicorn has no deadline for a client that stops midway."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from service.api.long_body import EXTENSION
from service.lingering import LingeringTransport

HEADERS_DEADLINE_S: Final = 10.0
BODY_DEADLINE_S: Final = 30.0
STALL_DEADLINE_S: Final = 20.0
FIRST_REQUEST_S: Final = 0.5
"""For the request of a client that has only just connected when the server is stopped."""

_READ_AHEAD_BYTES: Final = 64 * 1024
"""What may come in behind a request that is being answered."""

_DEADLINES: Final[Mapping[object, float]] = {
    h11.IDLE: HEADERS_DEADLINE_S,
    h11.SEND_BODY: BODY_DEADLINE_S,
    h11.ERROR: HEADERS_DEADLINE_S,
}
_MALFORMED: Final = (
    b'{"error":{"message":"The request is not valid HTTP, or its headers are too large.",'
    b'"type":"invalid_request_error","param":null,"code":"bad_request"}}'
)


class DeadlineProtocol(H11Protocol):
    """Closes a connection whose headers, body, or reading of a reply take too long.

    The first two deadlines are absolute, so that a byte now and then does not extend them; the
    application may lift that of a body, while it sees to the client's going on itself. One timer
    at a time watches what the client sends, and one its reading.
    """

    _receiving: asyncio.TimerHandle | None = None
    _received_phase: object = None
    _stalled: asyncio.TimerHandle | None = None
    _ending: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._connection = transport
        super().connection_made(LingeringTransport(transport, self._is_client_sending))
        self._watch_receiving()

    def data_received(self, data: bytes) -> None:
        if not self.transport.is_closing():
            super().data_received(data)
            self._watch_receiving()

    def handle_events(self) -> None:
        super().handle_events()
        self._listen_on()
        # One that waits for a next request may take its time.
        if self.conn.their_state is not h11.IDLE:
            self._watch_receiving()
        if self.scope is not None:
            self.scope["extensions"] = {EXTENSION: {"lifted": self._body_deadline_lifted}}

    def connection_lost(self, exc: Exception | None) -> None:
        self._set_receiving(None)
        self._stop_stall_timer()
        if self._ending is not None:
            self._ending.cancel()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """Unlike uvicorn's own, does not hang up on a first request that is still on its way: its
        client could not tell that from a failure."""
        if self.cycle is None:
            self._ending = self.loop.call_later(FIRST_REQUEST_S, super().shutdown)
        else:
            super().shutdown()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stalled = self.loop.call_later(STALL_DEADLINE_S, self.transport.abort)

    def resume_writing(self) -> None:
        self._stop_stall_timer()
        super().resume_writing()

    def timeout_keep_alive_handler(self) -> None:
        """An idle connection is closed, at once if its client has not read the last reply."""
        if self.transport.get_write_buffer_size():
            self.transport.abort()
        super().timeout_keep_alive_handler()

    def send_400_response(self, _msg: str) -> None:
        """The same shape as every other error has, unless a reply is already on its way."""
        if self.conn.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            length = str(len(_MALFORMED)).encode()
            headers = [
                (b"content-type", b"application/json"),
                (b"content-length", length),
                (b"connection", b"close"),
            ]
            for event in (
                h11.Response(status_code=400, headers=headers, reason=b"Bad Request"),
                h11.Data(data=_MALFORMED),
                h11.EndOfMessage(),
            ):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def _listen_on(self) -> None:
        """uvicorn reads nothing more once something has come in behind a request that is being
        answered, and would not see its client go."""
        if self.conn.their_state is h11.DONE and self.conn.our_state is not h11.DONE:
            behind, _ = self.conn.trailing_data
            if 0 < len(behind) < _READ_AHEAD_BYTES:
                self.flow.resume_reading()

    @contextmanager
    def _body_deadline_lifted(self) -> Iterator[None]:
        self._set_receiving(self.conn.their_state, has_deadline=False)
        try:
            yield
        finally:
            if not self.transport.is_closing():
                self._set_receiving(self.conn.their_state)

    def _watch_receiving(self) -> None:
        phase = self.conn.their_state
        if phase is not self._received_phase:
            self._set_receiving(phase)

    def _set_receiving(self, phase: object, *, has_deadline: bool = True) -> None:
        self._received_phase = phase
        if self._receiving is not None:
            self._receiving.cancel()
            self._receiving = None
        deadline_s = _DEADLINES.get(phase) if has_deadline else None
        if deadline_s is not None:
            self._receiving = self.loop.call_later(deadline_s, self._connection.close)

    def _is_client_sending(self) -> bool:
        """A request that has been begun, or what is none."""
        return self.conn.their_state in {h11.SEND_BODY, h11.ERROR}

    def _stop_stall_timer(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None
