"""What the doctor finds."""

from __future__ import annotations

import msgspec

from service.store.manifest import DeviceKind


class DistributionFound(msgspec.Struct, frozen=True):
    """An installed distribution that owns the package `onnxruntime`."""

    name: str
    version: str


class DeviceFound(msgspec.Struct, frozen=True):
    """A device as it is here: `reason` and `mend` say why it does not work and what helps.

    `error` is how far its results of the trial graph lie from the processor's, relative to their
    spread; `duration_ms` is how long a run took.
    """

    device: DeviceKind
    provider: str
    works: bool
    reason: str | None = None
    missing_libraries: tuple[str, ...] = ()
    mend: str | None = None
    error: float | None = None
    duration_ms: float | None = None


class Report(msgspec.Struct, frozen=True):
    """All that was found. `chosen` is the device that `--device auto` takes; `problems` are what
    keeps the service from starting, each with what mends it."""

    platform: str
    python: str
    retort: str | None
    onnxruntime: str | None
    cuda: str | None
    distributions: tuple[DistributionFound, ...]
    devices: tuple[DeviceFound, ...]
    chosen: DeviceKind | None
    problems: tuple[str, ...] = ()

    def works(self, device: str | None) -> bool:
        """Whether the service can start, on `device` if one is named."""
        if self.problems or self.chosen is None:
            return False
        return device is None or any(
            found.works for found in self.devices if found.device == device
        )
