"""The libraries that exporting an encoder takes, which nothing else does."""

from __future__ import annotations

from importlib import metadata

from export.errors import ExportError

_DISTRIBUTIONS = ("torch", "transformers", "optimum", "optimum-onnx")


def require_libraries() -> None:
    """Raises ExportError, with the line that mends it, where one is missing."""
    missing = [name for name in _DISTRIBUTIONS if not _is_installed(name)]
    if missing:
        raise ExportError(
            f"encoders are exported by optimum, and {', '.join(missing)} cannot be found: "
            "pip install -e '.[export]' (in Retort's folder)"
        )


def _is_installed(name: str) -> bool:
    try:
        metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return False
    return True
