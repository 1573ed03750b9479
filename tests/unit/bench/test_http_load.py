"""The load client counts what a server streamed, and reports nothing when a request failed."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
import pytest

from bench.http_load import LoadError, LoadPlan, LoadReport, measure_load, run_load

_OK = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
_USAGE = (
    b'data: {"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 3,'
    b' "prompt_tokens_details": {"cached_tokens": 2}}}\n\n'
)
_DONE = b"data: [DONE]\n\n"


@contextmanager
def _server(answer: bytes, received: list[bytes]) -> Iterator[str]:
    """Serve `answer` to every request from another thread; yields the base URL."""
    loop = asyncio.new_event_loop()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split()[0])
        received.append(head + await reader.readexactly(length))
        writer.write(answer)
        writer.close()
        await writer.wait_closed()

    server = loop.run_until_complete(asyncio.start_server(handle, "127.0.0.1", 0))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        loop.call_soon_threadsafe(server.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.run_until_complete(server.wait_closed())
        loop.close()


def _plan(url: str, num_prompts: int = 5) -> LoadPlan:
    prompts = [f"prompt {number}" for number in range(num_prompts)]
    return LoadPlan(url=url, model="tiny", prompts=prompts, clients=2, max_tokens=4)


def _events(*choices: str) -> bytes:
    return b"".join(f'data: {{"choices": [{choice}]}}\n\n'.encode() for choice in choices)


def _check_counts(report: LoadReport) -> None:
    assert report.requests == 5
    assert report.prompt_tokens == 25
    assert report.cached_tokens == 10
    assert report.output_tokens == 15
    assert report.stopped_early == 5
    assert report.output_rate == pytest.approx(15 / report.wall_s)


def test_usage_is_summed_over_all_requests() -> None:
    received: list[bytes] = []
    with _server(
        _OK + _events('{"text": "a"}', '{"text": "bc"}') + _USAGE + _DONE, received
    ) as url:
        _check_counts(run_load(_plan(url)))

    bodies = [msgspec.json.decode(request.partition(b"\r\n\r\n")[2]) for request in received]
    assert sorted(body["prompt"] for body in bodies) == [f"prompt {n}" for n in range(5)]
    assert all(body["temperature"] == 0 and body["max_tokens"] == 4 for body in bodies)
    assert all(request.startswith(b"POST /v1/completions HTTP/1.1\r\n") for request in received)


def test_a_process_of_its_own_reports_the_same() -> None:
    with _server(_OK + _events('{"text": "a"}') + _USAGE + _DONE, []) as url:
        _check_counts(measure_load(_plan(url)))


def test_chat_counts_content_and_sends_a_message() -> None:
    received: list[bytes] = []
    choices = ('{"delta": {"role": "assistant", "content": ""}}', '{"delta": {"content": "a"}}')
    with _server(_OK + _events(*choices) + _USAGE + _DONE, received) as url:
        plan = msgspec.structs.replace(_plan(url, 1), endpoint="chat/completions")
        assert run_load(plan).output_tokens == 3

    assert received[0].startswith(b"POST /v1/chat/completions HTTP/1.1\r\n")
    assert b'"messages":[{"role":"user","content":"prompt 0"}]' in received[0]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (b'HTTP/1.1 429 Busy\r\nContent-Length: 4\r\n\r\n"no"', "429"),
        (_OK + b'data: {"error": {"message": "the engine died"}}\n\n', "the engine died"),
        (_OK + _events('{"text": "a"}') + _DONE, "without its usage|without text"),
        (_OK + _USAGE + _DONE, "without text"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "middle of a response"),
    ],
)
def test_a_failed_request_leaves_no_report(answer: bytes, message: str) -> None:
    with _server(answer, []) as url, pytest.raises(LoadError, match=message):
        measure_load(_plan(url))


def test_an_unreachable_server_is_a_load_error() -> None:
    with pytest.raises(LoadError, match=r"[Cc]onnect"):
        measure_load(_plan("http://127.0.0.1:1"))
