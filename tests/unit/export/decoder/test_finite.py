"""Weights that no package can hold are refused by name, wherever in them the damage is."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from numpy.typing import NDArray

from export.checkpoints.base import Encoding, Tensor
from export.decoder.finite import is_within, largest_of
from export.decoder.precision import Precision
from export.decoder.target import Target
from export.errors import ExportError
from tests.unit.export.decoder.tiny import SPEC, Tiny, build, f32, random_checkpoint

UNTIED = replace(SPEC, tied_head=False)
EMBEDDING = SPEC.embedding
PRECISIONS = [p for p in Precision if p is not Precision.SOURCE]
DTYPES = [np.dtype(np.float32), np.dtype(np.float16), np.dtype(ml_dtypes.bfloat16)]


def _with(name: str, value: float) -> Tiny:
    """One number in the middle of a tensor is `value`."""
    checkpoint = random_checkpoint(UNTIED)
    values = np.array(checkpoint.tensors[name].data)
    values.reshape(-1)[values.size // 2] = value
    return Tiny({**checkpoint.tensors, name: f32(name, values)})


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_row_that_no_text_reads_is_looked_at(
    precision: Precision, value: float, tmp_path: Path
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ExportError, match=f"^{EMBEDDING} holds numbers that are not finite"):
            build(tmp_path, UNTIED, _with(EMBEDDING, value), precision)


@pytest.mark.parametrize("precision", [Precision.SOURCE, *PRECISIONS])
@pytest.mark.parametrize(
    "name",
    [
        "lm_head.weight",
        "model.norm.weight",
        "model.layers.1.input_layernorm.weight",
        "model.layers.1.self_attn.q_proj.weight",
        "model.layers.0.mlp.down_proj.weight",
    ],
)
def test_every_tensor_is_looked_at(name: str, precision: Precision, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=f"^{name} holds numbers that are not finite"):
        build(tmp_path, UNTIED, _with(name, np.nan), precision)


def test_biases_are_looked_at(tmp_path: Path) -> None:
    attention = SPEC.attention
    biased = tuple(replace(each, has_bias=True) for each in attention.inputs)
    spec = replace(SPEC, attention=replace(attention, inputs=biased))
    checkpoint = random_checkpoint(spec)
    name = biased[0].name.format(i=1) + ".bias"
    values = np.full_like(checkpoint.tensors[name].data, np.inf)
    damaged = Tiny({**checkpoint.tensors, name: f32(name, values)})
    with pytest.raises(ExportError, match=f"^{name} holds numbers that are not finite"):
        build(tmp_path, spec, damaged, Precision.FP32)


def test_scales_of_blocks_are_looked_at(tmp_path: Path) -> None:
    name = "model.layers.0.mlp.down_proj.weight"
    checkpoint = random_checkpoint()
    shape = checkpoint.tensors[name].shape
    blocks = np.zeros((shape[0], shape[1] // 32, 34), np.uint8)
    blocks[3, 0, :2] = np.array([np.nan], "<f2").view(np.uint8)
    damaged = Tiny({**checkpoint.tensors, name: Tensor(name, Encoding.Q8_0, shape, blocks)})
    with pytest.raises(ExportError, match=f"^{name} holds numbers that are not finite"):
        build(tmp_path, SPEC, damaged, Precision.SOURCE)


def test_what_float16_cannot_hold_is_refused_and_else_kept(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=f"^{EMBEDDING} .* above 65504, the largest of float16"):
        build(tmp_path, UNTIED, _with(EMBEDDING, -1e6), Precision.FP16)
    for precision in (Precision.FP32, Precision.INT8, Precision.INT4):
        build(tmp_path, UNTIED, _with(EMBEDDING, -1e6), precision)
    build(tmp_path, UNTIED, _with(EMBEDDING, 65504.0), Precision.FP16)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("name", [EMBEDDING, "model.norm.weight"])
def test_what_a_target_cannot_compute_with_is_refused(
    name: str, precision: Precision, tmp_path: Path
) -> None:
    with pytest.raises(ExportError, match=f"^{name} .* above 65504, the largest of float16"):
        build(tmp_path, UNTIED, _with(name, 1e6), precision, Target.CUDA)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_the_last_finite_number_is_one_and_the_next_is_none(dtype: np.dtype[np.generic]) -> None:
    largest = largest_of(dtype)
    values: NDArray[np.generic] = np.array([0.0, -0.0, largest, -largest, 1e-5], dtype)
    assert is_within(values)
    for value in (np.inf, -np.inf, np.nan, -np.nan):
        for place in range(len(values)):
            damaged = values.copy()
            damaged[place] = value
            assert not is_within(damaged)


def test_a_limit_holds_for_both_signs() -> None:
    assert is_within(np.array([2.0, -2.0], np.float32), 2.0)
    assert not is_within(np.array([2.1, 0.0], np.float32), 2.0)
    assert not is_within(np.array([-2.1, 0.0], np.float32), 2.0)


def test_a_limit_between_two_numbers_is_not_rounded_up() -> None:
    assert is_within(np.array([65280.0], ml_dtypes.bfloat16), 65504.0)
    assert not is_within(np.array([65536.0], ml_dtypes.bfloat16), 65504.0)


def test_a_large_tensor_is_looked_at_to_its_end() -> None:
    values = np.zeros((3, 1 << 18), np.float32)
    assert is_within(values)
    values[-1, -1] = np.nan
    assert not is_within(values)
