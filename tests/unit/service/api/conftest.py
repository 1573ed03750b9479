from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from litestar import Litestar

from service.app import create_app
from tests.unit.service.api.fakes import FakeModel, FakePool, Script, fake_pool, settings


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture
def pool(script: Script) -> FakePool:
    return fake_pool(script)


@pytest.fixture
def model(pool: FakePool) -> FakeModel:
    return pool.model


@pytest.fixture
async def app(pool: FakePool) -> AsyncIterator[Litestar]:
    app = create_app(settings(), lambda _: pool)
    async with app.lifespan():
        yield app
