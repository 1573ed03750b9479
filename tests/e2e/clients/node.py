"""The official Node clients, installed once, and a Node that is new enough for them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

_CLIENTS = {"openai": "openai@7", "ollama": "ollama@0.6"}
_NODE = "node@22"
_MIN_MAJOR = 22
_UNREACHABLE = ("ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ETIMEDOUT", "ENETUNREACH")


@dataclass(frozen=True)
class Node:
    """A Node and the folder in which it finds the clients."""

    binary: Path
    folder: Path

    def run(self, script: Path, *arguments: str) -> str:
        """What the script writes; it must end well."""
        result = subprocess.run(
            [str(self.binary), str(script), *arguments],
            env={**os.environ, "NODE_CLIENTS": str(self.folder)},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout


def installed_node(folder: Path) -> Node:
    """Installs into `folder` what is not there yet, a Node too where the machine's is too old."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not on this machine, so there is no Node client to try")
    system = shutil.which("node")
    own = system is None or _major(system) < _MIN_MAJOR
    if not folder.is_dir():
        unfinished = folder.with_suffix(".unfinished")
        _install(npm, unfinished, [*_CLIENTS.values(), *([_NODE] if own else [])])
        unfinished.rename(folder)
    missing = [_CLIENTS[name] for name in _CLIENTS if not (folder / "node_modules" / name).is_dir()]
    if missing:
        _install(npm, folder, missing)
    binary = folder / "node_modules" / ".bin" / "node" if own or system is None else Path(system)
    assert _major(str(binary)) >= _MIN_MAJOR
    return Node(binary, folder)


def _install(npm: str, folder: Path, packages: list[str]) -> None:
    folder.mkdir(exist_ok=True)
    result = subprocess.run(
        [npm, "install", "--no-audit", "--no-fund", "--prefix", str(folder), *packages],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if any(code in result.stderr for code in _UNREACHABLE):
        pytest.skip("no npm registry can be reached to install the Node client from")
    assert result.returncode == 0, result.stderr


def _major(binary: str) -> int:
    result = subprocess.run([binary, "--version"], capture_output=True, text=True, check=True)
    found = re.match(r"v(\d+)\.", result.stdout)
    assert found is not None, result.stdout
    return int(found[1])
