"""A real server of the default model, and the official client."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from openai import OpenAI

from service.store.packages import Package
from tests.unit.service.processes import ServerProcess, running


@pytest.fixture(scope="session")
def store(smollm2_package: Package) -> Path:
    """The folder that holds the default model's package."""
    return smollm2_package.folder.parents[1]


@pytest.fixture(scope="module")
def server(store: Path) -> Iterator[ServerProcess]:
    with running("service", "--models", str(store), "--context", "512", "--slots", "4") as server:
        yield server


@pytest.fixture(scope="module")
def client(server: ServerProcess) -> Iterator[OpenAI]:
    """The official client; no key is configured, so any will do."""
    url = f"http://127.0.0.1:{server.port}/v1"
    with OpenAI(base_url=url, api_key="any", max_retries=0) as client:
        yield client
