"""A streamed HTTP/1.1 answer, taken apart without I/O: status line, chunks, server-sent events."""

from __future__ import annotations


class BadResponse(Exception):
    """The server sent something that is not the HTTP/1.1 this client speaks."""


class StreamedResponse:
    """One response, fed as bytes arrive from the socket.

    Only what model servers send to a streaming request is understood: a body in chunks, of a
    known length, or ended by the close of the connection. There are no trailers and no
    compression.
    """

    def __init__(self) -> None:
        self.status: int | None = None
        self.complete = False
        self._raw = b""
        self._body = b""
        self._chunked = False
        self._left: int | None = None

    def feed(self, data: bytes) -> list[bytes]:
        """Take the next bytes of the connection; returns the payloads of the events they end.

        Raises `BadResponse` if the bytes are no HTTP/1.1 response.
        """
        self._raw += data
        if self.status is None and not self._read_head():
            return []
        if self._chunked:
            self._read_chunks()
        else:
            self._read_plain()
        if self.status != 200:
            return []
        *events, self._body = self._body.replace(b"\r\n", b"\n").split(b"\n\n")
        return [payload for event in events if (payload := _payload(event))]

    def end(self) -> None:
        """The connection was closed; raises `BadResponse` if the response needed more bytes."""
        if self.complete:
            return
        if self.status is None or self._chunked or self._left is not None:
            raise BadResponse("the connection was closed in the middle of a response")
        self.complete = True

    @property
    def remainder(self) -> bytes:
        """What came of the body and is not an event: the error document if the status isn't 200."""
        return self._body

    def _read_head(self) -> bool:
        head, separator, rest = self._raw.partition(b"\r\n\r\n")
        if not separator:
            return False
        status_line, *lines = head.split(b"\r\n")
        parts = status_line.split(b" ", 2)
        if len(parts) < 2 or not parts[0].startswith(b"HTTP/1.") or not parts[1].isdigit():
            raise BadResponse(f"not an HTTP/1.1 status line: {status_line[:80]!r}")
        headers = {
            name.strip().lower(): value.strip().lower()
            for name, _, value in (line.partition(b":") for line in lines)
        }
        self.status = int(parts[1])
        self._raw = rest
        self._chunked = headers.get(b"transfer-encoding") == b"chunked"
        length = headers.get(b"content-length")
        self._left = int(length) if length is not None and not self._chunked else None
        return True

    def _read_plain(self) -> None:
        self._body += self._raw
        if self._left is not None:
            self._left -= len(self._raw)
            self.complete = self._left <= 0
        self._raw = b""

    def _read_chunks(self) -> None:
        while not self.complete:
            size_line, separator, rest = self._raw.partition(b"\r\n")
            if not separator:
                return
            digits = size_line.partition(b";")[0].strip()
            if not digits or digits.strip(b"0123456789abcdefABCDEF"):
                raise BadResponse(f"not a chunk size: {size_line[:80]!r}")
            size = int(digits, 16)
            if len(rest) < size + 2:
                return
            self._body += rest[:size]
            self._raw = rest[size + 2 :]
            self.complete = size == 0


def _payload(event: bytes) -> bytes:
    lines = [line[5:].removeprefix(b" ") for line in event.split(b"\n") if line[:5] == b"data:"]
    return b"\n".join(lines)
