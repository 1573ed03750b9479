from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from service.store.names import ModelName
from service.store.packages import Package, Store


@pytest.fixture
def damageable_package(smollm2_package: Package, tmp_path: Path) -> Package:
    """The default model in a store of its own below `tmp_path`; its small files may be changed.

    The weights are the same file on disk: replace that one, do not write into it.
    """
    name = ModelName.parse("smollm2:135m")
    folder = tmp_path / name.folder
    folder.mkdir(parents=True)
    for path in smollm2_package.folder.iterdir():
        if path.stat().st_size > 10_000_000:
            os.link(path, folder / path.name)
        else:
            shutil.copy(path, folder / path.name)
    return Store(tmp_path).decoder(str(name))
