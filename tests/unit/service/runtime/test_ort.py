from __future__ import annotations

import subprocess
import sys

import pytest

from service.errors import StartupError
from service.runtime.distributions import (
    DISTRIBUTIONS,
    check_distributions,
    installed_distributions,
)
from service.runtime.ort import ORT_VERSION, ort, reason_of

_WATCH_IMPORTS = """
import os, sys
os.environ.pop("ORT_DISABLE_TELEMETRY", None)

class Watch:
    def find_spec(self, name, path=None, target=None):
        if name == "onnxruntime":
            print("telemetry off:", os.environ.get("ORT_DISABLE_TELEMETRY"))
        return None

sys.meta_path.insert(0, Watch())
import {module}
assert "onnxruntime" in sys.modules
"""

_HIDE_ORT = """
import sys
sys.modules["onnxruntime"] = None
from service.errors import StartupError
try:
    import service.runtime.ort
except StartupError as error:
    print(error.message)
"""


def _output(program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout


@pytest.mark.parametrize("module", ["service.pool", "service.runtime.sessions", "export.verify"])
def test_telemetry_is_off_before_onnxruntime_is_imported(module: str) -> None:
    assert _output(_WATCH_IMPORTS.format(module=module)) == "telemetry off: 1\n"


def test_without_onnxruntime_the_remedy_is_named() -> None:
    message = _output(_HIDE_ORT)
    assert "pip install -e '.[cpu]'" in message
    assert message.count("\n") == 1


def test_here_is_one_distribution() -> None:
    (name,) = installed_distributions()
    assert name in DISTRIBUTIONS
    check_distributions([name])
    check_distributions([])
    assert ort.__version__ == ORT_VERSION


def test_several_distributions_are_refused_with_the_line_that_mends_it() -> None:
    with pytest.raises(StartupError) as caught:
        check_distributions(["onnxruntime", "onnxruntime-gpu"])
    line = "pip uninstall -y onnxruntime onnxruntime-gpu && pip install onnxruntime-gpu"
    assert line in caught.value.message


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (RuntimeError("first\nsecond"), "first"),
        (RuntimeError(""), "RuntimeError"),
        (MemoryError(), "MemoryError"),
    ],
)
def test_a_reason_is_one_line_and_never_empty(error: Exception, reason: str) -> None:
    assert reason_of(error) == reason
