"""Models in onnxruntime-genai's layout within a repository: folders with a genai_config.json."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath

from export.errors import ExportError

GENAI_CONFIG = "genai_config.json"

_SUFFIXES = (".json", ".jinja", ".onnx", ".data")


def genai_folders(present: Sequence[str]) -> list[str]:
    """The folders that hold such a model; "" is the repository itself."""
    return [_folder_of(name) for name in present if PurePosixPath(name).name == GENAI_CONFIG]


def named_folders(folders: Sequence[str], wanted: str) -> list[str]:
    """Those that `wanted` names, by their whole path or the end of it."""
    name = wanted.strip("/").lower()
    whole = [folder for folder in folders if folder.lower() == name]
    return whole or [folder for folder in folders if folder.lower().endswith(f"/{name}")]


def files_of(folder: str, present: Sequence[str]) -> tuple[str, ...]:
    """The model's files: configs, tokenizer, graphs and their weights, nothing deeper."""
    return tuple(
        name
        for name in present
        if _folder_of(name) == folder
        and (name.endswith(_SUFFIXES) or ".onnx" in PurePosixPath(name).name)
    )


def only_folder(folders: Sequence[str], repo: str) -> str:
    """The one folder there is. Raises ExportError, naming them, where there are several."""
    if len(folders) > 1:
        raise ExportError(f"{repo} has several ONNX models, name one: {named(repo, folders)}")
    return folders[0]


def named(repo: str, folders: Sequence[str]) -> str:
    """The folders as one can ask for them."""
    return ", ".join(f"{repo}:{folder}" if folder else repo for folder in folders)


def _folder_of(name: str) -> str:
    parent = PurePosixPath(name).parent.as_posix()
    return "" if parent == "." else parent
