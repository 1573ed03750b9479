"""Embedding load on an OpenAI-compatible server: N clients, each sending one request after another.

Run as a process of its own, for the reasons that `bench.http_load` gives. Vectors are asked for in
base64, as the official clients do, and are counted but not decoded.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Sequence
from urllib.parse import urlsplit

import msgspec

from bench.http_load import LoadError


class EmbeddingPlan(msgspec.Struct, frozen=True):
    """What to send: the requests are dealt out to the clients in turn, each used once."""

    url: str
    model: str
    requests: list[list[str]]
    clients: int = 8


class EmbeddingReport(msgspec.Struct, frozen=True):
    """What came back: texts per second of wall-clock time, over all clients."""

    texts: int
    wall_s: float

    @property
    def rate(self) -> float:
        return self.texts / self.wall_s


class _Item(msgspec.Struct):
    embedding: str


class _Reply(msgspec.Struct):
    data: list[_Item]


_REPLY = msgspec.json.Decoder(_Reply)


def measure_embedding_load(plan: EmbeddingPlan, timeout_s: float = 600) -> EmbeddingReport:
    """Runs the plan in a process of its own; raises LoadError with its message if that fails."""
    command = [sys.executable, "-m", "bench.embedding_load"]
    finished = subprocess.run(
        command, input=msgspec.json.encode(plan), capture_output=True, timeout=timeout_s
    )
    if finished.returncode:
        raise LoadError(finished.stderr.decode().strip().rpartition("\n")[2])
    return msgspec.json.decode(finished.stdout, type=EmbeddingReport)


async def _run(plan: EmbeddingPlan) -> EmbeddingReport:
    bodies = [_encode_body(plan, texts) for texts in plan.requests]
    started = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        clients = [
            group.create_task(_client(plan.url, bodies[first :: plan.clients]))
            for first in range(plan.clients)
        ]
    wall_s = time.perf_counter() - started
    return EmbeddingReport(sum(client.result() for client in clients), wall_s)


async def _client(url: str, bodies: Sequence[bytes]) -> int:
    """The number of vectors that came over one connection."""
    where = urlsplit(url)
    reader, writer = await asyncio.open_connection(where.hostname, where.port, limit=2**24)
    try:
        return sum([await _ask(reader, writer, where.netloc, body) for body in bodies])
    except (OSError, asyncio.IncompleteReadError, ValueError) as error:
        raise LoadError(str(error)) from error
    finally:
        writer.close()


async def _ask(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, body: bytes
) -> int:
    head = (
        f"POST /v1/embeddings HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    writer.write(head.encode() + body)
    answer_head = await reader.readuntil(b"\r\n\r\n")
    lines = answer_head.lower().split(b"\r\n")
    (length,) = (int(line[15:]) for line in lines if line.startswith(b"content-length:"))
    answer = await reader.readexactly(length)
    if b" 200 " not in lines[0]:
        raise LoadError(f"{lines[0]!r}: {answer[:500]!r}")
    return len(_REPLY.decode(answer).data)


def _encode_body(plan: EmbeddingPlan, texts: Sequence[str]) -> bytes:
    asked = {"model": plan.model, "input": texts, "encoding_format": "base64"}
    return msgspec.json.encode(asked)


def _main() -> int:
    plan = msgspec.json.decode(sys.stdin.buffer.read(), type=EmbeddingPlan)
    try:
        report = asyncio.run(_run(plan))
    except BaseExceptionGroup as failed:
        # The first failure ends all clients; the others say no more than it does.
        print(failed.exceptions[0], file=sys.stderr)
        return 1
    print(msgspec.json.encode(report).decode())
    return 0


if __name__ == "__main__":
    sys.exit(_main())
