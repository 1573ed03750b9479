"""Real servers of the default model, and the official client."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from openai import OpenAI

from service.store.packages import Package
from tests.conftest import CACHE
from tests.e2e.clients.node import Node, installed_node
from tests.e2e.clients.python_openai import Servers
from tests.unit.service.processes import ServerProcess, running

KEY = "key-of-the-tests"


@pytest.fixture(scope="session")
def store(smollm2_package: Package) -> Path:
    """The folder that holds the default model's package."""
    return smollm2_package.folder.parents[1]


@pytest.fixture(scope="module")
def server(store: Path) -> Iterator[ServerProcess]:
    with running("service", "--models", str(store), "--context", "512", "--slots", "4") as server:
        yield server


@pytest.fixture(scope="module")
def servers(server: ServerProcess, store: Path) -> Iterator[Servers]:
    """That server, and one that asks for a key, runs one request and lets none wait."""
    arguments = ("--models", str(store), "--context", "512", "--slots", "1", "--max-queue", "0")
    with running("service", *arguments, "--api-key", KEY) as guarded:
        yield Servers(_url(server), _url(guarded), KEY)


@pytest.fixture(scope="session")
def node() -> Node:
    return installed_node(CACHE / "node")


@pytest.fixture(scope="module")
def client(server: ServerProcess) -> Iterator[OpenAI]:
    """The official client; no key is configured, so any will do."""
    with OpenAI(base_url=_url(server), api_key="any", max_retries=0) as client:
        yield client


def _url(server: ServerProcess) -> str:
    return f"http://127.0.0.1:{server.port}/v1"
