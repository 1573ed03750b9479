from __future__ import annotations

import pytest
from litestar import Litestar

from tests.unit.service.api.asgi import request
from tests.unit.service.api.fakes import CREATED, FakePool

pytestmark = pytest.mark.anyio


async def test_models_are_listed(app: Litestar) -> None:
    reply = await request(app, "GET", "/v1/models")
    assert reply.status == 200
    assert reply.json() == {
        "object": "list",
        "data": [
            {"id": name, "object": "model", "created": CREATED, "owned_by": "library"}
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


async def test_an_unknown_model_is_a_404(app: Litestar) -> None:
    reply = await request(app, "GET", "/v1/models/no/such:model")
    error = reply.json()["error"]
    assert (reply.status, error["code"]) == (404, "model_not_found")
