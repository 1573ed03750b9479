"""Where a store keeps what it knows of a model.

models/
  llama3.2/latest/   a package (manifest.json and its files), or a record (model.json) alone
  .packages/9f…/     a package whose name is gone or has another one, kept for the records of it
  .blobs/sha256-9f…  a file that was uploaded, for a model to be made of
  .staging/          locks, what is being built, what is being replaced, what is being deleted
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from service.store.names import ModelName

STAGING = ".staging"
"""Below the store itself, so that moving from it is a rename on one file system."""

_BLOBS = ".blobs"
_PARKED = ".packages"
_REPLACED = ".replaced"
_LENGTH_OF_PARKED = 32
_TRASH = ".trash"
_RECORD = ".record"
_ASIDE = ".aside"


@dataclass(frozen=True, slots=True)
class Layout:
    """The folders of the store at `root`."""

    root: Path

    @property
    def staging(self) -> Path:
        return self.root / STAGING

    @property
    def lock(self) -> Path:
        """Held for every change of what a name means."""
        return self.staging / "store.lock"

    @property
    def parked_packages(self) -> Path:
        return self.root / _PARKED

    @property
    def blobs(self) -> Path:
        return self.root / _BLOBS

    def blob(self, digest: str) -> Path:
        return self.blobs / f"sha256-{digest}"

    def model(self, name: ModelName) -> Path:
        """Where the package or the record of `name` lies."""
        return self.root / name.folder

    def building(self, name: ModelName) -> Path:
        """Where a package is built, under the lock of its name."""
        return self.staging / _key(name)

    def building_lock(self, name: ModelName) -> Path:
        return lock_of(self.building(name))

    def new_record(self, name: ModelName) -> Path:
        return self.staging / f"{_key(name)}{_RECORD}"

    def aside(self, key: str) -> Path:
        """A folder for what is not to be found until all of it is ready."""
        return self.staging / f"{key}{_ASIDE}"

    @property
    def replaced_models(self) -> Path:
        return self.root / _REPLACED

    def replaced(self, name: ModelName) -> Path:
        """Where what `name` was lies while something else takes its place."""
        return self.replaced_models / name.folder

    def parked(self, digest: str) -> Path:
        return self.parked_packages / digest[:_LENGTH_OF_PARKED]

    def trash(self, folder: Path) -> Path:
        """Where `folder` goes to be deleted."""
        key = hashlib.sha256(str(folder.relative_to(self.root)).encode()).hexdigest()[:16]
        return self.staging / f"{key}{_TRASH}"

    def unpublished(self) -> list[Path]:
        """What is being built, or was when its process was killed."""
        folders = [path for path in self.staging.iterdir() if path.is_dir()]
        return [path for path in folders if lock_of(path).exists()]

    def folders_aside(self) -> set[Path]:
        """Those in use, and what is left of those whose processes were killed: folder, lock."""
        locks = self.staging.glob(lock_of(Path(f"*{_ASIDE}")).name)
        return {*self.staging.glob(f"*{_ASIDE}"), *(lock.with_suffix("") for lock in locks)}

    def leftovers(self) -> list[Path]:
        """What a killed process left in the middle of deleting, or of writing a record."""
        return [*self.staging.glob(f"*{_TRASH}"), *self.staging.glob(f"*{_RECORD}")]


def lock_of(folder: Path) -> Path:
    """Held by the process that fills `folder`."""
    return Path(f"{folder}.lock")


def _key(name: ModelName) -> str:
    """A file name of its own for every name, short even where the name is long."""
    stem = name.path[-1][:40]
    return f"{stem}-{hashlib.sha256(str(name).encode()).hexdigest()[:16]}"
