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
    assert "pip install 'retort[cpu]'" in line


def test_a_device_that_does_not_work_is_refused_before_anything_is_exported(
    tmp_path: Path,
) -> None:
    finished = _run("--device", "cuda", "--models", str(tmp_path / "store"))
    assert finished.returncode == 1
    (line,) = finished.stderr.splitlines()
    assert "CUDAExecutionProvider" in line
    assert "retort[cuda]" in line
    assert not (tmp_path / "store").exists()


def test_a_folder_of_nobody_is_a_wrong_setting(tmp_path: Path) -> None:
    finished = _run("--models", "~nobody-of-this-name/models")
    assert finished.returncode == 2
    assert len(finished.stderr.splitlines()) == 1
