"""What is told when a service refuses, breaks off, or is not there."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from service.cli.client.asking import Ask
from service.cli.client.connection import Address
from service.cli.client.service import Service
from service.cli.errors import CommandError, NoServer, Refused
from service.errors import ModelNotFound
from service.settings import Settings
from service.store.overrides import Turn
from tests.unit.service.cli.samples import NO_TEXT
from tests.unit.service.processes import read_until_headers_end


@contextmanager
def _answering(reply: bytes, asked: list[bytes] | None = None) -> Iterator[Address]:
    """A server that says `reply`, whatever it is asked, and closes the connection. The beginning
    of what it is asked goes into `asked`."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                request = read_until_headers_end(connection)
                if asked is not None:
                    asked.append(request)
                connection.sendall(reply)

        thread = threading.Thread(target=serve)
        thread.start()
        yield Address("127.0.0.1", listener.getsockname()[1])
        thread.join(5)


def _refusal(status: int, body: str) -> bytes:
    return f"HTTP/1.1 {status} No\r\ncontent-length: {len(body)}\r\n\r\n{body}".encode()


def test_no_service_is_told_with_what_to_do() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    address = Address("127.0.0.1", port)
    assert not address.is_served()
    with pytest.raises(NoServer, match=r"retort serve.*RETORT_HOST.*OLLAMA_HOST"):
        Service(address).device()


@pytest.mark.parametrize(
    "body", ['{"error": {"message": "Bad.", "type": "x"}}', '{"error": "Bad."}']
)
def test_errors_of_both_dialects_are_understood(body: str) -> None:
    with _answering(_refusal(400, body)) as address, pytest.raises(CommandError, match=r"^Bad\.$"):
        Service(address).device()


def test_what_was_wrongly_asked_can_be_told_from_what_goes_wrong() -> None:
    with _answering(_refusal(400, "{}")) as address, pytest.raises(Refused):
        Service(address).device()
    with _answering(_refusal(503, "{}")) as address, pytest.raises(CommandError) as caught:
        Service(address).device()
    assert not isinstance(caught.value, Refused)


def test_an_unknown_model_can_be_told_from_other_refusals() -> None:
    with _answering(_refusal(404, "{}")) as address, pytest.raises(ModelNotFound):
        Service(address).describe("x")


def test_a_key_that_is_missing_is_told_with_its_variable() -> None:
    with (
        _answering(_refusal(401, '{"error": "No key."}')) as address,
        pytest.raises(CommandError, match="RETORT_API_KEY"),
    ):
        Service(address).device()


@pytest.mark.parametrize(
    "reply", [b"", b"SSH-2.0\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{"]
)
def test_what_is_no_answer_is_one_line(reply: bytes) -> None:
    with _answering(reply) as address, pytest.raises(NoServer, match="broke off"):
        Service(address).device()


def test_a_text_that_is_none_is_told_and_not_sent() -> None:
    ask = Ask(model="m", messages=[Turn("user", NO_TEXT)])
    with _answering(b"") as address, pytest.raises(CommandError, match="no text in UTF-8"):
        next(Service(address).answer(ask))


@pytest.mark.parametrize("name", [NO_TEXT, "", "/", "a b"])
def test_what_can_name_no_model_names_none_that_is_there(name: str) -> None:
    nowhere = Address("127.0.0.1", 1)
    with pytest.raises(ModelNotFound, match="There is no model"):
        Service(nowhere).describe(name)
    with pytest.raises(ModelNotFound, match="There is no model"):
        Service(nowhere).unload(name)


def test_a_key_may_be_in_any_script() -> None:
    asked: list[bytes] = []
    with _answering(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", asked) as address:
        replace(address, api_key="schlüssel-鍵").fetch("GET", "/")
    assert b"authorization: Bearer " + "schlüssel-鍵".encode() + b"\r\n" in asked[0]


def test_a_host_that_can_be_none_is_told_as_one_where_nobody_answers() -> None:
    with pytest.raises(NoServer, match=r"no service answers at http://a\.\.b:1"):
        Service(Address("a..b", 1)).device()


def test_what_is_listened_on_everywhere_is_reached_here() -> None:
    assert str(Address.of(Settings(host="0.0.0.0", port=1), {})) == "http://127.0.0.1:1"
    assert str(Address.of(Settings(host="::", port=1), {})) == "http://[::1]:1"
    secure = Address.of(Settings(host="h", port=443), {"OLLAMA_HOST": "https://h"})
    assert str(secure) == "https://h:443"
    assert not secure.is_here
    ours = {"OLLAMA_HOST": "https://h", "RETORT_HOST": "h"}
    assert not Address.of(Settings(host="h"), ours).secure
    assert Address.of(Settings(api_keys=("a", "b")), {}).api_key == "a"
