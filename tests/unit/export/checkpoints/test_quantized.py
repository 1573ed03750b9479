"""Published quantised weights: every number is the one that their inventors' formula gives."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from export.checkpoints.base import Encoding
from export.checkpoints.dequantize import dequantize
from export.checkpoints.folder import ModelFolder
from export.checkpoints.safetensors import SafetensorsCheckpoint
from export.decoder.blocks import BlockWeight, carry
from export.errors import ExportError
from tests.unit.export.checkpoints.quantized_writers import (
    NAME,
    Floats,
    Quantized,
    Stored,
    awq,
    floats,
    gptq,
    halves,
    integers,
    opened,
    pack_quantized,
    quantized,
)
from tests.unit.export.decoder.weights import value_of

Section = Mapping[str, object]

GPTQ: Section = {"quant_method": "gptq", "bits": 4, "group_size": 32, "sym": False}
AWQ: Section = {"quant_method": "awq", "bits": 4, "group_size": 32, "version": "gemm"}
_WEIGHTS = {"num_bits": 4, "type": "int", "strategy": "group", "group_size": 32}
PACKED: Section = {
    "quant_method": "compressed-tensors",
    "format": "pack-quantized",
    "config_groups": {"group_0": {"targets": ["Linear"], "weights": _WEIGHTS}},
}
INT8: Section = {**PACKED, "format": "int-quantized"}
FP8: Section = {"quant_method": "fp8", "weight_block_size": [32, 64]}


def _gptq_v2(weight: Quantized) -> Stored:
    return gptq(weight, minus_one=False)


CASES: dict[str, tuple[Quantized, Callable[[Quantized], Stored], Section]] = {
    "gptq": (quantized(), gptq, GPTQ),
    "gptq of one group": (quantized(group=128), gptq, {**GPTQ, "group_size": -1}),
    "gptq symmetric": (quantized(symmetric=True), gptq, GPTQ),
    "gptq in 8 bits": (quantized(8), gptq, {**GPTQ, "bits": 8}),
    "gptq with act-order": (quantized(act_order=True), gptq, {**GPTQ, "desc_act": True}),
    "gptq 2": (quantized(), _gptq_v2, {**GPTQ, "checkpoint_format": "gptq_v2"}),
    "awq": (quantized(), awq, AWQ),
    "awq in groups of 64": (quantized(group=64), awq, AWQ),
    "compressed-tensors": (quantized(), pack_quantized, PACKED),
    "compressed-tensors with act-order": (quantized(act_order=True), pack_quantized, PACKED),
}


@pytest.mark.parametrize("case", CASES)
def test_every_number_is_read_and_carried_exactly(tmp_path: Path, case: str) -> None:
    weight, write, section = CASES[case]
    tensor = opened(tmp_path, write(weight), section).tensor(NAME)
    assert tensor.encoding.is_block
    np.testing.assert_array_equal(dequantize(tensor), weight.values)
    np.testing.assert_array_equal(dequantize(tensor, slice(3, 7)), weight.values[3:7])
    carried = carry(tensor)
    assert isinstance(carried, BlockWeight)
    assert carried.bits == weight.bits
    np.testing.assert_array_equal(value_of(carried), weight.values)


def test_symmetric_weights_need_no_zero_points(tmp_path: Path) -> None:
    tensor = opened(tmp_path, gptq(quantized(symmetric=True)), GPTQ).tensor(NAME)
    assert tensor.groups is not None
    assert tensor.groups.zeros is None


def test_an_older_tool_says_it_in_a_file_of_its_own(tmp_path: Path) -> None:
    weight = quantized()
    opened(tmp_path, gptq(weight), None)
    (tmp_path / "quantize_config.json").write_text(json.dumps({"bits": 4, "group_size": 32}))
    tensor = SafetensorsCheckpoint(ModelFolder(tmp_path)).tensor(NAME)
    np.testing.assert_array_equal(dequantize(tensor), weight.values)


def test_weights_that_were_left_alone_are_read_as_they_are(tmp_path: Path) -> None:
    plain = np.arange(6, dtype=np.float32).reshape(2, 3)
    checkpoint = opened(tmp_path, {**gptq(quantized()), "lm_head.weight": floats(plain)}, GPTQ)
    np.testing.assert_array_equal(checkpoint.tensor("lm_head.weight").data, plain)


def test_eight_bits_of_compressed_tensors_are_carried(tmp_path: Path) -> None:
    codes = np.arange(-128, 128, dtype=np.int8).reshape(4, 64)
    scales = np.full((4, 1), 0.5, np.float16)
    stored: Stored = {
        NAME: ("I8", codes.shape, codes.tobytes()),
        f"{NAME}_scale": halves(scales),
    }
    tensor = opened(tmp_path, stored, INT8).tensor(NAME)
    assert tensor.encoding is Encoding.GROUPED
    np.testing.assert_array_equal(dequantize(tensor), codes * np.float32(0.5))


@pytest.mark.parametrize("dtype", ["F8_E4M3", "F8_E5M2"])
@pytest.mark.parametrize(
    ("suffix", "scales"),
    [
        ("", np.ones(1, np.float32)),
        ("_scale", np.array(0.25, np.float32)),
        ("_scale", np.linspace(0.1, 2, 48, dtype=np.float32).reshape(48, 1)),
        ("_scale_inv", np.linspace(0.1, 2, 4, dtype=np.float32).reshape(2, 2)),
    ],
    ids=["no scale", "one scale", "a scale per output", "a scale per block"],
)
def test_eight_bit_floats_are_read(tmp_path: Path, dtype: str, suffix: str, scales: Floats) -> None:
    """A weight of 48 by 96 in blocks of 32 by 64, the last of which are cut off."""
    kind = ml_dtypes.float8_e4m3fn if dtype == "F8_E4M3" else ml_dtypes.float8_e5m2
    values = np.random.default_rng(0).standard_normal((48, 96)).astype(kind)
    stored: Stored = {NAME: (dtype, values.shape, values.tobytes())}
    if suffix:
        stored[NAME + suffix] = floats(scales)
    tensor = opened(tmp_path, stored, FP8).tensor(NAME)
    expected = np.empty((48, 96), np.float32)
    for row in range(48):
        for column in range(96):
            scale = scales
            if scales.shape == (48, 1):
                scale = scales[row]
            elif scales.shape == (2, 2):
                scale = scales[row // 32, column // 64]
            expected[row, column] = np.float32(values[row, column]) * np.float32(scale.item())
    np.testing.assert_array_equal(dequantize(tensor), expected)


@pytest.mark.parametrize(
    ("section", "reason"),
    [
        ({"quant_method": "bitsandbytes", "load_in_4bit": True}, "'bitsandbytes' are not supp"),
        ({"quant_method": "aqlm"}, "'aqlm' are not supported; supported: gptq, awq, fp8"),
        ({}, "'None' are not supported"),
        ("4bit", "quantization_config is not an object"),
        ({**GPTQ, "bits": 3}, "gptq weights with bits '3' are not supported; supported: 4, 8"),
        ({**GPTQ, "checkpoint_format": "marlin"}, "checkpoint_format 'marlin'"),
        ({**GPTQ, "dynamic": {"-:.*down.*": {}}}, "quantization_config.dynamic"),
        ({**AWQ, "version": "gemv"}, "awq weights with version 'gemv'"),
        ({**AWQ, "bits": 8}, "awq weights with bits '8'"),
        ({**PACKED, "format": "marlin-24"}, "format 'marlin-24'"),
        ({**PACKED, "config_groups": {}}, "config_groups do not quantise all weights alike"),
        (
            {
                **PACKED,
                "config_groups": {
                    "a": {"weights": _WEIGHTS},
                    "b": {"weights": {**_WEIGHTS, "num_bits": 8}},
                },
            },
            "config_groups do not quantise all weights alike",
        ),
        ({**FP8, "weight_block_size": [0, 1]}, "is not the size of a block"),
    ],
)
def test_what_is_not_read_is_refused_by_name(tmp_path: Path, section: Section, reason: str) -> None:
    with pytest.raises(ExportError, match=reason) as refused:
        opened(tmp_path, gptq(quantized()), section)
    assert str(tmp_path) in str(refused.value)
    assert "\n" not in str(refused.value)


def _without(stored: Stored, part: str) -> Stored:
    return {name: value for name, value in stored.items() if not name.endswith(part)}


@pytest.mark.parametrize("part", ["qzeros", "scales"])
def test_a_missing_part_is_named(tmp_path: Path, part: str) -> None:
    checkpoint = opened(tmp_path, _without(gptq(quantized()), part), GPTQ)
    with pytest.raises(ExportError, match=part):
        checkpoint.tensor(NAME)


@pytest.mark.parametrize(
    ("part", "value", "reason"),
    [
        ("scales", halves(np.ones((4, 15), np.float16)), "do not fit"),
        ("scales", halves(np.ones((5, 16), np.float16)), "do not fit"),
        ("qzeros", integers(np.zeros((3, 2), np.int32)), "do not fit"),
        ("qzeros", halves(np.zeros((4, 2), np.float16)), "F16"),
        ("qzeros", integers(np.full((4, 2), -1)), "beyond 4 bits"),
        ("qweight", integers(np.zeros(16, np.int32)), "I32 of 1 dimensions, I32 of 2"),
        ("g_idx", integers(np.zeros(128)), "groups of 32 inputs"),
        ("g_idx", integers(np.full(128, -1)), "groups of 32 inputs"),
        ("g_idx", integers(np.arange(64) // 32), "groups of 32 inputs"),
        ("g_idx", integers(np.arange(128) // 16), "groups of 32 inputs"),
    ],
)
def test_parts_that_contradict_each_other_are_refused(
    tmp_path: Path, part: str, value: tuple[str, tuple[int, ...], bytes], reason: str
) -> None:
    stored = gptq(quantized())
    stored[NAME.removesuffix("weight") + part] = value
    checkpoint = opened(tmp_path, stored, GPTQ)
    with pytest.raises(ExportError, match=reason):
        checkpoint.tensor(NAME)


def test_scales_of_eight_bit_floats_have_to_fit(tmp_path: Path) -> None:
    stored: Stored = {
        NAME: ("F8_E4M3", (4, 4), bytes(16)),
        f"{NAME}_scale_inv": floats(np.ones((2, 2), np.float32)),
    }
    with pytest.raises(ExportError, match=r"do not fit a weight of \[4, 4\] in blocks of"):
        opened(tmp_path, stored, FP8).tensor(NAME)
