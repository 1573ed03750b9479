"""A model hub on this machine: the part of its HTTP interface that downloads use.

Small files are served by the hub itself; large ones it redirects to a second server, as the real
hub does to its content network.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import ClassVar
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"
REPO = "someone/tiny"


@dataclass(frozen=True)
class Seen:
    """A request as a server got it; header names in lower case."""

    server: str
    method: str
    path: str
    headers: dict[str, str]


@dataclass
class Hub:
    """What the stand-in holds and how it misbehaves."""

    files: dict[str, bytes]
    large: frozenset[str] = frozenset()
    gated: bool = False
    token: str | None = None
    cuts: list[int] = field(default_factory=list)  # bytes sent of the next large downloads
    broken: bool = False
    seen: list[Seen] = field(default_factory=list)
    endpoint: str = ""
    content_endpoint: str = ""

    def downloads(self, name: str) -> list[Seen]:
        return [seen for seen in self.seen if seen.path.endswith(f"/{name}")]

    def listing(self) -> bytes:
        siblings = []
        for name, content in self.files.items():
            blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
            entry: dict[str, object] = {"rfilename": name, "size": len(content), "blobId": blob}
            if name in self.large:
                sha256 = hashlib.sha256(content).hexdigest()
                entry["lfs"] = {"sha256": sha256, "size": len(content), "pointerSize": 130}
            siblings.append(entry)
        return json.dumps(
            {
                "_id": "0",
                "id": REPO,
                "sha": COMMIT,
                "private": False,
                "gated": "manual" if self.gated else False,
                "downloads": 0,
                "likes": 0,
                "tags": [],
                "cardData": {"license": "apache-2.0"},
                "siblings": siblings,
            }
        ).encode()


class _Handler(BaseHTTPRequestHandler):
    hub: ClassVar[Hub]
    name: ClassVar[str]

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        path = unquote(urlsplit(self.path).path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.hub.seen.append(Seen(self.name, self.command, self.path, headers))
        if self.hub.broken:
            self._send(HTTPStatus.SERVICE_UNAVAILABLE, b"")
        elif self.name == "content":
            self._send_file(path.lstrip("/"), is_large=True)
        elif path.startswith("/api/models/"):
            self._send_info(path.removeprefix("/api/models/"))
        elif path.startswith(f"/{REPO}/resolve/{COMMIT}/"):
            self._resolve(path.removeprefix(f"/{REPO}/resolve/{COMMIT}/"))
        else:
            self._refuse(HTTPStatus.NOT_FOUND, "RepoNotFound")

    def _send_info(self, path: str) -> None:
        repo, _, revision = path.partition("/revision/")
        if repo != REPO:
            self._refuse(HTTPStatus.NOT_FOUND, "RepoNotFound")
        elif revision not in ("", "main", "v1.0", COMMIT):
            self._refuse(HTTPStatus.NOT_FOUND, "RevisionNotFound")
        else:
            self._send(HTTPStatus.OK, self.hub.listing(), {"Content-Type": "application/json"})

    def _resolve(self, name: str) -> None:
        authorization = self.headers.get("Authorization")
        if self.hub.gated and authorization != f"Bearer {self.hub.token}":
            status = HTTPStatus.FORBIDDEN if authorization else HTTPStatus.UNAUTHORIZED
            self._refuse(status, "GatedRepo")
        elif name not in self.hub.files:
            self._refuse(HTTPStatus.NOT_FOUND, "EntryNotFound")
        elif name in self.hub.large:
            self._send(
                HTTPStatus.FOUND,
                b"",
                {
                    "Location": f"{self.hub.content_endpoint}/{name}",
                    "X-Repo-Commit": COMMIT,
                    "X-Linked-Size": str(len(self.hub.files[name])),
                    "X-Linked-Etag": hashlib.sha256(self.hub.files[name]).hexdigest(),
                },
            )
        else:
            self._send_file(name, is_large=False)

    def _send_file(self, name: str, *, is_large: bool) -> None:
        content = self.hub.files[name]
        headers = {"X-Repo-Commit": COMMIT, "ETag": f'"{hashlib.sha1(content).hexdigest()}"'}
        status = HTTPStatus.OK
        start = 0
        if (wanted := self.headers.get("Range")) is not None:
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
            status = HTTPStatus.PARTIAL_CONTENT
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        num_sent = self.hub.cuts.pop(0) if is_large and self.hub.cuts else None
        self._send(status, content[start:], headers, num_sent)

    def _refuse(self, status: HTTPStatus, code: str) -> None:
        self._send(status, b"{}", {"X-Error-Code": code})

    def _send(
        self,
        status: HTTPStatus,
        content: bytes,
        headers: dict[str, str] | None = None,
        num_sent: int | None = None,
    ) -> None:
        """Sends `content`, or promises it and hangs up after `num_sent` bytes."""
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content[:num_sent])


@contextmanager
def serving(hub: Hub) -> Iterator[Hub]:
    """Runs the stand-in; fills in its two endpoints."""
    with _server(hub, "hub") as endpoint, _server(hub, "content") as content_endpoint:
        hub.endpoint, hub.content_endpoint = endpoint, content_endpoint
        yield hub


@contextmanager
def _server(hub: Hub, name: str) -> Iterator[str]:
    handler = type("Handler", (_Handler,), {"hub": hub, "name": name})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
