"""Requests to a service over HTTP, by the standard library alone."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection

import msgspec

from service.cli.errors import CommandError, NoServer, Refused
from service.errors import ModelNotFound
from service.settings import Settings

_CONNECT_S = 5.0
_ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""What a server listens on, and where it is reached from the same machine."""


class _OpenAIError(msgspec.Struct):
    message: str


class _ErrorBody(msgspec.Struct):
    """OpenAI's objects and Ollama's texts."""

    error: _OpenAIError | str


@dataclass(frozen=True, slots=True)
class Address:
    """Where a service listens; `api_key` is None where it asks for none."""

    host: str
    port: int
    secure: bool = False
    api_key: str | None = None

    @classmethod
    def of(cls, settings: Settings, environment: Mapping[str, str]) -> Address:
        """The one that the settings would have a service listen on."""
        named = "" if environment.get("RETORT_HOST") else environment.get("OLLAMA_HOST", "")
        return cls(
            host=_ANYWHERE.get(settings.host, settings.host),
            port=settings.port,
            secure=named.strip().strip("\"'").lower().startswith("https://"),
            api_key=next(iter(settings.api_keys), None),
        )

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http{'s' * self.secure}://{host}:{self.port}"

    @property
    def is_here(self) -> bool:
        """Whether it is one of this machine, as far as it shows."""
        return Settings(host=self.host).is_loopback

    def is_served(self) -> bool:
        """Whether anything listens there."""
        try:
            with self.answer("GET", "/"):
                return True
        except NoServer:
            return False

    @contextmanager
    def answer(self, method: str, path: str, body: object = None) -> Iterator[HTTPResponse]:
        """The response to a request, of which `body` is the JSON; leaving closes the connection,
        which ends an answer that is still being made.

        Raises NoServer, ModelNotFound, or CommandError with what the service says, which is Refused
        where it is that the request is wrong.
        """
        kind = HTTPSConnection if self.secure else HTTPConnection
        connection = kind(self.host, self.port, timeout=_CONNECT_S)
        try:
            self._connect(connection)
            with self._losing():
                connection.request(method, path, _encoded(body), self._headers())
                response = connection.getresponse()
                if response.status >= 400:
                    raise _refusal(response.status, response.read())
                yield response
        finally:
            connection.close()

    def fetch(self, method: str, path: str, body: object = None) -> bytes:
        """All of a response. Raises as `answer` does."""
        with self.answer(method, path, body) as response:
            return response.read()

    def _connect(self, connection: HTTPConnection) -> None:
        try:
            connection.connect()
        except (OSError, UnicodeError) as error:
            # The second is of hosts that cannot be in an address.
            reason = getattr(error, "strerror", None) or error
            raise NoServer(
                f"no service answers at {self} ({reason}); start one with "
                "`retort serve`, or say where it is with RETORT_HOST and RETORT_PORT, or "
                "OLLAMA_HOST."
            ) from None
        # Loading a model and reading a long prompt take their time.
        connection.sock.settimeout(None)

    @contextmanager
    def _losing(self) -> Iterator[None]:
        try:
            yield
        except (HTTPException, ConnectionError) as error:
            raise NoServer(f"the service at {self} broke off: {error or 'no answer'}") from None

    def _headers(self) -> dict[str, str | bytes]:
        headers: dict[str, str | bytes] = {"content-type": "application/json"}
        if self.api_key is not None:
            # As bytes: of texts only those in Latin-1 can be in a header.
            headers["authorization"] = f"Bearer {self.api_key}".encode()
        return headers


def _encoded(body: object) -> bytes | None:
    """Raises CommandError for texts that were read of bytes that are none."""
    try:
        return None if body is None else msgspec.json.encode(body)
    except UnicodeEncodeError:
        raise CommandError("what is to be sent holds bytes that are no text in UTF-8") from None


def _refusal(status: int, body: bytes) -> CommandError | ModelNotFound:
    message = said(body) or f"the service answered with status {status}"
    if status == 404:
        return ModelNotFound(message)
    if status == 401:
        return CommandError(f"{message} Say the key with RETORT_API_KEY.")
    return Refused(message) if status == 400 else CommandError(message)


def said(body: bytes) -> str | None:
    """The text of an error; None if it is none."""
    try:
        error = msgspec.json.decode(body, type=_ErrorBody).error
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    text = error if isinstance(error, str) else error.message
    return json.dumps(text)[1:-1] if not text.isprintable() else text
