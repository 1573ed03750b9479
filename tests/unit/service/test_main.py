"""The command line in processes of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def _run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "service", "--port", "0", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=ROOT,
        env={**os.environ, **environment},
    )


def test_an_onnx_runtime_that_does_not_import_is_one_line_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "onnxruntime.py").write_text("raise ImportError('no library')")
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    finished = _run("--no-default", "--models", str(tmp_path), PYTHONPATH=path)
    assert finished.returncode == 1
    (line,) = finished.stderr.splitlines()
    assert "no library" in line
    assert "pip install -e '.[cpu]'" in line


def test_a_device_that_does_not_work_is_refused_before_anything_is_exported(
    tmp_path: Path,
) -> None:
    finished = _run("--device", "cuda", "--models", str(tmp_path / "store"))
    assert finished.returncode == 1
    (line,) = finished.stderr.splitlines()
    assert "CUDAExecutionProvider" in line
    assert "'.[cuda]'" in line
    assert not (tmp_path / "store").exists()


def test_a_folder_of_nobody_is_a_wrong_setting(tmp_path: Path) -> None:
    finished = _run("--models", "~nobody-of-this-name/models")
    assert finished.returncode == 2
    assert len(finished.stderr.splitlines()) == 1


def test_the_settings_are_printed_with_where_they_come_from(tmp_path: Path) -> None:
    (tmp_path / "retort.toml").write_text("slots = 2\n")
    finished = _run("--print-config", "--config", str(tmp_path / "retort.toml"), OLLAMA_DEBUG="1")
    assert finished.returncode == 0
    assert "port = 0  # --port\n" in finished.stdout
    assert 'log_level = "debug"  # OLLAMA_DEBUG\n' in finished.stdout
    assert f"slots = 2  # {tmp_path / 'retort.toml'}: slots\n" in finished.stdout
    assert finished.stderr == ""


def test_a_variable_that_cannot_be_honoured_is_named_at_start(tmp_path: Path) -> None:
    finished = _run("--device", "cuda", OLLAMA_KV_CACHE_TYPE="q8_0")
    warning, refusal = finished.stderr.splitlines()
    assert warning.startswith("retort: warning: OLLAMA_KV_CACHE_TYPE is set")
    assert "CUDAExecutionProvider" in refusal


def test_help_tells_flags_and_variables() -> None:
    told = " ".join(_run("--help").stdout.split())
    assert "--keep-alive TIME" in told
    assert "(default 5m) [RETORT_KEEP_ALIVE, OLLAMA_KEEP_ALIVE]" in told
