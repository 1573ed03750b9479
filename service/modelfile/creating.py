"""From a Modelfile to a model, as far as a store can go alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from service.errors import ModelNotFound, RequestError
from service.modelfile.modelfile import Modelfile
from service.store.changes import create_model
from service.store.manifest import MANIFEST_NAME
from service.store.packages import AnyPackage, Store

_GGUF = ".gguf"


@dataclass(frozen=True, slots=True)
class NeedsExport:
    """FROM names weights: a GGUF file or a folder of them, or what a catalogue or the hub may
    have. Export `source`, and create the model from the package that this makes."""

    source: str


@dataclass(frozen=True, slots=True)
class NeedsImport:
    """FROM names a package outside the store. Import `folder`, and create the model from that."""

    folder: Path


def create_from(
    store: Store, target: str, modelfile: Modelfile, folder: Path
) -> AnyPackage | NeedsExport | NeedsImport:
    """Makes `target`, or tells what has to be done first. Paths are relative to `folder`.

    Raises as `create_model` does, RequestError for a path where there is nothing.
    """
    base = modelfile.base
    if _is_path(base, folder):
        needed = _needed(modelfile, folder)
        known = _lying_in(store, needed.folder) if isinstance(needed, NeedsImport) else None
        if known is None:
            return needed
        base = str(known.name)
    try:
        store.find(base)
    except ModelNotFound:
        return NeedsExport(base)
    return create_model(store, target, base, modelfile.overrides)


def _lying_in(store: Store, folder: Path) -> AnyPackage | None:
    """The model of the store whose package lies there, one without a record if there is one."""
    place = folder.resolve()
    found = [package for package in store.packages() if package.folder.resolve() == place]
    return min(found, key=lambda package: package.record is not None, default=None)


def _is_path(base: str, folder: Path) -> bool:
    """A model of the store may be called like a folder that happens to be there."""
    if base.startswith(("/", "./", "../", "~", ".\\", "..\\")) or base in (".", ".."):
        return True
    if Path(base).is_absolute() or base.lower().endswith(_GGUF):
        return True
    return (folder / base / MANIFEST_NAME).is_file()


def _needed(modelfile: Modelfile, folder: Path) -> NeedsExport | NeedsImport:
    where = f"line {modelfile.base_line}: FROM"
    try:
        path = folder / Path(modelfile.base).expanduser()
    except RuntimeError:
        raise RequestError(f"{where} begins with a home folder that is not known.") from None
    if (path / MANIFEST_NAME).is_file():
        return NeedsImport(path)
    if not path.exists():
        raise RequestError(f"{where} names a path where there is nothing.", param="from")
    return NeedsExport(str(path))
