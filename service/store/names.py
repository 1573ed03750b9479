"""What a model may be called, and which folder that is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Self

DEFAULT_TAG = "latest"

_MAX_PART_LENGTH = 80
_MAX_NAMESPACES = 2
_DEFAULT_HOST = "registry.ollama.ai"
_DEFAULT_NAMESPACE = "library"
_HUB_HOSTS = ("hf.co", "huggingface.co")
_PART = re.compile(r"[a-z0-9_](?:[a-z0-9._-]*[a-z0-9_-])?")
_PORT = re.compile(r":[0-9]{1,5}\Z")
_COLON_IN_FOLDERS = "+"
"""What stands for the colon before a port, which no folder may have on Windows, and no name has."""
_RESERVED_ON_WINDOWS = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?")


@dataclass(frozen=True, slots=True, order=True)
class ModelName:
    """`[host/][namespace/]model[:tag]`, in lower case, every part safe as a folder on any system.

    As with Ollama a name without a tag means the tag `latest`, `library/` before a model says
    nothing, and a host, which a namespace must follow, may have a port.
    """

    path: tuple[str, ...]
    tag: str = DEFAULT_TAG

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ValueError, saying what is wrong, for what cannot be a name."""
        stem, separator, tag = text.lower().rpartition(":")
        if not separator or "/" in tag:
            stem, tag = text.lower(), DEFAULT_TAG
        path = _without_defaults(tuple(stem.split("/")))
        if len(path) > _MAX_NAMESPACES + 1:
            raise ValueError(f"a model name has at most {_MAX_NAMESPACES + 1} parts")
        host, rest = (path[:1], path[1:]) if len(path) > _MAX_NAMESPACES else ((), path)
        for part in (*(_PORT.sub("", part) for part in host), *rest, tag):
            _check(part)
        return cls(path, tag)

    @classmethod
    def from_folder(cls, folder: PurePosixPath) -> Self:
        """The name whose `folder` this is. Raises ValueError if none has it."""
        *path, tag = folder.parts
        if not path:
            raise ValueError(f"{folder} is no model folder")
        path[0] = path[0].replace(_COLON_IN_FOLDERS, ":")
        name = cls.parse(f"{'/'.join(path)}:{tag}")
        if name.folder.parts != folder.parts:
            raise ValueError(f"{folder} is the folder of no model; that of {name} is {name.folder}")
        return name

    @property
    def folder(self) -> Path:
        """Where its package lies, relative to the store."""
        first, *rest = self.path
        return Path(first.replace(":", _COLON_IN_FOLDERS), *rest, self.tag)

    @property
    def without_hub(self) -> ModelName:
        """`hf.co/org/repo` is what an export calls `org/repo`; any other name is itself."""
        return ModelName(self.path[1:], self.tag) if self.path[0] in _HUB_HOSTS else self

    def __str__(self) -> str:
        stem = "/".join(self.path)
        return stem if self.tag == DEFAULT_TAG else f"{stem}:{self.tag}"


def _without_defaults(path: tuple[str, ...]) -> tuple[str, ...]:
    """What Ollama leaves out where it shows a name."""
    if path[:2] == (_DEFAULT_HOST, _DEFAULT_NAMESPACE) and len(path) == 3:
        return path[2:]
    if path[0] == _DEFAULT_NAMESPACE and len(path) == 2:
        return path[1:]
    return path


def _check(part: str) -> None:
    if len(part) > _MAX_PART_LENGTH:
        raise ValueError(f"a part of a model name has at most {_MAX_PART_LENGTH} characters")
    if not _PART.fullmatch(part) or ".." in part:
        raise ValueError(
            f"{part[:_MAX_PART_LENGTH]!r} cannot be part of a model name; use letters, digits and "
            "inner dots, dashes and underscores"
        )
    if _RESERVED_ON_WINDOWS.fullmatch(part):
        raise ValueError(f"{part!r} is reserved on Windows")
