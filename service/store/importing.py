"""Taking a package from elsewhere into a store."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec

from service.errors import PackageCorrupt
from service.store.integrity import check_hashes, check_sizes
from service.store.manifest import read_manifest, write_manifest
from service.store.names import ModelName
from service.store.packages import AnyPackage, Store, package_in
from service.store.publish import staged


def import_package(
    store: Store, folder: Path, target: str, on_wait: Callable[[], None] = lambda: None
) -> AnyPackage:
    """Copies the package in `folder`, checked to the last byte, as `target`.

    Raises PackageCorrupt if it is none or damaged, ValueError for what is no name, and OSError.
    """
    name = ModelName.parse(target)
    try:
        manifest = read_manifest(folder)
    except (FileNotFoundError, ValueError) as error:
        raise PackageCorrupt(f"There is no package to import: {error}") from None
    renamed = msgspec.structs.replace(manifest, name=str(name))
    with staged(store.root, name, on_wait) as work:
        for file in manifest.files:
            if (folder / file).is_file():
                shutil.copyfile(folder / file, work / file)
        write_manifest(work, renamed)
        copied = package_in(name, work, renamed)
        check_sizes(copied)
        check_hashes(copied)
    return store.find(target)
