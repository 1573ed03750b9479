"""Whatever a field of the table is given: it is honoured, or refused by its name, and no more."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from litestar import Litestar

from service.api.openai.fields import (
    CHAT,
    COMPLETION,
    AnyValue,
    Honoured,
    OneOf,
    Treatment,
    honoured,
)
from tests.unit.service.api.asgi import Reply, post_json, start
from tests.unit.service.api.fakes import FakeModel
from tests.unit.service.api.openai.field_values import (
    CHAT_FIELDS,
    COMPLETION_FIELDS,
    Field,
    Values,
    anything,
)

pytestmark = pytest.mark.anyio

FEW = settings(max_examples=30, deadline=None, derandomize=True, database=None)


@dataclass(frozen=True)
class Endpoint:
    path: str
    ask: Mapping[str, object]
    table: Mapping[str, Treatment]
    values: Mapping[str, Field]


CHATS: Final = Endpoint(
    "/v1/chat/completions",
    {"model": "tiny:1b", "messages": [{"role": "user", "content": "Hi"}]},
    CHAT,
    CHAT_FIELDS,
)
COMPLETIONS: Final = Endpoint(
    "/v1/completions", {"model": "tiny:1b", "prompt": "ab"}, COMPLETION, COMPLETION_FIELDS
)
ENDPOINTS: Final = (CHATS, COMPLETIONS)


def cases(treatment: type[Treatment]) -> pytest.MarkDecorator:
    """Each field that is treated so, with its endpoint."""
    found = [
        pytest.param(endpoint, name, id=f"{endpoint.path.split('/')[2]}-{name}")
        for endpoint in ENDPOINTS
        for name, done in endpoint.table.items()
        if isinstance(done, treatment)
    ]
    return pytest.mark.parametrize(("endpoint", "name"), found)


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.path)
def test_the_values_cover_the_table(endpoint: Endpoint) -> None:
    assert {*endpoint.values} == honoured(endpoint.table)


async def for_all(values: Values, check: Callable[[Any], Coroutine[Any, Any, None]]) -> None:
    """Runs `check` on this loop for one value after the other, while a thread thinks them up."""
    loop = asyncio.get_running_loop()

    @FEW
    @given(values)
    def run(value: object) -> None:
        asyncio.run_coroutine_threadsafe(check(value), loop).result(10)

    await asyncio.to_thread(run)


def check_refusal(reply: Reply, name: str, code: str | None = None) -> None:
    """In OpenAI's shape, naming the field or a part of it."""
    error = reply.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert (reply.status, error["type"]) == (400, "invalid_request_error"), error
    assert re.split(r"[.\[]", error["param"])[0] == name, error
    assert code in (None, error["code"])


@cases(Honoured)
async def test_a_value_outside_is_refused_by_name_and_changes_nothing_for_others(
    app: Litestar, model: FakeModel, endpoint: Endpoint, name: str
) -> None:
    field = endpoint.values[name]

    async def check(value: object) -> None:
        model.script.hold_before, model.script.go_on = 1, asyncio.Event()
        model.calls.clear()
        body = json.dumps({**endpoint.ask, "n": 2}).encode()
        other = start(app, "POST", endpoint.path, body=body)
        reply = await post_json(app, endpoint.path, {**endpoint.ask, **field.needs, name: value})
        check_refusal(reply, name)
        model.script.go_on.set()
        choices = (await other.finished()).json()["choices"]
        texts = [choice.get("text") or choice["message"]["content"] for choice in choices]
        assert texts == ["Hello", "Hello"]
        assert len(model.calls) == 1

    await for_all(field.outside, check)


@cases(Honoured)
async def test_a_value_inside_is_served(
    app: Litestar, model: FakeModel, endpoint: Endpoint, name: str
) -> None:
    model.infill = True
    model.template_variables = frozenset({"enable_thinking", "reasoning_effort"})
    field = endpoint.values[name]

    async def check(value: object) -> None:
        reply = await post_json(app, endpoint.path, {**endpoint.ask, **field.needs, name: value})
        assert reply.status == 200, reply.body
        assert b'"error"' not in reply.body

    await for_all(field.inside, check)


@cases(Honoured)
async def test_null_is_no_value(app: Litestar, endpoint: Endpoint, name: str) -> None:
    reply = await post_json(app, endpoint.path, {**endpoint.ask, name: None})
    if name in endpoint.ask:
        check_refusal(reply, name)
    else:
        assert reply.status == 200


@cases(OneOf)
async def test_a_field_that_is_not_honoured_takes_what_changes_nothing_and_no_more(
    app: Litestar, endpoint: Endpoint, name: str
) -> None:
    treatment = endpoint.table[name]
    assert isinstance(treatment, OneOf)
    no_ops = [json.dumps(value) for value in (None, *treatment.values)]

    async def check(value: object) -> None:
        reply = await post_json(app, endpoint.path, {**endpoint.ask, name: value})
        if json.dumps(value) in no_ops:
            assert reply.status == 200
        else:
            check_refusal(reply, name, "unsupported_parameter")

    await for_all(st.sampled_from([None, *treatment.values]), check)
    await for_all(anything, check)


@cases(AnyValue)
async def test_a_label_may_be_whatever_it_is(app: Litestar, endpoint: Endpoint, name: str) -> None:
    async def check(value: object) -> None:
        reply = await post_json(app, endpoint.path, {**endpoint.ask, name: value})
        assert reply.status == 200

    await for_all(anything, check)


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.path)
async def test_a_field_that_the_table_lacks_is_refused_by_name(
    app: Litestar, endpoint: Endpoint
) -> None:
    async def check(name: str) -> None:
        reply = await post_json(app, endpoint.path, {**endpoint.ask, name: 1})
        error: dict[str, Any] = reply.json()["error"]
        assert (reply.status, error["code"]) == (400, "unknown_parameter")
        assert error["param"] == name[:200]

    names = st.text(max_size=300).filter(lambda name: name not in endpoint.table)
    await for_all(names, check)
