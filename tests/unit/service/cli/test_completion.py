"""What shells are told that a word may become."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from service.__main__ import main
from service.cli.completion import candidates
from service.store.names import ModelName
from tests.unit.service.cli.samples import TINY_EMBEDDER

ROOT = Path(__file__).parents[4]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("tiny:1b", "other"):
        shutil.copytree(TINY_EMBEDDER, tmp_path / ModelName.parse(name).folder)
    monkeypatch.setenv("RETORT_MODELS", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        (["ver"], ["verify", "version"]),
        (["l"], ["list", "ls"]),
        (["show", ""], ["other", "tiny:1b"]),
        (["run", "ti"], ["tiny:1b"]),
        (["rm", "other", "tiny:"], ["tiny:1b"]),
        (["show", "--li"], ["--license"]),
        (["list", "--m"], ["--models"]),
        (["ps", ""], []),
        (["nonsense", "x"], []),
    ],
)
def test_verbs_models_and_flags_are_completed(
    store: Path, typed: list[str], found: list[str]
) -> None:
    assert candidates(typed) == found


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell"])
def test_there_is_a_script_for_every_shell(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    assert "retort completion words -- " in capsys.readouterr().out


@pytest.mark.skipif(shutil.which("bash") is None or os.name == "nt", reason="there is no bash")
@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("retort ver", "verify version"),
        ("retort show ti", "tiny:1b"),
        ("retort show tiny:", "1b"),
        ("retort rm ", "other tiny:1b"),
    ],
)
def test_bash_completes(
    store: Path, line: str, found: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["completion", "bash"]) == 0
    script = capfd.readouterr().out
    program = f"""
retort() {{ {sys.executable} -m service "$@"; }}
{script}
COMP_LINE='{line}' COMP_POINT={len(line)}; _retort; echo "${{COMPREPLY[*]}}" | tr '\\n' ' '
"""
    done = subprocess.run(
        ["bash", "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.split() == found.split(), done.stderr
