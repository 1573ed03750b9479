"""Loads one model, in a thread, and says so."""

from __future__ import annotations

import asyncio
import logging
import time

from service.encoder.model import LoadedEncoder
from service.logs import log_fields
from service.model import LoadedModel
from service.pool.resident import Model
from service.runtime.providers import Provider
from service.settings import Settings
from service.store.packages import AnyPackage, Package

_log = logging.getLogger(__name__)


async def load(package: AnyPackage, provider: Provider, settings: Settings) -> Model:
    """Raises PackageCorrupt, WrongDevice or NotEnoughMemory."""
    started_s = time.monotonic()
    loop = asyncio.get_running_loop()
    model: Model
    if isinstance(package, Package):
        model = await asyncio.to_thread(LoadedModel, package, provider, settings, loop)
    else:
        model = await asyncio.to_thread(LoadedEncoder, package, provider, settings, loop)
    if model.context_length < (settings.context_length or 0):
        _log.warning(
            "%s has a context of %d tokens, less than was asked for",
            package.name,
            model.context_length,
        )
    log_fields(
        _log,
        logging.INFO,
        "loaded",
        {
            "model": str(package.name),
            "seconds": time.monotonic() - started_s,
            "context": model.context_length,
        },
    )
    return model
