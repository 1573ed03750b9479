from __future__ import annotations

import msgspec
import pytest
from litestar import Litestar

from service.app import create_app
from service.settings import Settings
from tests.unit.service.api.asgi import request
from tests.unit.service.api.fakes import CREATED, FakeModel, FakePool

pytestmark = pytest.mark.anyio

EXTRAS = {
    "capabilities": ["completion"],
    "context_length": 512,
    "max_model_len": 512,
    "precision": "int4",
    "license": None,
    "aliases": [],
}


async def test_models_are_listed_with_what_they_are_for(app: Litestar) -> None:
    reply = await request(app, "GET", "/v1/models")
    assert reply.status == 200
    assert reply.json() == {
        "object": "list",
        "data": [
            {"id": name, "object": "model", "created": CREATED, "owned_by": "library", **EXTRAS}
            for name in ("tiny:1b", "hf.co/org/tiny:q4")
        ],
    }


async def test_no_models_are_an_empty_list(app: Litestar, pool: FakePool) -> None:
    pool.names = ()
    assert (await request(app, "GET", "/v1/models")).json()["data"] == []


@pytest.mark.parametrize("name", ["tiny:1b", "hf.co/org/tiny:q4"])
async def test_a_model_is_found_by_an_id_with_slashes_and_colons(app: Litestar, name: str) -> None:
    reply = await request(app, "GET", f"/v1/models/{name}")
    assert (reply.status, reply.json()["id"]) == (200, name)
    listed = (await request(app, "GET", "/v1/models")).json()["data"]
    assert reply.json() in listed


async def test_an_unknown_model_is_a_404(app: Litestar) -> None:
    reply = await request(app, "GET", "/v1/models/no/such:model")
    error = reply.json()["error"]
    assert (reply.status, error["code"]) == (404, "model_not_found")


async def test_the_license_and_capabilities_are_the_packages(
    app: Litestar, model: FakeModel
) -> None:
    source = msgspec.structs.replace(model.manifest.source, license="apache-2.0")
    model.manifest = msgspec.structs.replace(
        model.manifest, source=source, capabilities=("completion", "chat")
    )
    reply = (await request(app, "GET", "/v1/models/tiny:1b")).json()
    assert (reply["license"], reply["capabilities"]) == ("apache-2.0", ["completion", "chat"])


@pytest.mark.parametrize(
    ("declared", "asked", "served"),
    [(512, None, 512), (512, 128, 128), (512, 4096, 512), (131_072, None, 8192)],
)
async def test_the_context_told_is_the_one_served(
    pool: FakePool, declared: int, asked: int | None, served: int
) -> None:
    pool.model.manifest = msgspec.structs.replace(pool.model.manifest, context_length=declared)
    app = create_app(Settings(context_length=asked), lambda _: pool)
    async with app.lifespan():
        reply = (await request(app, "GET", "/v1/models/tiny:1b")).json()
    assert reply["context_length"] == reply["max_model_len"] == served
