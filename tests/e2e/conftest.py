"""Real servers of the default model, and the official client."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from openai import OpenAI

from service.modelfile.creating import create_from
from service.modelfile.modelfile import read_modelfile
from service.store.changes import copy_model
from service.store.names import ModelName
from service.store.packages import Package, Store
from tests.conftest import CACHE, MODEL
from tests.e2e.clients.node import Node, installed_node
from tests.e2e.clients.python_openai import Servers
from tests.unit.service.processes import ServerProcess, running

KEY = "key-of-the-tests"
NUM_CTX = 384
"""What `mymodel` asks for, other than what the servers are started with."""

TINY_EMBEDDER = Path(__file__).parents[1] / "golden" / "tiny_encoders" / "tiny-embedder" / "latest"


@pytest.fixture(scope="session", autouse=True)
def signals_mean_what_they_mean() -> None:
    """What nohup or a background job ignores would be ignored by the processes under test too."""
    for name, handler in (("SIGHUP", signal.SIG_DFL), ("SIGINT", signal.default_int_handler)):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, handler)


@pytest.fixture(scope="session")
def store(smollm2_package: Package) -> Path:
    """The folder that holds the default model's package."""
    return smollm2_package.folder.parents[1]


@pytest.fixture(scope="module")
def server(store: Path) -> Iterator[ServerProcess]:
    with running("service", "--models", str(store), "--context", "512", "--slots", "4") as server:
        yield server


@pytest.fixture(scope="session")
def named_store(smollm2_package: Package, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The default model under more names, one of them with a context of its own, and a tiny
    embedder under a name that people know."""
    root = tmp_path_factory.mktemp("models")
    store = Store(root)
    copy_folder(smollm2_package.folder, root / ModelName.parse(MODEL).folder)
    copy_folder(TINY_EMBEDDER, root / ModelName.parse("all-minilm").folder)
    copy_model(store, MODEL, "llama3.2")
    copy_model(store, "llama3.2", "gpt-3.5-turbo")
    modelfile = read_modelfile(f"FROM llama3.2\nPARAMETER num_ctx {NUM_CTX}\n")
    create_from(store, "mymodel", modelfile, root)
    return root


def copy_folder(source: Path, target: Path) -> None:
    """Takes no room where the file system can do that."""
    try:
        shutil.copytree(source, target, copy_function=os.link)
    except (OSError, shutil.Error):
        shutil.copytree(source, target, dirs_exist_ok=True)


@pytest.fixture(scope="module")
def servers(named_store: Path) -> Iterator[Servers]:
    """One that asks for no key, and one that does, runs one request and lets none wait."""
    arguments = ("service", "--models", str(named_store), "--context", "512", "--slots")
    with (
        running(*arguments, "4") as server,
        running(*arguments, "1", "--max-queue", "0", "--api-key", KEY) as guarded,
    ):
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
