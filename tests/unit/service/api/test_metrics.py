"""What /metrics tells moves as it must; the models' part with the real default model."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest
from litestar import Litestar
from prometheus_client.parser import text_string_to_metric_families

from service.app import create_app
from service.pool import ModelPool
from service.runtime.providers import CPU, Device
from service.settings import Settings
from service.store.packages import Package
from tests.unit.service.api.asgi import JSON_HEADERS, post_json, request, start
from tests.unit.service.api.fakes import FakePool, Script, settings

pytestmark = pytest.mark.anyio

MODEL = "smollm2:135m"
CHAT = "/v1/chat/completions"


async def told(app: Litestar) -> Mapping[tuple[str, ...], float]:
    """Each sample by its name, without the prefix, and the values of its labels."""
    reply = await request(app, "GET", "/metrics")
    assert reply.status == 200
    assert reply.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    families = text_string_to_metric_families(reply.body.decode())
    samples = [sample for family in families for sample in family.samples]
    return {
        (
            sample.name.removeprefix("retort_"),
            *(sample.labels[name] for name in sorted(sample.labels)),
        ): sample.value
        for sample in samples
    }


async def test_requests_are_counted_by_route_and_status(app: Litestar) -> None:
    for name in ("tiny:1b", "hf.co/org/tiny:q4", "no"):
        await request(app, "GET", f"/v1/models/{name}")
    await request(app, "HEAD", "/v1/models/tiny:1b")
    await request(app, "GET", "/nothing")
    await request(app, "GET", "/", headers={"host": "evil.com"})
    counted = await told(app)
    name = "http_requests_total"
    assert counted[name, "/v1/models/{model}", "200"] == 3
    assert counted[name, "/v1/models/{model}", "404"] == 1
    assert counted[name, "none", "404"] == 1
    assert counted[name, "none", "403"] == 1
    assert counted["http_request_duration_seconds_count", "/v1/models/{model}"] == 4
    assert (await told(app))[name, "/metrics", "200"] == 1


async def test_who_leaves_before_an_answer_is_counted_so(app: Litestar, script: Script) -> None:
    script.hold_before = 0
    ask = {"model": "tiny:1b", "messages": [{"role": "user", "content": "Hi"}]}
    exchange = start(app, "POST", CHAT, body=json.dumps(ask).encode())
    await asyncio.sleep(0)
    exchange.hang_up()
    await exchange.finished()
    assert (await told(app))["http_requests_total", CHAT, "499"] == 1


async def test_the_queue_is_told_as_the_pool_has_it(app: Litestar) -> None:
    counted = await told(app)
    assert counted["requests_running", "tiny:1b"] == 1
    assert counted["requests_waiting", "tiny:1b"] == 2


async def test_applications_count_apart(app: Litestar, pool: FakePool) -> None:
    await request(app, "GET", "/health")
    other = create_app(settings(), lambda _: pool)
    async with other.lifespan():
        assert ("http_requests_total", "/health", "200") not in await told(other)
    assert ("http_requests_total", "/health", "200") in await told(app)


async def test_with_a_key_metrics_are_for_its_holders(pool: FakePool) -> None:
    app = create_app(settings(api_keys=("s3cret",)), lambda _: pool)
    async with app.lifespan():
        assert (await request(app, "GET", "/metrics")).status == 401
        held = {**JSON_HEADERS, "authorization": "Bearer s3cret"}
        assert (await request(app, "GET", "/metrics", headers=held)).status == 200


@pytest.fixture
async def real_app(damageable_package: Package, tmp_path: Path) -> AsyncIterator[Litestar]:
    settings = Settings(models_folder=tmp_path, device="cpu", slots=1, context_length=512)
    app = create_app(settings, lambda settings: ModelPool(settings, Device(CPU, "asked for")))
    async with app.lifespan():
        yield app


def ask(content: str, **fields: object) -> dict[str, object]:
    messages = [{"role": "user", "content": content}]
    return {"model": MODEL, "messages": messages, "temperature": 0, **fields}


async def test_generations_are_counted_with_their_tokens_and_times(real_app: Litestar) -> None:
    assert not [name for name, *_ in await told(real_app) if "tokens" in name]
    first = (await post_json(real_app, CHAT, ask("Count to ten. " * 20, max_tokens=4))).json()
    counted = await told(real_app)
    usage = first["usage"]
    assert counted["prompt_tokens_total", MODEL] == usage["prompt_tokens"]
    assert counted["output_tokens_total", MODEL] == usage["completion_tokens"] == 4
    assert counted["cached_prompt_tokens_total", MODEL] == 0
    assert counted["generations_total", MODEL, "length"] == 1
    assert counted["time_to_first_token_seconds_count", MODEL] == 1
    assert counted["time_per_output_token_seconds_count", MODEL] == 1
    assert counted["time_per_output_token_seconds_sum", MODEL] > 0
    assert 0 < counted["time_to_first_token_seconds_sum", MODEL] < 60
    assert counted["kv_cache_capacity_tokens", MODEL] == 512
    assert counted["kv_cache_used_tokens", MODEL] == 0
    assert counted["kv_cache_kept_tokens", MODEL] >= usage["prompt_tokens"]


async def test_what_was_cached_is_counted_as_in_usage(real_app: Litestar) -> None:
    usages = [
        (await post_json(real_app, CHAT, ask("Count to ten. " * 20, max_tokens=1))).json()["usage"]
        for _ in range(2)
    ]
    cached = sum(usage["prompt_tokens_details"]["cached_tokens"] for usage in usages)
    assert cached > 0
    assert (await told(real_app))["cached_prompt_tokens_total", MODEL] == cached


async def test_each_choice_is_a_generation_however_it_ends(real_app: Litestar) -> None:
    await post_json(real_app, CHAT, ask("Hi", n=3, max_tokens=2))
    await post_json(real_app, CHAT, ask("Say the word apple.", max_tokens=40, stop=["a", "A"]))
    counted = await told(real_app)
    assert counted["generations_total", MODEL, "length"] == 3
    assert counted["generations_total", MODEL, "stop"] == 1
    assert ("generations_total", MODEL, "cancelled") not in counted


async def test_who_hangs_up_has_cancelled(real_app: Litestar) -> None:
    await post_json(real_app, CHAT, ask("Hi", max_tokens=1))
    long = json.dumps(ask("Write a long story.", stream=True, ignore_eos=True)).encode()
    exchange = start(real_app, "POST", CHAT, body=long)
    waiting = start(real_app, "POST", CHAT, body=long)
    async with asyncio.timeout(30):
        while len(exchange.reply.sends) < 5:
            await asyncio.sleep(0.01)
    running = await told(real_app)
    assert running["requests_running", MODEL] == 1
    assert running["requests_waiting", MODEL] == 1
    assert running["kv_cache_used_tokens", MODEL] > 0
    for each in (waiting, exchange):
        each.hang_up()
        await each.finished()
    counted = await told(real_app)
    assert counted["generations_total", MODEL, "cancelled"] == 2
    assert counted["requests_running", MODEL] == counted["requests_waiting", MODEL] == 0
    # The one that waited came to nothing, so that its prompt was not read.
    assert counted["time_to_first_token_seconds_count", MODEL] == 2
    assert counted["http_requests_total", CHAT, "200"] == 3
