"""Which libraries a provider asks for, and which of them this machine does not have.

ONNX Runtime itself only logs that, and goes on with the processor.
"""

from __future__ import annotations

import contextlib
import ctypes
import io
import re
from collections.abc import Sequence
from pathlib import Path

from service.runtime.elf import needed_libraries
from service.runtime.ort import ort

_PROVIDER_FILES = {
    "CUDAExecutionProvider": ("libonnxruntime_providers_cuda.so", "onnxruntime_providers_cuda.dll"),
}

_DRIVERS = {"libcuda.so.1": "NVIDIA", "nvcuda.dll": "NVIDIA"}
"""Libraries that come with a driver and that no package brings."""

_NAMED = (
    # Linux: the loader's own words.
    re.compile(r"(\S+): cannot open shared object file"),
    # Windows: ONNX Runtime's.
    re.compile(r'which depends on "([^"]+)" which is missing'),
)


def missing_libraries(provider: str) -> list[str]:
    """The libraries that `provider` cannot be loaded without and that are not to be found."""
    load_nvidia_libraries(provider)
    path = _file_of(provider)
    if path is None:
        return []
    wanted = needed_libraries(path)
    return [name for name in wanted if not _loads(name)] or named_in(_load_error(path))


def load_nvidia_libraries(provider: str) -> None:
    """Loads what NVIDIA's own packages brought, which the system's loader would not find."""
    if provider == "CUDAExecutionProvider":
        # It prints what it misses; that is for us to say.
        with contextlib.redirect_stdout(io.StringIO()):
            ort.preload_dlls()


def described(missing: Sequence[str]) -> str:
    """What it means that libraries are missing, in one clause."""
    drivers = sorted({_DRIVERS[name] for name in missing if name in _DRIVERS})
    others = [name for name in missing if name not in _DRIVERS]
    said = [f"there is no {name} driver" for name in drivers]
    if others:
        said.append(f"missing: {', '.join(others)}")
    return "; ".join(said)


def lacks_driver(missing: Sequence[str]) -> bool:
    return any(name in _DRIVERS for name in missing)


def named_in(load_error: str) -> list[str]:
    """The libraries that a load error names as missing."""
    return [name for pattern in _NAMED for name in pattern.findall(load_error)]


def _file_of(provider: str) -> Path | None:
    folder = Path(ort.__file__).parent / "capi"
    candidates = [folder / name for name in _PROVIDER_FILES.get(provider, ())]
    return next((path for path in candidates if path.is_file()), None)


def _loads(name: str) -> bool:
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True


def _load_error(path: Path) -> str:
    """Why the library at `path` does not load. That of a provider wants what another defines, and
    is not meant to load alone; only what is said of missing files counts."""
    try:
        ctypes.CDLL(str(path))
    except OSError as error:
        return str(error)
    return ""
