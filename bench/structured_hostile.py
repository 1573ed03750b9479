"""What schemas made to do harm cost the stream of somebody else, and how soon they are answered."""

from __future__ import annotations

import statistics
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPResponse
from threading import Event

import msgspec

from service.constraints.json_types import Json
from tests.unit.service.constraints.hostile import COMPILED, REFUSED

_NUM_ALONE = 300
_TIMEOUT_S = 120
_TOO_DEEP = "extreme depth"
"""Which no client can write as JSON."""


@dataclass(frozen=True, slots=True)
class HostileReport:
    """Medians of the times between a stream's events, and the longest wait for an answer."""

    alone_ms: float
    beside_ms: float
    slowest_s: float


def measure_hostile(url: str, model: str, turn: int) -> HostileReport:
    """A stream alone, and then beside all hostile schemas, one after the other. `turn` tells
    schemas apart from those that earlier turns have had compiled."""
    alone = statistics.median(_intervals_ms(url, model, Event(), _NUM_ALONE))
    schemas = [schema for name, (_, schema) in REFUSED.items() if name != _TOO_DEEP]
    done, waits = Event(), list[float]()
    with ThreadPoolExecutor(1) as threads:
        following = threads.submit(_intervals_ms, url, model, done, 1 << 30)
        for schema in [*schemas, *COMPILED.values()]:
            assert isinstance(schema, dict)
            waits.append(_answered_s(url, model, {"$comment": str(turn), **schema}))
        done.set()
        beside = statistics.median(following.result())
    return HostileReport(alone, beside, max(waits))


def _answered_s(url: str, model: str, schema: Json) -> float:
    started_s = time.perf_counter()
    try:
        with _post(url, model, max_tokens=1, structured_outputs={"json": schema}) as reply:
            reply.read()
    except urllib.error.HTTPError as refused:
        if refused.code != HTTPStatus.BAD_REQUEST:
            raise
    return time.perf_counter() - started_s


def _intervals_ms(url: str, model: str, stop: Event, limit: int) -> list[float]:
    """Of answers that follow one another until `stop`, or there are enough."""
    found: list[float] = []
    while not stop.is_set() and len(found) < limit:
        with _post(url, model, max_tokens=100, stream=True, ignore_eos=True) as reply:
            found += [*_between_events_ms(reply, stop)][1:]
    return found


def _between_events_ms(reply: HTTPResponse, stop: Event) -> Iterator[float]:
    last_s = None
    for line in reply:
        if stop.is_set():
            return
        if line.startswith(b"data: {"):
            now_s = time.perf_counter()
            if last_s is not None:
                yield 1000 * (now_s - last_s)
            last_s = now_s


def _post(url: str, model: str, **fields: object) -> HTTPResponse:
    messages = [{"role": "user", "content": "Tell a tale."}]
    body = msgspec.json.encode({"model": model, "messages": messages, **fields})
    request = urllib.request.Request(
        f"{url}/v1/chat/completions", body, {"Content-Type": "application/json"}
    )
    reply: HTTPResponse = urllib.request.urlopen(request, timeout=_TIMEOUT_S)
    return reply
