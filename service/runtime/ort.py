"""The one place that imports ONNX Runtime, so that what must hold before its import does.

Its wheels report usage over the network unless `ORT_DISABLE_TELEMETRY` is set before the first
import (its docs/Privacy.md); the Windows backend listens only to `disable_telemetry_events`.
"""

from __future__ import annotations

import os
from importlib import metadata

from service.errors import StartupError

DISTRIBUTIONS = (
    "onnxruntime",
    "onnxruntime-gpu",
    "onnxruntime-windowsml",
    "onnxruntime-directml",
    "onnxruntime-openvino",
    "onnxruntime-qnn",
    "onnxruntime-webgpu",
)
"""Distributions that all install the package `onnxruntime`, over each other's files."""

os.environ["ORT_DISABLE_TELEMETRY"] = "1"
try:
    import onnxruntime as ort
except ImportError as error:
    raise StartupError(
        f"ONNX Runtime cannot be imported ({error}). Install one of: pip install 'retort[cpu]', "
        "pip install 'retort[cuda]' (NVIDIA), pip install 'retort[directml]' (Windows)"
    ) from error
ort.disable_telemetry_events()

ORT_VERSION: str = ort.__version__


def installed_distributions() -> list[str]:
    """The names of the installed distributions that own the package `onnxruntime`."""
    return [name for name in DISTRIBUTIONS if _is_installed(name)]


def check_distributions(installed: list[str]) -> None:
    """Raises StartupError, with the line that mends it, if several overwrite each other."""
    if len(installed) > 1:
        names = " ".join(installed)
        raise StartupError(
            f"Several ONNX Runtime distributions are installed over each other ({names}). Keep "
            f"one: pip uninstall -y {names} && pip install {installed[-1]}"
        )


def reason_of(error: Exception) -> str:
    """The first line of what ONNX Runtime raised; the rest is about its own source files."""
    lines = str(error).splitlines()
    return lines[0] if lines else type(error).__name__


def _is_installed(name: str) -> bool:
    try:
        metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return False
    return True


__all__ = ["ORT_VERSION", "check_distributions", "installed_distributions", "ort", "reason_of"]
