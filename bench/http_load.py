"""Streaming load on an OpenAI-compatible server: N clients, each sending one request after another.

Run as a process of its own (`measure_load` does), so that the client's interpreter lock is not the
server's. It speaks HTTP/1.1 over plain sockets and decodes two fields of each event: on a machine
whose cores the server needs, a client that costs more would measure itself.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import msgspec

from bench.http_stream import BadResponse, StreamedResponse

Endpoint = Literal["completions", "chat/completions"]


class LoadError(Exception):
    """A request of the load failed, so there is nothing to report."""


class LoadPlan(msgspec.Struct, frozen=True):
    """What to send: the prompts are dealt out to the clients in turn, each used once.

    `logprobs` are for completions, whose field is a number.
    """

    url: str
    model: str
    prompts: list[str]
    clients: int = 8
    max_tokens: int = 64
    endpoint: Endpoint = "completions"
    logprobs: int | None = None


class LoadReport(msgspec.Struct, frozen=True):
    """What came back, over all requests. Rates are tokens per second of wall-clock time.

    Token counts are the server's own usage. `inter_token` times lie between two events that carry
    text, so a server that sends two tokens in one event shows them as one.
    """

    requests: int
    prompt_tokens: int
    cached_tokens: int
    output_tokens: int
    stopped_early: int
    wall_s: float
    output_rate: float
    first_token_p50_ms: float
    first_token_max_ms: float
    inter_token_p50_ms: float
    inter_token_p99_ms: float
    client_cpu_s: float


class _PromptDetails(msgspec.Struct):
    cached_tokens: int = 0


class _Usage(msgspec.Struct):
    prompt_tokens: int
    completion_tokens: int
    prompt_tokens_details: _PromptDetails | None = None


class _Delta(msgspec.Struct):
    content: str | None = None


class _Choice(msgspec.Struct):
    text: str = ""
    delta: _Delta | None = None


class _Event(msgspec.Struct):
    choices: list[_Choice]
    usage: _Usage | None = None


_EVENT = msgspec.json.Decoder(_Event)


@dataclass(slots=True)
class _Answer:
    """One request as the client saw it; times are `time.perf_counter` seconds."""

    sent: float
    text_times: list[float] = field(default_factory=list)
    usage: _Usage | None = None

    def take(self, payload: bytes, now: float) -> None:
        """Note one event of the stream; raises `LoadError` if it is no completion event."""
        if payload == b"[DONE]":
            return
        try:
            event = _EVENT.decode(payload)
        except msgspec.DecodeError as error:
            raise LoadError(f"{error}: {payload[:500]!r}") from error
        self.usage = event.usage or self.usage
        choice = event.choices[0] if event.choices else None
        if choice and (choice.text or (choice.delta and choice.delta.content)):
            self.text_times.append(now)


def run_load(plan: LoadPlan) -> LoadReport:
    """Run the plan in this process; raises `LoadError` if any request fails."""
    try:
        return asyncio.run(_run(plan))
    except BaseExceptionGroup as failed:
        # The first failure ends all clients; the others say no more than it does.
        raise failed.exceptions[0] from None


def measure_load(plan: LoadPlan, timeout_s: float = 600) -> LoadReport:
    """Run the plan in a process of its own; raises `LoadError` with its message if that fails."""
    command = [sys.executable, "-m", "bench.http_load", "-"]
    finished = subprocess.run(
        command, input=msgspec.json.encode(plan), capture_output=True, timeout=timeout_s
    )
    if finished.returncode:
        raise LoadError(finished.stderr.decode().strip().rpartition("\n")[2])
    return msgspec.json.decode(finished.stdout, type=LoadReport)


async def _run(plan: LoadPlan) -> LoadReport:
    requests = [_encode_request(plan, prompt) for prompt in plan.prompts]
    started, started_cpu = time.perf_counter(), time.process_time()
    async with asyncio.TaskGroup() as group:
        clients = [
            group.create_task(_client(plan.url, requests[first :: plan.clients]))
            for first in range(plan.clients)
        ]
    wall_s = time.perf_counter() - started
    answers = [answer for client in clients for answer in client.result()]
    return _report(answers, plan.max_tokens, wall_s, time.process_time() - started_cpu)


async def _client(url: str, requests: Sequence[bytes]) -> list[_Answer]:
    return [await _ask(url, request) for request in requests]


async def _ask(url: str, request: bytes) -> _Answer:
    where = urlsplit(url)
    answer = _Answer(sent=time.perf_counter())
    try:
        reader, writer = await asyncio.open_connection(where.hostname, where.port or 80)
        try:
            writer.write(request)
            response = await _receive(reader, answer)
        finally:
            writer.close()
    except (BadResponse, OSError) as error:
        raise LoadError(str(error)) from error
    if response.status != 200:
        raise LoadError(f"status {response.status}: {response.remainder[:500]!r}")
    return answer


async def _receive(reader: asyncio.StreamReader, answer: _Answer) -> StreamedResponse:
    response = StreamedResponse()
    while not response.complete:
        data = await reader.read(65536)
        now = time.perf_counter()
        for payload in response.feed(data):
            answer.take(payload, now)
        if not data:
            response.end()
    return response


def _encode_request(plan: LoadPlan, prompt: str) -> bytes:
    asked: dict[str, object] = {
        "model": plan.model,
        "max_tokens": plan.max_tokens,
        "temperature": 0,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if plan.logprobs is not None:
        asked["logprobs"] = plan.logprobs
    if plan.endpoint == "completions":
        asked["prompt"] = prompt
    else:
        asked["messages"] = [{"role": "user", "content": prompt}]
    body = msgspec.json.encode(asked)
    where = urlsplit(plan.url)
    head = (
        f"POST {where.path.rstrip('/')}/v1/{plan.endpoint} HTTP/1.1\r\n"
        f"Host: {where.netloc}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body


def _report(
    answers: Sequence[_Answer], max_tokens: int, wall_s: float, client_cpu_s: float
) -> LoadReport:
    usages = [answer.usage for answer in answers if answer.usage]
    if len(usages) < len(answers) or not all(answer.text_times for answer in answers):
        raise LoadError("a stream ended without text or without its usage")
    first = [1000 * (answer.text_times[0] - answer.sent) for answer in answers]
    gaps = [
        1000 * (after - before)
        for answer in answers
        for before, after in zip(answer.text_times, answer.text_times[1:], strict=False)
    ]
    percentiles = statistics.quantiles(gaps, n=100) if len(gaps) > 1 else [0.0] * 99
    output_tokens = sum(usage.completion_tokens for usage in usages)
    details = [usage.prompt_tokens_details for usage in usages]
    return LoadReport(
        requests=len(answers),
        prompt_tokens=sum(usage.prompt_tokens for usage in usages),
        cached_tokens=sum(detail.cached_tokens for detail in details if detail),
        output_tokens=output_tokens,
        stopped_early=sum(usage.completion_tokens < max_tokens for usage in usages),
        wall_s=wall_s,
        output_rate=output_tokens / wall_s,
        first_token_p50_ms=statistics.median(first),
        first_token_max_ms=max(first),
        inter_token_p50_ms=percentiles[49],
        inter_token_p99_ms=percentiles[98],
        client_cpu_s=client_cpu_s,
    )


def _main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.http_load", description=__doc__)
    parser.add_argument("plan", help="a LoadPlan as a JSON file, or - for standard input")
    chosen: str = parser.parse_args(arguments).plan
    document = sys.stdin.buffer.read() if chosen == "-" else Path(chosen).read_bytes()
    try:
        report = run_load(msgspec.json.decode(document, type=LoadPlan))
    except LoadError as error:
        print(error, file=sys.stderr)
        return 1
    print(msgspec.json.format(msgspec.json.encode(report)).decode())
    return 0


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
