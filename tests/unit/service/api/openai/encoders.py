"""An application whose models are the two tiny encoders."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from litestar import Litestar

from service.app import create_app
from service.pool import ModelPool
from service.runtime.providers import CPU, Device
from service.settings import Settings
from tests.unit.service.encoder.conftest import STORE


@asynccontextmanager
async def encoder_app(*, slots: int = 4, max_queue: int = 4) -> AsyncIterator[Litestar]:
    settings = Settings(models_folder=STORE, device="cpu", slots=slots, max_queue=max_queue)
    app = create_app(settings, lambda settings: ModelPool(settings, Device(CPU, "asked for")))
    async with app.lifespan():
        yield app
