"""The wheel holds all that runs, and runs outside the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("export", "service")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=60)
    (built,) = folder.iterdir()
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the code of the wheel."""
    folder = tmp_path_factory.mktemp("installed")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def run(installed: Path, home: Path, *arguments: str) -> str:
    """What `python ...` prints in the folder `home`, with the code that is installed."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("RETORT_", "OLLAMA_", "XDG_"))
    }
    places = {"HOME": str(home), "USERPROFILE": str(home), "LOCALAPPDATA": str(home / "local")}
    result = subprocess.run(
        [sys.executable, *arguments],
        cwd=home,
        env=environment | places | {"PYTHONPATH": str(installed)},
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return result.stdout


def test_all_files_of_the_packages_are_in_it_and_nothing_else(wheel: Path) -> None:
    files = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert held == files
    assert any(not name.endswith(".py") for name in held)


def test_it_has_the_command(wheel: Path) -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("/entry_points.txt"))
        lines = archive.read(name).decode().splitlines()
    assert [f"{command} = {target}" for command, target in scripts.items()] == lines[1:]


def test_outside_a_checkout_models_are_in_the_users_data_folder(
    installed: Path, tmp_path: Path
) -> None:
    shown = tomllib.loads(run(installed, tmp_path, "-m", "service", "--print-config"))
    models = Path(shown["models"])
    assert models.is_relative_to(tmp_path)
    assert models.parts[-2:] == ("retort", "models")


def test_the_catalogue_is_read_from_it(installed: Path, tmp_path: Path) -> None:
    assert "smollm2:135m" in run(installed, tmp_path, "-m", "export", "--list")
    where = run(installed, tmp_path, "-c", "import export; print(export.__file__)")
    assert Path(where).is_relative_to(installed)
