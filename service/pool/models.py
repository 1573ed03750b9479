"""The pool: finds a model, makes room for it, loads it once, lets it go when its time is over."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

from service.encoder.model import LoadedEncoder
from service.errors import (
    ModelLoading,
    ModelNotFound,
    PackageCorrupt,
    RetortError,
    ShuttingDown,
    StartupError,
)
from service.health import Health
from service.logs import log_fields
from service.metrics import GenerationMetrics, ModelMetrics
from service.model import LoadedModel
from service.pool.lease import Lease
from service.pool.loading import load
from service.pool.machine import give_back_memory, share_heaps
from service.pool.report import health_of, metrics_of
from service.pool.requirement import requirement_of
from service.pool.resident import EngineKey, KeepAlive, Model, Resident
from service.pool.room import Room
from service.runtime.providers import Device
from service.runtime.sessions import physical_cores, share_threads
from service.settings import Settings
from service.settings.values import FOREVER
from service.store.deriving import derived
from service.store.names import ModelName
from service.store.overrides import NO_OVERRIDES, Overrides
from service.store.packages import AnyPackage, EncoderPackage, Store

_log = logging.getLogger(__name__)

ModelT = TypeVar("ModelT", LoadedModel, LoadedEncoder)


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
        self._residents: dict[EngineKey, Resident] = {}
        self._generations: dict[ModelName, GenerationMetrics] = {}
        self._background: set[asyncio.Task[Any]] = set()
        self._room = Room.of(settings, device.provider)
        self._making_room = asyncio.Lock()
        self._draining = False
        share_heaps()
        num_threads = settings.num_threads or physical_cores()
        share_threads(num_threads)
        _log.info(
            "device %s with %d threads (%s)", device.provider.device, num_threads, device.reason
        )
        _log.info("memory for models: %s", self._room)

    def installed(self) -> list[AnyPackage]:
        """All packages of the store, by name."""
        return self._store.packages()

    def find(self, name: str) -> AnyPackage:
        """The package called `name`. Raises ModelNotFound or PackageCorrupt."""
        return self._store.find(name)

    async def lease(
        self, name: str, keep_alive_s: float | None = None, overrides: Overrides = NO_OVERRIDES
    ) -> Lease[LoadedModel]:
        """The model called `name`, loaded if it is not; those who ask meanwhile share the load.

        It stays at least until the lease is released, and `keep_alive_s` longer: in seconds,
        `FOREVER` pins it, None leaves that as it is. With `overrides` it is what a model derived by
        them would be. Raises ModelNotFound, PackageCorrupt,
        WrongModelKind, WrongDevice, NotEnoughMemory, ModelLoading if it takes too long, or
        ShuttingDown.
        """
        stored = self._store.decoder(name)
        package = derived(stored, overrides)
        lease = await self._leased(package, self._key(stored), keep_alive_s, LoadedModel)
        try:
            if package.overrides.template is None:
                return Lease(lease.model.served_as(package), lease.release)
            # Compiling may take as long as templates may compute.
            served = await asyncio.to_thread(lease.model.served_as, package)
            return Lease(served, lease.release)
        except BaseException:
            lease.release()
            raise

    async def lease_encoder(
        self, name: str, keep_alive_s: float | None = None, overrides: Overrides = NO_OVERRIDES
    ) -> Lease[LoadedEncoder]:
        """As `lease`, for a model that embeds or ranks."""
        stored = self._store.encoder(name)
        package = derived(stored, overrides)
        return await self._leased(package, self._key(stored), keep_alive_s, LoadedEncoder)

    async def load(
        self, name: str, keep_alive_s: float | None = None, overrides: Overrides = NO_OVERRIDES
    ) -> None:
        """Has the model loaded before anything is asked of it. Raises as `lease` does."""
        if isinstance(self._store.find(name), EncoderPackage):
            (await self.lease_encoder(name, keep_alive_s, overrides)).release()
        else:
            (await self.lease(name, keep_alive_s, overrides)).release()

    async def unload(self, name: str) -> None:
        """Frees what is loaded for this name, once nothing uses it, pinned or not; one that is not
        loaded is no error. Raises ModelNotFound or PackageCorrupt."""
        package = self._store.find(name)
        key = self._key(package)
        found = [each for each in self._all() if str(package.name) in each.names or each.key == key]
        await asyncio.gather(*(asyncio.shield(self._leave(each)) for each in found))

    def drop_stale_names(self) -> None:
        """Begins to unload what no name stands for any more, pinned or not: its names have been
        removed, or have been given to other models."""
        for resident in self._all():
            for name, key in [*resident.names.items()]:
                if self._is_stale(name, key):
                    del resident.names[name]
            if not resident.names:
                self._leave(resident)

    def preload(self) -> None:
        """Begins to load what the settings name. Raises StartupError for what is not there."""
        for name in self._settings.preload:
            try:
                self._store.find(name)
            except RetortError as error:
                raise StartupError(f"cannot preload {name[:80]!r}: {error.message}") from None
            self._in_background(self._preload(name))

    def health(self) -> Health:
        provider = self._device.provider
        return Health(
            status="draining" if self._draining else "ok",
            device=provider.device,
            device_reason=self._device.reason,
            memory_limit=self._room.limit_bytes,
            memory_reserved=self._room.reserved_bytes(self._all()),
            models=tuple(health_of(resident, provider) for resident in self._all()),
        )

    def metrics(self) -> list[ModelMetrics]:
        """Of the models that are loaded; a model loaded again goes on counting where it was."""
        found = [metrics_of(each, self._device.provider) for each in self._all()]
        return [metrics for metrics in found if metrics is not None]

    def drain(self) -> None:
        """From now on new work is refused; what runs goes on."""
        self._draining = True
        for resident in self._all():
            if resident.model is not None:
                resident.model.engine.drain()

    async def close(self) -> None:
        """Ends what still runs with ShuttingDown, and the engines with it."""
        self.drain()
        # Answers that run are told at once; what is still loading may take its time.
        await asyncio.gather(*(resident.close() for resident in self._all()))
        await asyncio.gather(*(each.loading for each in self._all()), return_exceptions=True)
        await asyncio.gather(*(resident.close() for resident in self._all()))
        for task in self._background:
            task.cancel()
        self._residents.clear()

    async def _leased(
        self,
        package: AnyPackage,
        stored: EngineKey,
        keep_alive_s: float | None,
        kind: type[ModelT],
    ) -> Lease[ModelT]:
        limit_s = self._settings.load_timeout_s
        try:
            async with asyncio.timeout(None if limit_s == FOREVER else limit_s):
                return await self._loaded(package, stored, keep_alive_s, kind)
        except TimeoutError:
            raise ModelLoading(
                f"The model {package.name} is still being loaded; try again later."
            ) from None

    async def _loaded(
        self,
        package: AnyPackage,
        stored: EngineKey,
        keep_alive_s: float | None,
        kind: type[ModelT],
    ) -> Lease[ModelT]:
        resident = await self._resident(package)
        resident.acquire(str(package.name), stored, keep_alive_s)
        try:
            # A request that goes away must not take the load from the others.
            await asyncio.shield(resident.loading)
        except BaseException:
            resident.release(self._expired)
            raise
        model = resident.model
        assert isinstance(model, kind)
        return Lease(model, lambda: resident.release(self._expired))

    async def _resident(self, package: AnyPackage) -> Resident:
        """That of `package`, its load begun at least. Nothing may be awaited before it is acquired.

        Raises NotEnoughMemory or ShuttingDown.
        """
        key = self._key(package)
        while True:
            self._check_open()
            resident = self._residents.get(key)
            if resident is None:
                async with self._making_room:
                    if key not in self._residents:
                        await self._begin(key, package)
            elif resident.leaving is not None:
                await resident.gone.wait()
            else:
                return resident

    async def _begin(self, key: EngineKey, package: AnyPackage) -> None:
        """Reserves memory for a model, for which others that nobody uses may have to go."""
        self.drop_stale_names()
        provider, settings = self._device.provider, self._settings
        requirement = requirement_of(package, provider, settings, key.context_length)
        name = str(package.name)
        while (victim := self._room.victim(requirement, name, self._all())) is not None:
            await asyncio.shield(self._leave(victim))
        self._check_open()
        loading = self._load(package)
        keep_alive = self._keep_alive(package)
        resident = Resident(key, package, requirement, keep_alive, loading)
        self._residents[key] = resident
        resident.loading.add_done_callback(lambda _: self._forget_failure(resident))

    async def _load(self, package: AnyPackage) -> Model:
        model = await load(package, self._device.provider, self._settings)
        if isinstance(model, LoadedModel):
            model.metrics = self._generations.setdefault(package.name, model.metrics)
        if self._draining:
            model.engine.drain()
        return model

    def _is_stale(self, name: str, key: EngineKey) -> bool:
        """What cannot be read now may stand for the same still."""
        try:
            return self._key(self._store.find(name)) != key
        except ModelNotFound:
            return True
        except PackageCorrupt:
            return False

    def _key(self, package: AnyPackage) -> EngineKey:
        """With the context that the model asks for itself, else what the settings make of its
        package's."""
        declared = package.manifest.context_length
        asked = package.overrides.parameters.num_ctx
        context_length = self._settings.served_context_length(declared, asked)
        return EngineKey(package.digest, context_length)

    def _keep_alive(self, package: AnyPackage) -> KeepAlive:
        """How long it stays unless a request says so."""
        for each in self._settings.model_keep_alive:
            if _is_name(each.name, package.name):
                return KeepAlive(each.keep_alive_s, is_asked_for=True)
        return KeepAlive(self._settings.keep_alive_s, is_asked_for=False)

    def _forget_failure(self, resident: Resident) -> None:
        """Lets the next request try again: the package may have been repaired meanwhile.

        Asks for the error too, which asyncio complains of if all who waited for it have gone.
        """
        if resident.model is None and self._residents.get(resident.key) is resident:
            del self._residents[resident.key]
            resident.gone.set()

    def _expired(self, resident: Resident) -> None:
        if not self._draining:
            self._leave(resident)

    def _leave(self, resident: Resident) -> asyncio.Task[None]:
        """Begins to unload a model, or goes on with it."""
        if resident.leaving is None:
            resident.leaving = self._in_background(self._unload(resident))
        return resident.leaving

    async def _unload(self, resident: Resident) -> None:
        await resident.unused()
        await resident.close()
        resident.forget()
        await asyncio.to_thread(give_back_memory)
        if self._residents.get(resident.key) is resident:
            del self._residents[resident.key]
            log_fields(_log, logging.INFO, "unloaded", {"model": str(resident.package.name)})
        resident.gone.set()

    async def _preload(self, name: str) -> None:
        try:
            await self.load(name)
        except RetortError as error:
            _log.error("%s was not preloaded: %s", name, error.message)

    def _in_background(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return task

    def _all(self) -> list[Resident]:
        return [*self._residents.values()]

    def _check_open(self) -> None:
        if self._draining:
            raise ShuttingDown("The server is shutting down.")


def _is_name(text: str, name: ModelName) -> bool:
    try:
        return ModelName.parse(text) == name
    except ValueError:
        return False
