"""One model that is being loaded, loaded, or on its way out."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import TypeAlias

from service.encoder.model import LoadedEncoder
from service.model import LoadedModel
from service.pool.requirement import Requirement
from service.settings.values import FOREVER
from service.store.packages import AnyPackage

Model: TypeAlias = LoadedModel | LoadedEncoder


@dataclass(frozen=True, slots=True)
class EngineKey:
    """Names whose packages hold the same, and that want the same context, share what is loaded."""

    digest: str
    context_length: int


@dataclass(slots=True)
class KeepAlive:
    """How long a model stays without a request. `is_asked_for` by name, and not the default: what
    is kept for ever then is not unloaded to make room either."""

    seconds: float
    is_asked_for: bool

    @property
    def pins(self) -> bool:
        return self.is_asked_for and self.seconds == FOREVER


class Resident:
    """Counts who uses the model, and says when nobody has for long enough.

    Used on the event loop alone. `names` are those it is used by, each with what the name stood for
    by itself, whatever context a request asked for. `model` is None while `loading` lasts, and if
    that failed for good. `leaving` is set once it is to go, and `gone` once its memory is free;
    whoever finds it leaving waits for that and loads it anew.
    """

    def __init__(
        self,
        key: EngineKey,
        package: AnyPackage,
        requirement: Requirement,
        keep_alive: KeepAlive,
        load: Coroutine[None, None, Model],
    ) -> None:
        self.key = key
        self.package = package
        self.requirement = requirement
        self.keep_alive = keep_alive
        self.names: dict[str, EngineKey] = {}
        self.model: Model | None = None
        self.loading: asyncio.Task[None] = asyncio.create_task(self._hold(load))
        self.leaving: asyncio.Task[None] | None = None
        self.gone = asyncio.Event()
        self.last_used_s = time.monotonic()
        self._num_leases = 0
        self._unused = asyncio.Event()
        self._unused.set()
        self._expiry: asyncio.TimerHandle | None = None

    @property
    def is_used(self) -> bool:
        """Whether anyone holds it, waits for it or has requests in it."""
        model = self.model
        return self._num_leases > 0 or model is None or model.engine.num_requests > 0

    @property
    def can_be_evicted(self) -> bool:
        return not self.is_used and not self.keep_alive.pins and self.leaving is None

    def remaining_s(self) -> float:
        """How long it stays if nothing more is asked of it; `FOREVER` is one answer."""
        since = time.monotonic() if self.is_used else self.last_used_s
        return max(0.0, since + self.keep_alive.seconds - time.monotonic())

    def acquire(self, name: str, stored: EngineKey, keep_alive_s: float | None) -> None:
        """Someone needs it. Of several that say how long it is to stay the last one counts."""
        self.names[name] = stored
        if keep_alive_s is not None:
            self.keep_alive = KeepAlive(keep_alive_s, is_asked_for=True)
        self._num_leases += 1
        self._unused.clear()
        self._stop_timer()

    def release(self, on_expired: Callable[[Resident], None]) -> None:
        """Undoes one `acquire`. `on_expired` is called if nobody comes for long enough."""
        self._num_leases -= 1
        self.last_used_s = time.monotonic()
        if self._num_leases:
            return
        self._unused.set()
        self.set_timer(on_expired)

    def set_timer(self, on_expired: Callable[[Resident], None]) -> None:
        """Begins anew with the time that it stays without being used."""
        self._stop_timer()
        is_staying = self.leaving is None and not self.gone.is_set()
        if is_staying and self.keep_alive.seconds != FOREVER:
            loop = asyncio.get_running_loop()
            self._expiry = loop.call_later(self.keep_alive.seconds, on_expired, self)

    async def unused(self) -> None:
        """Returns when nobody holds it any more and its load has ended."""
        self._stop_timer()
        await asyncio.wait([self.loading])
        await self._unused.wait()

    async def close(self) -> None:
        """Ends what runs in it and frees its memory. May be called again."""
        self._stop_timer()
        if self.model is not None:
            await self.model.close()

    def forget(self) -> None:
        """Lets go of what has been closed, so that nobody who knows this one keeps it in memory."""
        self.model = None

    async def _hold(self, load: Coroutine[None, None, Model]) -> None:
        self.model = await load

    def _stop_timer(self) -> None:
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None
