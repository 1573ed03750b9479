from __future__ import annotations

import json
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from export.checkpoints.base import Encoding
from export.checkpoints.safetensors_file import SafetensorsFile
from export.errors import ExportError
from tests.unit.export.checkpoints.mutations import edits, opens_or_refuses
from tests.unit.export.checkpoints.writers import (
    safetensors_bytes,
    safetensors_with_header,
    write,
)

MATRIX = np.arange(6, dtype="<f4").reshape(2, 3)
TINY = safetensors_bytes(
    {
        "a.weight": ("F32", (2, 3), MATRIX.tobytes()),
        "b.weight": ("BF16", (2,), b"\x80\x3f\x00\xc0"),
        "scalar": ("F16", (), struct.pack("<e", 0.5)),
        "positions": ("I64", (1,), struct.pack("<q", 7)),
    }
)


def use(path: Path) -> None:
    file = SafetensorsFile(path)
    for name in file.names():
        np.asarray(file.tensor(name).data).sum()


def entry(
    dtype: object = "F32", shape: object = (2,), data_offsets: object = (0, 8), **extra: object
) -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": data_offsets, **extra}


def test_tensors_are_mapped_as_they_are_stored(tmp_path: Path) -> None:
    file = SafetensorsFile(write(tmp_path / "m.safetensors", TINY))
    assert file.names() == {"a.weight", "b.weight", "scalar", "positions"}
    matrix = file.tensor("a.weight")
    assert (matrix.encoding, matrix.shape) == (Encoding.F32, (2, 3))
    np.testing.assert_array_equal(matrix.data, MATRIX)
    half = file.tensor("b.weight")
    assert (half.encoding, half.data.tolist()) == (Encoding.BF16, [0x3F80, 0xC000])
    assert file.tensor("scalar").data.tolist() == 0.5
    assert not matrix.data.flags.writeable


def test_an_integer_tensor_is_refused_only_when_asked_for(tmp_path: Path) -> None:
    file = SafetensorsFile(write(tmp_path / "m.safetensors", TINY))
    with pytest.raises(ExportError, match=r"'positions' is stored as I64.*F32, F16, BF16"):
        file.tensor("positions")


@pytest.mark.parametrize(
    ("header", "problem"),
    [
        (b"[]", "a JSON object is expected"),
        (b"{", "not valid JSON"),
        (b"\xff\xfe", "not valid JSON"),
        (b"[" * 5000, "not valid JSON"),
        (b'{"a": ' * 5000, "not valid JSON"),
        (b'{"x": 1' + b"0" * 5000 + b"}", "not valid JSON"),
        (b'{"x": {"dtype": "F32", "dtype": "F16"}}', "the key 'dtype' is repeated"),
        ({"x": 5}, "dtype, shape and data_offsets are expected"),
        ({"x": {"dtype": "F32", "shape": [2]}}, "dtype, shape and data_offsets are expected"),
        ({"x": entry(extra=1)}, "dtype, shape and data_offsets are expected"),
        ({"x": entry(dtype="F31")}, "the dtype 'F31' is not known"),
        ({"x": entry(dtype=["F32"])}, "is not known"),
        ({"x": entry(shape=[-2])}, "the shape is not"),
        ({"x": entry(shape=[2.0])}, "the shape is not"),
        ({"x": entry(shape=[True, 2])}, "the shape is not"),
        ({"x": entry(shape="2")}, "the shape is not"),
        ({"x": entry(shape=[1] * 9 + [2])}, "the shape is not"),
        ({"x": entry(shape=[2**62, 2**62])}, "do not agree"),
        ({"x": entry(shape=[3])}, "do not agree"),
        ({"x": entry(data_offsets=[8, 0])}, "do not agree"),
        ({"x": entry(data_offsets=[0, 8, 8])}, "are not two whole numbers"),
        ({"x": entry(data_offsets=[-8, 0])}, "are not two whole numbers"),
        ({"x": entry(shape=[4], data_offsets=[0, 16])}, "ends beyond the end of the file"),
        ({"x": entry(shape=[2**40], data_offsets=[0, 2**42])}, "ends beyond the end of the file"),
        ({"x": entry(shape=[1], data_offsets=[4, 8])}, "follows a hole"),
        ({"x": entry(shape=[1], data_offsets=[0, 4])}, "4 bytes belong to no tensor"),
        ({"x": entry(), "y": entry()}, "lies over another"),
        ({"x": entry(), "y": entry(shape=[1], data_offsets=[4, 8])}, "lies over another"),
        ({"": entry()}, "a name of printable characters"),
        ({"x\ny": entry()}, "a name of printable characters"),
        ({"\ud800": entry()}, "a name of printable characters"),
    ],
)
def test_a_wrong_header_is_refused_with_its_reason(
    tmp_path: Path, header: bytes | dict[str, object], problem: str
) -> None:
    content = header if isinstance(header, bytes) else json.dumps(header).encode()
    path = write(tmp_path / "m.safetensors", safetensors_with_header(content, bytes(8)))
    with pytest.raises(ExportError, match=problem) as caught:
        SafetensorsFile(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("length", [0, 2, 2**31, 2**63, 2**64 - 1])
def test_a_declared_header_length_is_not_trusted(tmp_path: Path, length: int) -> None:
    path = write(tmp_path / "m.safetensors", struct.pack("<Q", length) + b"{}      ")
    if length == 2:
        path.write_bytes(struct.pack("<Q", length) + b"{}")
        assert SafetensorsFile(path).names() == frozenset()
        return
    tracemalloc.start()
    try:
        with pytest.raises(ExportError):
            SafetensorsFile(path)
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def test_every_cut_is_refused(tmp_path: Path) -> None:
    for end in range(len(TINY)):
        assert not opens_or_refuses(tmp_path / "m.safetensors", TINY[:end], SafetensorsFile)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
@given(data=st.data())
def test_damage_is_refused_or_harmless(tmp_path: Path, data: st.DataObject) -> None:
    content = data.draw(edits(TINY))
    opens_or_refuses(tmp_path / "m.safetensors", content, use)


def test_a_folder_or_nothing_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing"):
        with pytest.raises(ExportError, match="no such file"):
            SafetensorsFile(path)
