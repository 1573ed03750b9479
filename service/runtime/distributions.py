"""Which distributions of ONNX Runtime are installed; asks nothing of ONNX Runtime itself."""

from __future__ import annotations

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


def installed_distributions() -> list[str]:
    """The names of the installed distributions that own the package `onnxruntime`."""
    return [name for name in DISTRIBUTIONS if version_of(name) is not None]


def check_distributions(installed: list[str]) -> None:
    """Raises StartupError, with the line that mends it, if several overwrite each other."""
    if len(installed) > 1:
        raise StartupError(
            f"Several ONNX Runtime distributions are installed over each other "
            f"({' '.join(installed)}). Keep one: {line_that_keeps(installed[-1], installed)}"
        )


def line_that_keeps(kept: str, installed: list[str]) -> str:
    """The line that leaves `kept` alone, whole again: the others took some of its files along."""
    return f"pip uninstall -y {' '.join(installed)} && pip install {kept}"


def version_of(distribution: str) -> str | None:
    """The version that is installed, or None if it is not."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None
