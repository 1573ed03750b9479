"""The whole report, here and where something is wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from service.cli.doctor import lines, run
from service.runtime.doctor import examine as module
from service.runtime.doctor.examine import examine
from service.runtime.doctor.report import DeviceFound, Report

ROOT = Path(__file__).parents[5]


def test_this_machine_is_fit_to_serve() -> None:
    report = examine()
    assert report.problems == ()
    assert len(report.distributions) == 1
    assert report.distributions[0].version == report.onnxruntime
    assert report.chosen is not None
    assert report.works(None)
    assert report.works("cpu")


def test_distributions_over_each_other_are_a_problem_with_its_remedy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    both = ["onnxruntime", "onnxruntime-gpu"]
    monkeypatch.setattr(module, "installed_distributions", lambda: both)
    report = examine()
    assert not report.works(None)
    (problem,) = report.problems
    line = "pip uninstall -y onnxruntime onnxruntime-gpu && pip install onnxruntime-gpu"
    assert problem.endswith(line)
    assert [found.name for found in report.distributions] == both


def _doctor(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "service", "doctor", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=ROOT,
        env={**os.environ, **environment},
    )


def test_an_onnx_runtime_that_does_not_import_is_told_with_its_remedy(tmp_path: Path) -> None:
    (tmp_path / "onnxruntime.py").write_text("raise ImportError('no library')")
    done = _doctor("--json", PYTHONPATH=os.pathsep.join([str(tmp_path), str(ROOT)]))
    assert (done.returncode, done.stderr) == (1, "")
    report = json.loads(done.stdout)
    assert report["onnxruntime"] is report["chosen"] is None
    assert "no library" in report["problems"][0]
    assert "pip install -e '.[cpu]'" in report["problems"][0]


def test_as_json_it_is_the_report(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--json"]) == 0
    report = msgspec.json.decode(capsys.readouterr().out, type=Report)
    assert report.works("cpu")


@pytest.mark.parametrize("device", ["cuda", "directml"])
def test_a_device_that_is_asked_for_and_does_not_work_is_a_failure(
    device: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["--device", device]) == int(device not in _working())
    assert run(["--device", "cpu"]) == 0


def _working() -> list[str]:
    return [found.device for found in examine().devices if found.works]


def test_people_read_why_and_what_to_do() -> None:
    report = Report(
        platform="Here",
        python="3.12",
        retort="1.0",
        onnxruntime="1.32.0",
        cuda="13.0",
        distributions=(),
        devices=(
            DeviceFound("cuda", "CUDA", works=False, reason="no driver", mend="get one"),
            DeviceFound("cpu", "CPU", works=True, error=0.0, duration_ms=0.25),
        ),
        chosen="cpu",
        problems=("something",),
    )
    text = "\n".join(lines(report))
    for part in ("cuda           does not work: no driver", "mend: get one", "--device auto  cpu"):
        assert part in text
    assert "1.32.0, built for CUDA 13.0" in text
    assert "cpu            works" in text
    assert "problem        something" in text
