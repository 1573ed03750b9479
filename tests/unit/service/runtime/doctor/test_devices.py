"""Each device is tried with a graph; what fails says why, and what mends it."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from export.operators.check import find_fallbacks
from service.errors import PackageCorrupt
from service.runtime.doctor import devices
from service.runtime.doctor.devices import examine_devices
from service.runtime.doctor.report import DeviceFound
from service.runtime.ort import ort
from service.runtime.providers import CPU, CUDA, DIRECTML, Provider
from tests.golden.make_trial_graph import PATH, build

RESULT = np.tile(np.arange(32, dtype=np.float32), (1, 4, 1))


def _found(monkeypatch: pytest.MonkeyPatch, provider: Provider) -> DeviceFound:
    monkeypatch.setattr(devices, "PROVIDERS", (provider,))
    (found,) = examine_devices()
    return found


def test_the_processor_works_and_the_others_say_why_not() -> None:
    found = {each.device: each for each in examine_devices()}
    assert list(found) == ["cuda", "directml", "cpu"]
    assert found["cpu"].works
    assert found["cpu"].error == 0
    assert not found["cuda"].works
    assert "built without CUDAExecutionProvider" in (found["cuda"].reason or "")
    assert "pip install -e '.[cuda]'" in (found["cuda"].mend or "")


@pytest.mark.skipif(sys.platform == "win32", reason="DirectML is Windows'")
def test_what_no_package_brings_here_is_not_offered() -> None:
    directml = next(each for each in examine_devices() if each.device == "directml")
    assert directml.mend == "nothing here; it needs Windows and a DirectX 12 GPU"


@pytest.mark.parametrize(
    ("missing", "reason", "mend"),
    [
        (
            ["libcublas.so.13", "libcurand.so.10"],
            "missing: libcublas.so.13, libcurand.so.10",
            "pip install -e '.[cuda]' (in Retort's folder)",
        ),
        (
            ["libcuda.so.1"],
            "there is no NVIDIA driver",
            "it needs an NVIDIA GPU with driver 580 or newer (CUDA 13)",
        ),
        (
            ["libcublas.so.13", "libcuda.so.1"],
            "there is no NVIDIA driver; missing: libcublas.so.13",
            "pip install -e '.[cuda]' (in Retort's folder), and it needs an NVIDIA GPU with driver "
            "580 or newer (CUDA 13)",
        ),
    ],
)
def test_missing_libraries_are_named_with_what_brings_them(
    monkeypatch: pytest.MonkeyPatch, missing: list[str], reason: str, mend: str
) -> None:
    monkeypatch.setattr(ort, "get_available_providers", lambda: [CUDA.name])
    monkeypatch.setattr(devices, "missing_libraries", lambda provider: missing)
    monkeypatch.setattr("service.runtime.providers.missing_libraries", lambda provider: missing)
    found = _found(monkeypatch, CUDA)
    assert (found.works, found.reason, found.mend) == (False, reason, mend)
    assert list(found.missing_libraries) == missing


@pytest.mark.parametrize(
    ("result", "works"),
    [(RESULT, True), (RESULT * 1.001, True), (RESULT * 2, False), (RESULT * np.nan, False)],
)
def test_results_that_are_not_the_processors_are_no_success(
    monkeypatch: pytest.MonkeyPatch, result: NDArray[np.float32], works: bool
) -> None:
    monkeypatch.setattr(devices, "failure", lambda provider: None)
    monkeypatch.setattr(
        devices, "_run", lambda provider: (RESULT if provider is CPU else result, 1.0)
    )
    found = _found(monkeypatch, CUDA)
    assert found.works == works
    assert found.reason == (None if works else "it computes something else than the processor")


@pytest.mark.parametrize(
    "error", [RuntimeError("device removed\nat x.cc:5"), PackageCorrupt("device removed")]
)
def test_a_device_that_fails_at_a_graph_does_not_work(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def run(provider: Provider) -> tuple[NDArray[np.float32], float]:
        if provider is CPU:
            return RESULT, 1.0
        raise error

    monkeypatch.setattr(devices, "failure", lambda provider: None)
    monkeypatch.setattr(devices, "_run", run)
    assert _found(monkeypatch, CUDA).reason == "it does not run a graph: device removed"


_STAND_IN = """
from dataclasses import replace
from service.runtime.providers import CUDA, failure
print(failure(replace(CUDA, name="AzureExecutionProvider", options={})))
"""


def test_the_stand_in_for_a_device_without_kernels_is_found_out() -> None:
    """In a process of its own: here, threads may be shared already."""
    done = subprocess.run(
        [sys.executable, "-c", _STAND_IN], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "it does not start on this machine\n"


def test_the_trial_graph_is_what_its_maker_makes_and_all_devices_have_its_kernels() -> None:
    model = onnx.load(PATH)
    assert model == build()
    for provider in (CPU, CUDA, DIRECTML):
        assert not find_fallbacks(model, provider.device)
