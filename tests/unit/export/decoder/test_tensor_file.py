from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from export.decoder.tensor_file import TensorFile, as_bfloat16, view_of

NAME = "model.onnx.data"
_LARGE = np.arange(300_000, dtype=np.float32)
_MIDDLE = np.arange(1000, dtype=np.float32)


def _location(proto: onnx.TensorProto) -> dict[str, str]:
    return {entry.key: entry.value for entry in proto.external_data}


def _stored(folder: Path, proto: onnx.TensorProto) -> bytes:
    where = _location(proto)
    start = int(where["offset"])
    return (folder / where["location"]).read_bytes()[start : start + int(where["length"])]


def test_small_tensors_stay_in_the_graph(tmp_path: Path) -> None:
    values = np.arange(12, dtype=np.int64).reshape(3, 4)
    with TensorFile(tmp_path / NAME) as tensors:
        proto = tensors.add("small", values)
    assert not proto.external_data
    assert (proto.name, list(proto.dims)) == ("small", [3, 4])
    np.testing.assert_array_equal(onnx.numpy_helper.to_array(proto), values)
    assert (tmp_path / NAME).read_bytes() == b""


def test_larger_ones_are_written_beside_it(tmp_path: Path) -> None:
    with TensorFile(tmp_path / NAME) as tensors:
        protos = [tensors.add(f"t{i}", values) for i, values in enumerate((_MIDDLE, _MIDDLE * 2))]
    assert [_location(proto)["location"] for proto in protos] == [NAME, NAME]
    assert _stored(tmp_path, protos[0]) == _MIDDLE.tobytes()
    assert _stored(tmp_path, protos[1]) == (_MIDDLE * 2).tobytes()


def test_offsets_can_be_mapped_by_every_system(tmp_path: Path) -> None:
    with TensorFile(tmp_path / NAME) as tensors:
        protos = [tensors.add(str(i), v) for i, v in enumerate((_MIDDLE, _LARGE, _MIDDLE, _LARGE))]
    offsets = [int(_location(proto)["offset"]) for proto in protos]
    assert [offset % 4096 for offset in offsets] == [0, 0, 0, 0]
    assert [offsets[i] % 65536 for i in (1, 3)] == [0, 0]
    assert _stored(tmp_path, protos[3]) == _LARGE.tobytes()


@pytest.mark.parametrize("dtype", ["float32", "float16", "uint8", "int8", "int64"])
def test_every_type_survives(tmp_path: Path, dtype: str) -> None:
    values = np.random.default_rng(0).integers(0, 100, (40, 80)).astype(dtype)
    with TensorFile(tmp_path / NAME) as tensors:
        proto = tensors.add("t", values)
    loaded = onnx.numpy_helper.to_array(proto, str(tmp_path))
    assert loaded.dtype == values.dtype
    np.testing.assert_array_equal(loaded, values)


@pytest.mark.parametrize("shape", [(4, 4), (40, 80)], ids=["inline", "external"])
def test_bfloat16_is_written_as_its_bits(tmp_path: Path, shape: tuple[int, int]) -> None:
    bits = np.random.default_rng(0).integers(0, 0x7F00, shape).astype(np.uint16)
    with TensorFile(tmp_path / NAME) as tensors:
        proto = tensors.add("t", as_bfloat16(bits))
    assert proto.data_type == onnx.TensorProto.BFLOAT16
    stored = _stored(tmp_path, proto) if proto.external_data else proto.raw_data
    assert stored == bits.tobytes()


@pytest.mark.parametrize("size", [10, 100])
def test_what_does_not_lie_in_order_is_put_in_order(tmp_path: Path, size: int) -> None:
    values: NDArray[np.generic] = np.arange(size * size, dtype=np.float32).reshape(size, size).T
    with TensorFile(tmp_path / NAME) as tensors:
        proto = tensors.add("t", values)
    np.testing.assert_array_equal(onnx.numpy_helper.to_array(proto, str(tmp_path)), values)


def test_a_scalar_stays_one(tmp_path: Path) -> None:
    with TensorFile(tmp_path / NAME) as tensors:
        proto = tensors.add("t", np.array(0.5, np.float32))
    assert list(proto.dims) == []
    assert onnx.numpy_helper.to_array(proto) == 0.5


def test_a_view_shares_the_bytes_under_its_own_shape(tmp_path: Path) -> None:
    with TensorFile(tmp_path / NAME) as tensors:
        proto = tensors.add("t", _MIDDLE)
        view = view_of(proto, "v", (10, 100))
    assert _location(view) == _location(proto)
    assert (proto.name, list(proto.dims)) == ("t", [1000])
    loaded = onnx.numpy_helper.to_array(view, str(tmp_path))
    np.testing.assert_array_equal(loaded, _MIDDLE.reshape(10, 100))


def test_stacks_are_written_part_by_part_in_any_order(tmp_path: Path) -> None:
    parts = np.random.default_rng(0).standard_normal((3, 20, 30)).astype(np.float32)
    small = np.arange(12, dtype=np.uint8).reshape(3, 4)
    with TensorFile(tmp_path / NAME) as tensors:
        stacks = [tensors.stack(name, 3, parts.dtype, (20, 30)) for name in ("one", "two")]
        inline = tensors.stack("small", 3, small.dtype, (4,))
        behind = tensors.add("behind", _MIDDLE)
        for index in (2, 0, 1):
            stacks[0].write(index, parts[index])
            stacks[1].write(index, -parts[index])
            inline.write(index, small[index])
        last = tensors.add("last", _MIDDLE)
    numbers = [onnx.numpy_helper.to_array(stack.proto, str(tmp_path)) for stack in stacks]
    np.testing.assert_array_equal(numbers[0], parts)
    np.testing.assert_array_equal(numbers[1], -parts)
    np.testing.assert_array_equal(onnx.numpy_helper.to_array(inline.proto), small)
    assert _stored(tmp_path, behind) == _stored(tmp_path, last) == _MIDDLE.tobytes()
