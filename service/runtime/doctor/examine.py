"""Examines the installation: distributions, ONNX Runtime, each device."""

from __future__ import annotations

import platform

from service.errors import StartupError
from service.runtime.distributions import (
    installed_distributions,
    line_that_keeps,
    version_of,
)
from service.runtime.doctor.report import DeviceFound, DistributionFound, Report
from service.store.manifest import DeviceKind


def examine() -> Report:
    """Takes seconds where a driver has to be loaded."""
    names = installed_distributions()
    distributions = tuple(DistributionFound(name, version_of(name) or "") for name in names)
    problems = []
    if len(names) > 1:
        problems.append(
            f"{' and '.join(names)} are installed over each other; keep one: "
            f"{line_that_keeps(_preferred(names), names)}"
        )
    devices: tuple[DeviceFound, ...] = ()
    onnxruntime = cuda = None
    try:
        # Imported here, since that it cannot be imported is one of the things to find out.
        from service.runtime.doctor.devices import examine_devices, versions  # noqa: PLC0415
    except StartupError as error:
        problems.append(error.message)
    else:
        onnxruntime, cuda = versions()
        devices = examine_devices()
    return Report(
        platform=platform.platform(),
        python=platform.python_version(),
        retort=version_of("retort"),
        onnxruntime=onnxruntime,
        cuda=cuda,
        distributions=distributions,
        devices=devices,
        chosen=_chosen(devices),
        problems=tuple(problems),
    )


def _preferred(names: list[str]) -> str:
    """The one that can do more than the processor alone."""
    return next((name for name in names if name != "onnxruntime"), names[0])


def _chosen(devices: tuple[DeviceFound, ...]) -> DeviceKind | None:
    return next((found.device for found in devices if found.works), None)
