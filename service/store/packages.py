"""The models of a store: found by name, listed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Generic, TypeAlias, TypeVar

import msgspec

from service.errors import ModelNotFound, PackageCorrupt, WrongModelKind
from service.store.layout import Layout
from service.store.manifest import (
    MANIFEST_NAME,
    AnyManifest,
    EncoderManifest,
    Manifest,
    parse_manifest,
)
from service.store.names import ModelName
from service.store.overrides import NO_OVERRIDES, Overrides, RequestDefaults, request_defaults
from service.store.record import RECORD_NAME, Record, digest_of, read_record

_MAX_DEPTH = 4
_HIDDEN = "."

_ATTEMPTS = 3

ManifestT = TypeVar("ManifestT", Manifest, EncoderManifest)


@dataclass(frozen=True, slots=True)
class _Named(Generic[ManifestT]):
    """A package under one of its names.

    `digest` is that of its manifest, and so of all its files: packages that share it may share
    what was loaded from them. Under a copied or derived name there is a `record`, and `folder`
    lies elsewhere.
    """

    name: ModelName
    folder: Path
    manifest: ManifestT
    digest: str = ""
    record: Record | None = None

    @property
    def overrides(self) -> Overrides:
        """What holds instead of what the package says."""
        return NO_OVERRIDES if self.record is None else self.record.overrides

    @property
    def created(self) -> int:
        """When it got this name, in seconds since the epoch."""
        return self.manifest.created if self.record is None else self.record.created

    @property
    def parent(self) -> str | None:
        """The model that it was copied or derived from."""
        return None if self.record is None else self.record.parent

    @property
    def id(self) -> str:
        """A sha256 that is the same for models that answer the same."""
        if self.overrides == NO_OVERRIDES:
            return self.digest
        said = msgspec.json.encode(self.overrides)
        return hashlib.sha256(self.digest.encode() + said).hexdigest()


@dataclass(frozen=True, slots=True)
class Package(_Named[Manifest]):
    """A published package of a decoder: a folder and the manifest in it."""

    @property
    def defaults(self) -> RequestDefaults:
        """What requests get that do not say themselves how to generate."""
        return request_defaults(self.manifest.generation, self.overrides.parameters)


@dataclass(frozen=True, slots=True)
class EncoderPackage(_Named[EncoderManifest]):
    """A published package of an encoder."""


AnyPackage: TypeAlias = Package | EncoderPackage


@dataclass(frozen=True, slots=True)
class Store:
    """The models below `root`, read anew at every call, so that changes are seen at once."""

    root: Path

    @property
    def layout(self) -> Layout:
        return Layout(self.root)

    def find(self, text: str) -> AnyPackage:
        """The package called `text`. Raises ModelNotFound, or PackageCorrupt if it is damaged."""
        try:
            name = ModelName.parse(text)
        except ValueError:
            raise _unknown(text) from None
        for candidate in dict.fromkeys((name, name.without_hub)):
            try:
                return self._find(candidate)
            except (FileNotFoundError, NotADirectoryError):
                continue
            except (OSError, ValueError) as error:
                # An OSError's own text tells the path, which is not the client's to know.
                reason = error.strerror if isinstance(error, OSError) else error
                raise PackageCorrupt(
                    f"The package of model {candidate} cannot be read: {reason}"
                ) from error
        raise _unknown(text)

    def decoder(self, text: str) -> Package:
        """As `find`; WrongModelKind if the package generates no text."""
        package = self.find(text)
        if isinstance(package, EncoderPackage):
            what = "a reranker" if package.manifest.embedding is None else "an embedding model"
            raise WrongModelKind(f"The model {package.name} is {what}: it generates no text.")
        return package

    def encoder(self, text: str) -> EncoderPackage:
        """As `find`; WrongModelKind if the package only generates text."""
        package = self.find(text)
        if isinstance(package, Package):
            raise WrongModelKind(
                f"The model {package.name} generates text: it neither embeds nor ranks."
            )
        return package

    def packages(self) -> list[AnyPackage]:
        """All readable packages by name; a damaged one is left out, as `find` would refuse it."""
        found: list[AnyPackage] = []
        for name in self.names():
            try:
                found.append(self._find(name))
            except (OSError, ValueError):
                continue
        return found

    def names(self) -> list[ModelName]:
        """All names that stand for something, be it damaged."""
        layout = self.layout
        # In this order, as `_find` looks, what is being replaced meanwhile is met somewhere.
        roots = (layout.root, layout.replaced_models, layout.root)
        return sorted({name for root in roots for name in _names_in(root)})

    def _find(self, name: ModelName) -> AnyPackage:
        """Raises FileNotFoundError, NotADirectoryError, OSError or ValueError."""
        # A record just read may have been replaced, and its package freed, before that is found.
        for _ in range(_ATTEMPTS):
            with suppress(_PackageGone):
                return self._find_once(name)
        return self._find_once(name)

    def _find_once(self, name: ModelName) -> AnyPackage:
        place, replaced = self.layout.model(name), self.layout.replaced(name)
        # Between two renames what is being replaced is still the model, and afterwards it is gone.
        for folder in (place, replaced):
            try:
                return self._read(name, folder)
            except FileNotFoundError:
                continue
        return self._read(name, place)

    def _read(self, name: ModelName, folder: Path) -> AnyPackage:
        try:
            raw = (folder / MANIFEST_NAME).read_bytes()
        except FileNotFoundError:
            return self._behind(name, read_record(folder))
        return package_in(name, folder, parse_manifest(raw), digest_of(raw))

    def _behind(self, name: ModelName, record: Record) -> AnyPackage:
        folder, raw = self._package_of(record)
        manifest = parse_manifest(raw)
        _check_record(record, manifest)
        return package_in(name, folder, manifest, record.package, record)

    def _package_of(self, record: Record) -> tuple[Path, bytes]:
        """The folder of a record's package and the manifest in it. Raises _PackageGone."""
        layout, home = self.layout, ModelName.parse(record.home)
        places = (layout.model(home), layout.replaced(home), layout.parked(record.package))
        # It may move while it is looked for, but in this order alone, or back to the first place.
        for folder in (*places, *places):
            try:
                raw = (folder / MANIFEST_NAME).read_bytes()
            except (FileNotFoundError, NotADirectoryError):
                continue
            if digest_of(raw) == record.package:
                return folder, raw
        raise _PackageGone(f"the package that it names, once {home}, is not in the store any more")


