"""The official Python client, the newest version and an older one, against a real server."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import CACHE
from tests.e2e.clients import python_openai
from tests.e2e.clients.python_openai import CHECKS, Servers

OLDER = "2.54.0"
_UNREACHABLE = "connection broken by"


def _name(check: Callable[[Servers], None]) -> str:
    return check.__name__.removeprefix("check_")


@pytest.mark.parametrize("check", CHECKS, ids=_name)
def test_the_newest_client(check: Callable[[Servers], None], servers: Servers) -> None:
    check(servers)


def test_an_older_client(servers: Servers) -> None:
    environment = {**os.environ, "PYTHONPATH": str(_installed(OLDER))}
    result = subprocess.run(
        [sys.executable, python_openai.__file__, servers.url, servers.guarded_url, servers.key],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout == f"openai {OLDER}: {len(CHECKS)} checks passed\n"


def _installed(version: str) -> Path:
    """A folder with that version of the client and all that it needs."""
    folder = CACHE / f"python-openai-{version}"
    if not folder.is_dir():
        unfinished = folder.with_suffix(".unfinished")
        command = [sys.executable, "-m", "pip", "install", "--upgrade", "--target"]
        result = subprocess.run(
            [*command, str(unfinished), f"openai=={version}"],
            capture_output=True,
            text=True,
            check=False,
        )
        if _UNREACHABLE in result.stderr:
            pytest.skip("no package index can be reached to install an older client from")
        assert result.returncode == 0, result.stderr
        unfinished.rename(folder)
    return folder
