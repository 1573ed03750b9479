"""Closing a connection so that who is still sending can read the reply (RFC 9112, section 9.6)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class LingeringTransport(asyncio.Transport):
    """What uvicorn uses of a transport, closed in two steps while `is_sending`.

    The system resets a connection that is closed before all that has come in was read, and a client
    that is reset loses what it has not read yet. So only this side's direction is closed first,
    behind the reply. The other ends with the client, or with `transport.close` at a deadline; until
    then its protocol has to read on, and to drop what it reads.
    """

    def __init__(self, transport: asyncio.Transport, is_sending: Callable[[], bool]) -> None:
        super().__init__()
        self._transport = transport
        self._is_sending = is_sending
        self._lingers = False

    def close(self) -> None:
        if self._lingers or self._transport.is_closing() or not self._is_sending():
            self._transport.close()
            return
        self._lingers = True
        self._transport.resume_reading()
        try:
            self._transport.write_eof()
        except OSError:  # the client has reset the connection itself
            self._transport.abort()

    def is_closing(self) -> bool:
        return self._lingers or self._transport.is_closing()

    def abort(self) -> None:
        self._transport.abort()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._transport.write(data)

    def get_write_buffer_size(self) -> int:
        return self._transport.get_write_buffer_size()

    def pause_reading(self) -> None:
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        self._transport.resume_reading()

    def get_extra_info(self, name: str, default: object = None) -> object:
        return self._transport.get_extra_info(name, default)
