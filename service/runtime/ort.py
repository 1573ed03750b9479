"""The one place that imports ONNX Runtime, so that what must hold before its import does.

Its wheels report usage over the network unless `ORT_DISABLE_TELEMETRY` is set before the first
import (its docs/Privacy.md); the Windows backend listens only to `disable_telemetry_events`.
"""

from __future__ import annotations

import os

from service.errors import StartupError
from service.runtime.installing import install_command

os.environ["ORT_DISABLE_TELEMETRY"] = "1"
try:
    import onnxruntime as ort
except ImportError as error:
    raise StartupError(
        f"ONNX Runtime cannot be imported ({error}). Install one of: {install_command('cpu')}; "
        f"NVIDIA: {install_command('cuda')}; Windows: {install_command('directml')}"
    ) from error
ort.disable_telemetry_events()

ORT_VERSION: str = ort.__version__


def reason_of(error: Exception) -> str:
    """The first line of what ONNX Runtime raised; the rest is about its own source files."""
    lines = str(error).splitlines()
    return lines[0] if lines else type(error).__name__


__all__ = ["ORT_VERSION", "ort", "reason_of"]
