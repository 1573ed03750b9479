"""Asks a server for JSON of given schemas, several at a time, and checks what comes."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from urllib.error import HTTPError

import msgspec
from jsonschema import Draft202012Validator

from bench.http_load import LoadError
from bench.structured_schemas import ASKED
from service.constraints.json_types import Json


@dataclass(frozen=True, slots=True)
class Case:
    """One answer to ask for: `name` is that of a schema."""

    name: str
    temperature: float
    seed: int


@dataclass(frozen=True, slots=True)
class FormReport:
    """What came of all cases together. Those that were cut are not among the finished."""

    num_tokens: int
    num_finished: int
    num_valid: int
    wall_s: float

    @property
    def rate(self) -> float:
        """Output tokens per second."""
        return self.num_tokens / self.wall_s

    @property
    def valid_percent(self) -> float:
        """Of the finished ones; 100 if there are none."""
        return 100 * self.num_valid / self.num_finished if self.num_finished else 100.0


class _Message(msgspec.Struct):
    content: str


class _Choice(msgspec.Struct):
    message: _Message
    finish_reason: str


class _Usage(msgspec.Struct):
    completion_tokens: int


class _Completion(msgspec.Struct):
    choices: list[_Choice]
    usage: _Usage


def measure_forms(
    url: str, model: str, cases: Sequence[Case], clients: int, max_tokens: int
) -> FormReport:
    """Asks for all cases, `clients` at a time. Raises LoadError for one that is refused."""

    def ask(case: Case) -> _Completion:
        return _asked(url, model, case, max_tokens)

    started_s = time.perf_counter()
    with ThreadPoolExecutor(clients) as threads:
        replies = [*threads.map(ask, cases)]
    wall_s = time.perf_counter() - started_s
    finished = [
        (case, reply.choices[0].message.content)
        for case, reply in zip(cases, replies, strict=True)
        if reply.choices[0].finish_reason == "stop"
    ]
    return FormReport(
        sum(reply.usage.completion_tokens for reply in replies),
        len(finished),
        sum(_is_valid(text, ASKED[case.name].schema) for case, text in finished),
        wall_s,
    )


def _asked(url: str, model: str, case: Case, max_tokens: int) -> _Completion:
    asked = ASKED[case.name]
    body = {
        "model": model,
        "messages": [{"role": "user", "content": asked.prompt}],
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "answer", "schema": asked.schema, "strict": True},
        },
        "temperature": case.temperature,
        "seed": case.seed,
        "max_tokens": max_tokens,
    }
    request = urllib.request.Request(
        f"{url}/v1/chat/completions",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request) as response:
            return msgspec.json.decode(response.read(), type=_Completion)
    except HTTPError as error:
        raise LoadError(f"{url} refused the schema {case.name!r}: {error.read()!r}") from error


def _is_valid(text: str, schema: Json) -> bool:
    try:
        value = json.loads(text)
    except ValueError:
        return False
    assert isinstance(schema, dict)
    return Draft202012Validator(schema).is_valid(value)
