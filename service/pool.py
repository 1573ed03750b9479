"""Which models are loaded: each at its first use, once, until the service ends."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import TypeVar

from service.encoder.async_encoder import AsyncEncoder
from service.encoder.model import LoadedEncoder
from service.engine.async_engine import AsyncEngine
from service.errors import ShuttingDown
from service.health import Health, ModelHealth
from service.metrics import GenerationMetrics, ModelMetrics
from service.model import LoadedModel
from service.runtime.providers import Device
from service.runtime.sessions import physical_cores, share_threads
from service.settings import Settings
from service.store.names import ModelName
from service.store.packages import AnyPackage, EncoderPackage, Package, Store

_log = logging.getLogger(__name__)

LoadedT = TypeVar("LoadedT")


@dataclass(frozen=True, slots=True)
class _Key:
    """What derived models share that are loaded once; `context_length` in tokens."""

    digest: str
    context_length: int


class ModelPool:
    """The models of a store, those in use loaded.

    `installed` and `find` only read the disk and may be called from any thread, the other methods
    on the event loop alone.
    """

    def __init__(self, settings: Settings, device: Device) -> None:
        """All models run on `device`."""
        self._settings = settings
        self._store = Store(settings.models_folder)
        self._device = device
        self._loading: dict[_Key, asyncio.Task[LoadedModel]] = {}
        self._loading_encoders: dict[_Key, asyncio.Task[LoadedEncoder]] = {}
        self._generations: dict[ModelName, GenerationMetrics] = {}
        self._draining = False
        num_threads = settings.num_threads or physical_cores()
        share_threads(num_threads)
        _log.info(
            "device %s with %d threads (%s)",
            self._device.provider.device,
            num_threads,
            self._device.reason,
        )

    def installed(self) -> list[AnyPackage]:
        """All packages of the store, by name."""
        return self._store.packages()

    def find(self, name: str) -> AnyPackage:
        """The package called `name`. Raises ModelNotFound or PackageCorrupt."""
        return self._store.find(name)

    async def get(self, name: str) -> LoadedModel:
        """The model called `name`, loaded if it is not; those who ask meanwhile share the load.

        Raises ModelNotFound, PackageCorrupt, WrongModelKind, WrongDevice, NotEnoughMemory or
        ShuttingDown.
        """
        package = self._store.decoder(name)
        key = self._key(package)
        model = await self._shared(self._loading, key, lambda: self._load(package))
        return model.served_as(package)

    async def encoder(self, name: str) -> LoadedEncoder:
        """As `get`, for a model that embeds or ranks."""
        package = self._store.encoder(name)
        return await self._shared(
            self._loading_encoders, self._key(package), lambda: self._load_encoder(package)
        )

    def _key(self, package: AnyPackage) -> _Key:
        asked = package.overrides.parameters.num_ctx
        declared = package.manifest.context_length
        return _Key(package.digest, self._settings.served_context_length(declared, asked))

    async def _shared(
        self,
        loading: dict[_Key, asyncio.Task[LoadedT]],
        key: _Key,
        load: Callable[[], Coroutine[None, None, LoadedT]],
    ) -> LoadedT:
        if self._draining:
            raise ShuttingDown("The server is shutting down.")
        task = loading.get(key)
        if task is None:
            task = loading[key] = asyncio.create_task(load())
            task.add_done_callback(lambda done: _forget_failure(loading, key, done))
        # A request that goes away must not take the load from the others.
        return await asyncio.shield(task)

    def health(self) -> Health:
        return Health(
            status="draining" if self._draining else "ok",
            device=self._device.provider.device,
            device_reason=self._device.reason,
            models=(
                *(_health(model) for model in _loaded(self._loading)),
                *(_encoder_health(model) for model in _loaded(self._loading_encoders)),
            ),
        )

    def metrics(self) -> list[ModelMetrics]:
        """Of the models that are loaded; a model loaded again goes on counting where it was."""
        return [
            *(_metrics(model) for model in _loaded(self._loading)),
            *(_encoder_metrics(model) for model in _loaded(self._loading_encoders)),
        ]

    def drain(self) -> None:
        """From now on new work is refused; what runs goes on."""
        self._draining = True
        for engine in self._engines():
            engine.drain()

    async def close(self) -> None:
        """Ends what still runs with ShuttingDown, and the engines with it."""
        self.drain()
        # Answers that run are told at once; what is still loading may take its time.
        await self._close_loaded()
        await asyncio.gather(
            *self._loading.values(), *self._loading_encoders.values(), return_exceptions=True
        )
        await self._close_loaded()
        self._loading.clear()
        self._loading_encoders.clear()

    async def _close_loaded(self) -> None:
        await asyncio.gather(*(engine.close() for engine in self._engines()))

    def _engines(self) -> list[AsyncEngine | AsyncEncoder]:
        return [
            *(model.engine for model in _loaded(self._loading)),
            *(model.engine for model in _loaded(self._loading_encoders)),
        ]

    async def _load(self, package: Package) -> LoadedModel:
        started_s = time.monotonic()
        loop = asyncio.get_running_loop()
        model = await asyncio.to_thread(
            LoadedModel, package, self._device.provider, self._settings, loop
        )
        model.metrics = self._generations.setdefault(package.name, model.metrics)
        if self._draining:
            model.engine.drain()
        if model.context_length < (self._settings.context_length or 0):
            _log.warning(
                "%s has a context of %d tokens, less than was asked for",
                package.name,
                model.context_length,
            )
        _log.info(
            "loaded %s in %.1f s: context %d tokens, %d slots",
            package.name,
            time.monotonic() - started_s,
            model.context_length,
            model.engine.num_slots,
        )
        return model

    async def _load_encoder(self, package: EncoderPackage) -> LoadedEncoder:
        started_s = time.monotonic()
        loop = asyncio.get_running_loop()
        model = await asyncio.to_thread(
            LoadedEncoder, package, self._device.provider, self._settings, loop
        )
        if self._draining:
            model.engine.drain()
        _log.info(
            "loaded %s in %.1f s: texts of up to %d tokens",
            package.name,
            time.monotonic() - started_s,
            model.context_length,
        )
        return model


def _forget_failure(
    loading: dict[_Key, asyncio.Task[LoadedT]], key: _Key, task: asyncio.Task[LoadedT]
) -> None:
    """Lets the next request try again: the package may have been repaired meanwhile.

    Asks for the error too, which asyncio complains of if all who waited for it have gone.
    """
    if task.cancelled() or task.exception() is not None:
        loading.pop(key, None)


def _loaded(loading: dict[_Key, asyncio.Task[LoadedT]]) -> list[LoadedT]:
    done = [task for task in loading.values() if task.done() and not task.cancelled()]
    return [task.result() for task in done if task.exception() is None]


def _health(model: LoadedModel) -> ModelHealth:
    running = min(model.engine.num_requests, model.engine.num_slots)
    return ModelHealth(
        name=model.manifest.name,
        context_length=model.context_length,
        num_running=running,
        num_waiting=model.engine.num_requests - running,
    )


def _metrics(model: LoadedModel) -> ModelMetrics:
    now = _health(model)
    kv = model.engine.kv_usage()
    return ModelMetrics(now.name, now.num_running, now.num_waiting, model.metrics, kv)


def _encoder_metrics(model: LoadedEncoder) -> ModelMetrics:
    now = _encoder_health(model)
    return ModelMetrics(
        now.name, now.num_running, now.num_waiting, num_encoded_tokens=model.num_tokens_read
    )


def _encoder_health(model: LoadedEncoder) -> ModelHealth:
    """All its requests run: their texts take turns in its batches."""
    return ModelHealth(
        name=model.manifest.name,
        context_length=model.context_length,
        num_running=model.engine.num_requests,
    )
