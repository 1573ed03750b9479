"""What a model may be called, and which folder that is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Self

DEFAULT_TAG = "latest"

_MAX_PART_LENGTH = 80
_MAX_NAMESPACES = 2
_PART = re.compile(r"[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?")
_RESERVED_ON_WINDOWS = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?")


@dataclass(frozen=True, slots=True, order=True)
class ModelName:
    """`[namespace/]model[:tag]`, kept in lower case, every part safe as a folder on any system.

    A name without a tag means the tag `latest`, as with Ollama.
    """

    path: tuple[str, ...]
    tag: str = DEFAULT_TAG

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ValueError, saying what is wrong, for what cannot be a name."""
        stem, separator, tag = text.lower().rpartition(":")
        if not separator or "/" in tag:
            stem, tag = text.lower(), DEFAULT_TAG
        path = tuple(stem.split("/"))
        if len(path) > _MAX_NAMESPACES + 1:
            raise ValueError(f"a model name has at most {_MAX_NAMESPACES + 1} parts")
        for part in (*path, tag):
            _check(part)
        return cls(path, tag)

    @classmethod
    def from_folder(cls, folder: PurePosixPath) -> Self:
        """The name whose `folder` this is. Raises ValueError if none has it."""
        *path, tag = folder.parts
        if not path:
            raise ValueError(f"{folder} is no model folder")
        name = cls.parse(f"{'/'.join(path)}:{tag}")
        if name.folder.parts != folder.parts:
            raise ValueError(f"{folder} is the folder of no model; that of {name} is {name.folder}")
        return name

    @property
    def folder(self) -> Path:
        """Where its package lies, relative to the store."""
        return Path(*self.path, self.tag)

    def __str__(self) -> str:
        stem = "/".join(self.path)
        return stem if self.tag == DEFAULT_TAG else f"{stem}:{self.tag}"


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
