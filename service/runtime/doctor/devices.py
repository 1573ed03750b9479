"""Tries each device with a graph that has a product, a rotation and an attention."""

from __future__ import annotations

import sys
import time
from importlib import resources

import numpy as np
from numpy.typing import NDArray

from service.errors import PackageCorrupt
from service.runtime.doctor.report import DeviceFound
from service.runtime.installing import install_command
from service.runtime.libraries import lacks_driver, missing_libraries
from service.runtime.ort import ORT_VERSION, ort
from service.runtime.providers import CPU, PROVIDERS, Provider, failure
from service.runtime.sessions import open_session, physical_cores, share_threads

_LARGEST_ERROR = 0.05
"""Of the results' spread; kernels that work differ by float16's rounding, a hundredth of this."""


def versions() -> tuple[str, str | None]:
    """ONNX Runtime's version, and that of CUDA which it was built for."""
    return ORT_VERSION, getattr(ort, "cuda_version", None) or None


def examine_devices() -> tuple[DeviceFound, ...]:
    """All devices, in the order in which `auto` prefers them."""
    # Asked first, as by a start: sessions that are to fail must not be those that share threads.
    reasons = [failure(provider) for provider in PROVIDERS]
    share_threads(physical_cores())
    expected, _ = _run(CPU)
    return tuple(
        _tried(provider, expected) if reason is None else _failed(provider, reason)
        for provider, reason in zip(PROVIDERS, reasons, strict=True)
    )


def _tried(provider: Provider, expected: NDArray[np.float32]) -> DeviceFound:
    try:
        actual, duration_ms = _run(provider)
    except Exception as error:  # noqa: BLE001  whatever a driver raises is what was to be found out
        reason = error.message if isinstance(error, PackageCorrupt) else str(error)
        return _failed(provider, f"it does not run a graph: {reason.splitlines()[0]}")
    return _judged(provider, actual, expected, duration_ms)


def _judged(
    provider: Provider,
    actual: NDArray[np.float32],
    expected: NDArray[np.float32],
    duration_ms: float,
) -> DeviceFound:
    error = float(np.abs(actual - expected).max() / expected.std())
    works = error < _LARGEST_ERROR  # and not if it is no number
    return DeviceFound(
        device=provider.device,
        provider=provider.name,
        works=works,
        reason=None if works else "it computes something else than the processor",
        mend=None if works else f"update the driver; {provider.device} needs {provider.needs}",
        error=error,
        duration_ms=duration_ms,
    )


def _failed(provider: Provider, reason: str) -> DeviceFound:
    missing: tuple[str, ...] = ()
    if provider.name in ort.get_available_providers():
        missing = tuple(missing_libraries(provider.name))
    return DeviceFound(
        device=provider.device,
        provider=provider.name,
        works=False,
        reason=reason,
        missing_libraries=missing,
        mend=_mend(provider, missing),
    )


def _mend(provider: Provider, missing: tuple[str, ...]) -> str:
    if provider.platform not in (None, sys.platform):
        return f"nothing here; it needs {provider.needs}"
    line = install_command(provider.extra)
    if not missing:
        return f"{line} in place of any other ONNX Runtime, and {provider.needs}"
    if not lacks_driver(missing):
        return line
    needs = f"it needs {provider.needs}"
    return f"{line}, and {needs}" if len(missing) > 1 else needs


def _run(provider: Provider) -> tuple[NDArray[np.float32], float]:
    """The trial graph's result, and the milliseconds that a second run takes."""
    graph = resources.files("service.runtime.doctor").joinpath("trial.onnx").read_bytes()
    session = open_session(graph, provider)
    feeds = {"x": np.sin(np.arange(4 * 32, dtype=np.float32)).reshape(1, 4, 32)}
    session.run(None, feeds)
    started_s = time.perf_counter()
    (result,) = session.run(["y"], feeds)
    duration_ms = 1000 * (time.perf_counter() - started_s)
    return result, duration_ms
