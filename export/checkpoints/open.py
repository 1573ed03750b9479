"""Finding out what kind of checkpoint a path holds."""

from __future__ import annotations

from pathlib import Path

from export.checkpoints.base import Checkpoint
from export.checkpoints.folder import ModelFolder
from export.checkpoints.gguf.checkpoint import GgufCheckpoint
from export.checkpoints.json_file import one_line
from export.checkpoints.safetensors import INDEX_FILE, SINGLE_FILE, SafetensorsCheckpoint
from export.errors import ExportError

_PICKLE_SUFFIXES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
_OTHER_SUFFIXES = (".safetensors", ".h5", ".msgpack", ".onnx", ".npz", ".tflite")


def open_checkpoint(path: Path) -> Checkpoint:
    """Opens a folder with safetensors weights, a GGUF file, or a folder with one GGUF file.

    Reads headers, metadata and configs, no weights. Raises ExportError where there is nothing
    that can be read, saying what is there instead.
    """
    if path.is_dir():
        return _open_folder(ModelFolder(path))
    if not path.exists():
        raise ExportError(f"{path}: no such file or folder")
    if path.suffix.lower() == ".safetensors":
        raise ExportError(f"{path}: give the folder it lies in, which also holds config.json")
    if path.suffix.lower() != ".gguf":
        raise ExportError(f"{path}: neither a folder nor a .gguf file")
    return GgufCheckpoint(path)


def _open_folder(folder: ModelFolder) -> Checkpoint:
    if folder.find(SINGLE_FILE) is not None or folder.find(INDEX_FILE) is not None:
        return SafetensorsCheckpoint(folder)
    names = folder.names()
    ggufs = [name for name in names if name.lower().endswith(".gguf")]
    if len(ggufs) > 1:
        raise ExportError(
            f"{folder.path}: holds {len(ggufs)} GGUF files; name one of them: {_listing(ggufs)}"
        )
    gguf = folder.find(ggufs[0]) if ggufs else None
    if gguf is not None:
        return GgufCheckpoint(gguf)
    raise ExportError(f"{folder.path}: no weights that can be read; {_describe(names)}")


def _describe(names: list[str]) -> str:
    looked_for = f"{SINGLE_FILE}, {INDEX_FILE} and *.gguf were looked for"
    pickles = [name for name in names if name.endswith(_PICKLE_SUFFIXES)]
    if pickles:
        return (
            f"{_listing(pickles)} would have to be unpickled, which can run code and is refused; "
            f"{looked_for}"
        )
    others = [name for name in names if name.endswith(_OTHER_SUFFIXES)]
    if others:
        return f"found {_listing(others)}, but {looked_for}"
    return looked_for


def _listing(names: list[str]) -> str:
    shown = ", ".join(one_line(name) for name in names[:4])
    return shown if len(names) <= 4 else f"{shown} and {len(names) - 4} more"
