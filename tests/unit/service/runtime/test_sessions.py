from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from service.errors import PackageCorrupt
from service.runtime.providers import CPU, IDENTITY
from service.runtime.sessions import open_session, physical_cores, share_threads


@pytest.fixture(autouse=True)
def _shared_threads() -> None:
    share_threads(physical_cores())


def test_a_graph_runs(tmp_path: Path) -> None:
    path = tmp_path / "graph.onnx"
    path.write_bytes(IDENTITY)
    values = np.array([1, 2, 3], np.float32)
    for model in (path, IDENTITY):
        (result,) = open_session(model, CPU).run(None, {"source": values})
        np.testing.assert_array_equal(result, values)


@pytest.mark.parametrize("content", [b"", b"nonsense", IDENTITY[:-20], b"\x00" * 100])
def test_what_is_no_graph_is_a_corrupt_package(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "graph.onnx"
    path.write_bytes(content)
    with pytest.raises(PackageCorrupt, match=r"graph\.onnx on cpu") as caught:
        open_session(path, CPU)
    assert "\n" not in caught.value.message
    assert str(tmp_path) not in caught.value.message


def test_a_missing_graph_is_a_corrupt_package(tmp_path: Path) -> None:
    with pytest.raises(PackageCorrupt, match=r"graph\.onnx"):
        open_session(tmp_path / "graph.onnx", CPU)


def test_there_is_a_core_and_not_more_than_there_are() -> None:
    assert 1 <= physical_cores() <= (os.cpu_count() or 1)
