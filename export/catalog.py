"""The names an export knows, and where the weights behind each of them lie."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from pathlib import PurePosixPath
from typing import Annotated, Literal, TypeAlias

import msgspec

from export.errors import ExportError
from service.store.manifest import Pooling

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*:[a-z0-9][a-z0-9._-]*")
_REPO = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_LATEST = "latest"

Kind = Literal["chat", "completion", "vision", "embedding", "rerank"]

_Sha256: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$")]
_NumBytes: TypeAlias = Annotated[int, msgspec.Meta(gt=0)]


class HubLocation(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="hub"
):
    """A hub repository: safetensors, or what is named by `file`: a GGUF file, a quantisation, a
    folder with an ONNX model. `mirror` holds gated weights again, under the same licence."""

    repo: str
    file: str | None = None
    revision: str | None = None
    mirror: str | None = None

    def __post_init__(self) -> None:
        for repo in filter(None, (self.repo, self.mirror)):
            if not _REPO.fullmatch(repo):
                raise ValueError(f"{repo!r} is not org/repo")


class PypiLocation(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="pypi"
):
    """One file of a released wheel; sizes in bytes."""

    distribution: str
    version: str
    file: str
    sha256: _Sha256
    file_size: _NumBytes
    wheel_size: _NumBytes

    def __post_init__(self) -> None:
        path = PurePosixPath(self.file)
        if path.is_absolute() or ".." in path.parts or path.suffix != ".gguf":
            raise ValueError(f"{self.file!r} is not a GGUF file inside a wheel")


class PypiFolderLocation(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="pypi-folder"
):
    """A model folder of a released wheel; `sha256` and `wheel_size`, in bytes, are the wheel's."""

    distribution: str
    version: str
    folder: str
    sha256: _Sha256
    wheel_size: _NumBytes

    def __post_init__(self) -> None:
        path = PurePosixPath(self.folder)
        if path.is_absolute() or ".." in path.parts or not path.name:
            raise ValueError(f"{self.folder!r} is not a folder inside a wheel")


class GenerationDefaults(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the model's authors advise to sample, where the weights do not say it themselves."""

    temperature: Annotated[float, msgspec.Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, msgspec.Meta(gt=0, le=1)] | None = None


class Embedding(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Vectors as the model's authors make them: `matryoshka` are the lengths they may be cut to,
    true means any; `query` and `document` what is put before a text."""

    dimensions: Annotated[int, msgspec.Meta(gt=0)]
    pooling: Pooling
    matryoshka: tuple[Annotated[int, msgspec.Meta(gt=0)], ...] | bool = ()
    query: str | None = None
    document: str | None = None


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A row: `name` is `family:tag`; of each family one row is what the bare family means.

    `architecture` is the `model_type` of its config, `parameters` their rounded number.
    `gated` tells a reader that the hub will ask for an accepted licence; the hub decides.
    `tools` is the format of its calls, None for a model that was not taught any.
    """

    name: str
    license: str
    architecture: str
    parameters: Annotated[int, msgspec.Meta(gt=0)]
    source: HubLocation | PypiLocation | PypiFolderLocation
    kind: Kind = "chat"
    default: bool = False
    gated: bool = False
    tools: str | None = None
    thinking: bool = False
    generation: GenerationDefaults = GenerationDefaults()
    embedding: Embedding | None = None
    unsupported: str | None = None

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name) or self.tag == _LATEST:
            raise ValueError(f"{self.name!r} is not family:tag in lower case")
        if (self.embedding is not None) != (self.kind == "embedding"):
            raise ValueError(
                f"{self.name!r} has to be of the kind 'embedding' to have an embedding"
            )

    @property
    def family(self) -> str:
        """The name without its tag."""
        return self.name.partition(":")[0]

    @property
    def tag(self) -> str:
        """What stands behind the colon."""
        return self.name.partition(":")[2]


class _File(msgspec.Struct, forbid_unknown_fields=True):
    default: str
    models: list[Entry]
    licenses: dict[str, str]
    hosted: list[str] = []


@dataclass(frozen=True)
class Catalog:
    """All rows in their order; `default` is what the service exports into an empty store.

    `licenses` are the addresses of their texts. `hosted` are names of services' models.
    """

    default: str
    entries: tuple[Entry, ...]
    licenses: Mapping[str, str]
    hosted: frozenset[str] = frozenset()

    @classmethod
    def parse(cls, text: str) -> Catalog:
        """Reads a catalogue. Raises ExportError where it is malformed or contradicts itself."""
        try:
            file = msgspec.toml.decode(text, type=_File)
        except (msgspec.DecodeError, ValueError) as error:
            raise ExportError(f"the catalogue cannot be read: {error}") from error
        catalog = cls(file.default, tuple(file.models), file.licenses, frozenset(file.hosted))
        catalog._check()
        return catalog

    @cached_property
    def families(self) -> dict[str, list[Entry]]:
        """The rows of each family."""
        families: dict[str, list[Entry]] = {}
        for entry in self.entries:
            families.setdefault(entry.family, []).append(entry)
        return families

    def find(self, name: str) -> Entry | None:
        """The row of `family:tag`, `family` or `family:latest`, in any case."""
        family, _, tag = name.lower().partition(":")
        for entry in self.families.get(family, ()):
            if entry.tag == tag or (entry.default and tag in ("", _LATEST)):
                return entry
        return None

    def nearest(self, name: str, count: int = 3) -> list[str]:
        """Up to `count` names one may have meant; for a known family with a wrong tag, its own."""
        family = name.lower().partition(":")[0]
        if family in self.families:
            return [entry.name for entry in self.families[family]]
        known = [*self.families, *(entry.name for entry in self.entries)]
        return difflib.get_close_matches(name.lower(), known, n=count, cutoff=0.5)

    def _check(self) -> None:
        names = [entry.name for entry in self.entries]
        if duplicates := {name for name in names if names.count(name) > 1}:
            raise ExportError(f"the catalogue has {', '.join(sorted(duplicates))} twice")
        for family, entries in self.families.items():
            if sum(entry.default for entry in entries) != 1:
                raise ExportError(f"the catalogue needs one default for {family}")
        for entry in self.entries:
            if entry.license not in self.licenses:
                raise ExportError(f"the catalogue says nowhere what {entry.license} is")
        if self.find(self.default) is None:
            raise ExportError(f"the catalogue's default {self.default} is not in it")


def load_catalog() -> Catalog:
    """The catalogue that comes with Retort."""
    return Catalog.parse(resources.files("export").joinpath("catalog.toml").read_text("utf-8"))
