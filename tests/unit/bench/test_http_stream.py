"""The load client's parser gives the same events however the network cuts the bytes."""

from __future__ import annotations

import pytest

from bench.http_stream import BadResponse, StreamedResponse

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
_CHUNKED = _HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _feed_in_pieces(response: StreamedResponse, raw: bytes, size: int) -> list[bytes]:
    return [
        event
        for start in range(0, len(raw), size)
        for event in response.feed(raw[start : start + size])
    ]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 4096])
def test_events_do_not_depend_on_how_the_bytes_are_cut(size: int) -> None:
    body = [b'data: {"a": 1}\n\nda', b"ta:two\n", b"\n: a comment\n\n", b"data: [DONE]\n\n"]
    raw = _CHUNKED + b"".join(map(_chunk, body)) + b"0\r\n\r\n"
    response = StreamedResponse()

    events = _feed_in_pieces(response, raw, size)

    assert events == [b'{"a": 1}', b"two", b"[DONE]"]
    assert response.status == 200
    assert response.complete


@pytest.mark.parametrize("size", [1, 5, 4096])
def test_lines_may_end_in_crlf_and_data_may_span_lines(size: int) -> None:
    raw = _CHUNKED + _chunk(b"event: x\r\ndata: one\r\ndata: two\r\n\r\n") + b"0\r\n\r\n"

    assert _feed_in_pieces(StreamedResponse(), raw, size) == [b"one\ntwo"]


def test_chunk_extensions_and_upper_case_sizes_are_understood() -> None:
    data = b"data: " + b"x" * 36 + b"\n\n"
    raw = _CHUNKED + b"2C;name=value\r\n" + data + b"\r\n"

    assert StreamedResponse().feed(raw) == [b"x" * 36]


def test_chunk_content_that_looks_like_a_chunk_end_stays_content() -> None:
    raw = _CHUNKED + _chunk(b"data: a\r\n0\r\n\r\ndata: b\n\n")
    response = StreamedResponse()

    assert response.feed(raw) == [b"a", b"b"]
    assert not response.complete


def test_a_body_of_known_length_completes_at_its_last_byte() -> None:
    response = StreamedResponse()

    assert response.feed(_HEAD + b"Content-Length: 9\r\n\r\ndata: a") == []
    assert not response.complete
    assert response.feed(b"\n\n") == [b"a"]
    assert response.complete


def test_a_body_without_length_ends_with_the_connection() -> None:
    response = StreamedResponse()

    assert response.feed(_HEAD + b"\r\ndata: a\n\n") == [b"a"]
    assert not response.complete
    response.end()
    assert response.complete


def test_an_error_document_is_kept_whole_and_gives_no_events() -> None:
    document = b'{"error": "a\n\ndata: b"}'
    raw = b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: %d\r\n\r\n" % len(document)
    response = StreamedResponse()

    assert response.feed(raw + document) == []
    assert response.status == 429
    assert response.complete
    assert response.remainder == document


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"HTTP/1.1 200",
        _CHUNKED + _chunk(b"data: a\n\n"),
        _HEAD + b"Content-Length: 5\r\n\r\nx",
    ],
)
def test_a_connection_closed_too_early_is_an_error(raw: bytes) -> None:
    response = StreamedResponse()
    response.feed(raw)

    with pytest.raises(BadResponse, match="closed"):
        response.end()


@pytest.mark.parametrize(
    "raw",
    [b"SSH-2.0-x\r\n\r\n", b"HTTP/1.1 OK\r\n\r\n", _CHUNKED + b"zz\r\n", _CHUNKED + b"-1\r\n"],
)
def test_bytes_that_are_not_http_are_an_error(raw: bytes) -> None:
    with pytest.raises(BadResponse, match="not a"):
        StreamedResponse().feed(raw)