class _PackageGone(ValueError):
    """A record's package is nowhere."""


def check_context(wanted: int | None, manifest: AnyManifest) -> None:
    """Raises ValueError for a context longer than the package's."""
    if wanted is not None and wanted > manifest.context_length:
        raise ValueError(
            f"num_ctx {wanted} is more than the {manifest.context_length} tokens of its context"
        )


def _check_record(record: Record, manifest: AnyManifest) -> None:
    check_context(record.overrides.parameters.num_ctx, manifest)


def package_in(
    name: ModelName,
    folder: Path,
    manifest: AnyManifest,
    digest: str = "",
    record: Record | None = None,
) -> AnyPackage:
    """The package of a manifest, of the kind that this says."""
    if isinstance(manifest, EncoderManifest):
        return EncoderPackage(name, folder, manifest, digest, record)
    return Package(name, folder, manifest, digest, record)


def is_model(folder: Path) -> bool:
    """Whether a package or a record lies there, be it damaged."""
    return any((folder / file).exists() for file in (MANIFEST_NAME, RECORD_NAME))


def subfolders(folder: Path) -> list[Path]:
    """The visible folders in `folder`; none if it cannot be read or was just replaced."""
    try:
        return [child for child in folder.iterdir() if child.name[0] != _HIDDEN and child.is_dir()]
    except OSError:
        return []


def _names_in(root: Path) -> Iterator[ModelName]:
    level = [root]
    for _ in range(_MAX_DEPTH):
        level = [child for folder in level for child in subfolders(folder)]
        for folder in filter(is_model, level):
            # Folders of other names are not the store's.
            with suppress(ValueError):
                yield ModelName.from_folder(PurePosixPath(*folder.relative_to(root).parts))


def _unknown(text: str) -> ModelNotFound:
    return ModelNotFound(
        f"The model {text[:200]!r} does not exist here. Make it with: python -m export NAME",
        param="model",
    )
