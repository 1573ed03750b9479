"""The packages of a store: found by name, listed, checked against their manifests."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TypeAlias

from service.errors import ModelNotFound, PackageCorrupt, WrongModelKind
from service.store.manifest import (
    MANIFEST_NAME,
    EncoderManifest,
    FileRecord,
    Manifest,
    read_manifest,
)
from service.store.names import ModelName

_MAX_DEPTH = 4
_CHUNK_BYTES = 1 << 20
_HIDDEN = "."


@dataclass(frozen=True, slots=True)
class Package:
    """A published package of a decoder: a folder and the manifest in it."""

    name: ModelName
    folder: Path
    manifest: Manifest


@dataclass(frozen=True, slots=True)
class EncoderPackage:
    """A published package of an encoder."""

    name: ModelName
    folder: Path
    manifest: EncoderManifest


AnyPackage: TypeAlias = Package | EncoderPackage


@dataclass(frozen=True, slots=True)
class Store:
    """The packages below `root`, each in the folder that its name gives."""

    root: Path

    def find(self, text: str) -> AnyPackage:
        """The package called `text`. Raises ModelNotFound, or PackageCorrupt if it is damaged."""
        try:
            name = ModelName.parse(text)
        except ValueError:
            raise _unknown(text) from None
        folder = self.root / name.folder
        try:
            return _read(name, folder)
        except (FileNotFoundError, NotADirectoryError):
            raise _unknown(text) from None
        except (OSError, ValueError) as error:
            # An OSError's own text tells the path, which is not the client's to know.
            reason = error.strerror if isinstance(error, OSError) else error
            raise PackageCorrupt(f"The package of model {name} cannot be read: {reason}") from error

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
        for folder in self._folders():
            try:
                name = ModelName.from_folder(PurePosixPath(*folder.relative_to(self.root).parts))
                found.append(_read(name, folder))
            except (OSError, ValueError):
                continue
        return sorted(found, key=lambda package: package.name)

    def _folders(self) -> Iterator[Path]:
        level = [self.root]
        for _ in range(_MAX_DEPTH):
            level = [child for folder in level for child in _children(folder)]
            yield from level


def check_sizes(package: AnyPackage) -> None:
    """Raises PackageCorrupt if a file is missing, no regular file, or of another size."""
    for name, record in package.manifest.files.items():
        path = package.folder / name
        if path.is_symlink() or not path.is_file():
            raise PackageCorrupt(f"The package of model {package.name} lacks its file {name}.")
        size = path.stat().st_size
        if size != record.size:
            raise PackageCorrupt(
                f"The package of model {package.name} is damaged: {name} has {size} bytes instead "
                f"of {record.size}. Export the model again."
            )


def check_hashes(package: AnyPackage) -> None:
    """Reads every file. Raises PackageCorrupt if one is not what the manifest says."""
    with ThreadPoolExecutor(2) as threads:
        files = package.manifest.files
        digests = threads.map(lambda name: _hash_or_refuse(package, name), files)
        for (name, record), digest in zip(files.items(), digests, strict=True):
            if digest != record.sha256:
                raise PackageCorrupt(
                    f"The package of model {package.name} is damaged: {name} has sha256 {digest} "
                    f"instead of {record.sha256}. Export the model again."
                )


def record_files(folder: Path) -> dict[str, FileRecord]:
    """Size and hash of every file in `folder` but the manifest, by name."""
    paths = sorted(path for path in folder.iterdir() if path.name != MANIFEST_NAME)
    return {
        path.name: FileRecord(size=path.stat().st_size, sha256=hash_file(path)) for path in paths
    }


def hash_file(path: Path, on_bytes: Callable[[int], None] = lambda _: None) -> str:
    """The sha256 of a file, in hexadecimal. `on_bytes` hears how many bytes were read."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
            on_bytes(len(chunk))
    return digest.hexdigest()


def _read(name: ModelName, folder: Path) -> AnyPackage:
    manifest = read_manifest(folder)
    if isinstance(manifest, EncoderManifest):
        return EncoderPackage(name, folder, manifest)
    return Package(name, folder, manifest)


def _children(folder: Path) -> list[Path]:
    """The visible folders in `folder`; none if it cannot be read or was just replaced."""
    try:
        return [child for child in folder.iterdir() if child.name[0] != _HIDDEN and child.is_dir()]
    except OSError:
        return []


def _hash_or_refuse(package: AnyPackage, name: str) -> str:
    try:
        return hash_file(package.folder / name)
    except OSError as error:
        raise PackageCorrupt(
            f"The package of model {package.name} is damaged: {name} cannot be read "
            f"({error.strerror}). Export the model again."
        ) from error


def _unknown(text: str) -> ModelNotFound:
    return ModelNotFound(
        f"The model {text[:200]!r} does not exist here. Make it with: python -m export NAME",
        param="model",
    )
