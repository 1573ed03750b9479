"""gpt-oss as it is published: the experts of a layer in one tensor, read one by one."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from export.checkpoints.base import Encoding
from export.checkpoints.dequantize import dequantize
from export.checkpoints.folder import ModelFolder
from export.checkpoints.safetensors import SafetensorsCheckpoint
from export.errors import ExportError
from tests.unit.export.checkpoints.quantized_writers import Stored
from tests.unit.export.checkpoints.writers import safetensors_bytes

EXPERTS, INNER, HIDDEN = 3, 32, 64
PREFIX = "model.layers.0.mlp.experts"
LEVELS = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6], np.float32)
Floats = NDArray[np.float32]


def _open(folder: Path, stored: Stored, *, quantized: bool) -> SafetensorsCheckpoint:
    config: dict[str, object] = {"model_type": "gpt_oss"}
    if quantized:
        config["quantization_config"] = {
            "quant_method": "mxfp4",
            "modules_to_not_convert": ["model.embed_tokens", "lm_head"],
        }
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "model.safetensors").write_bytes(safetensors_bytes(stored))
    return SafetensorsCheckpoint(ModelFolder(folder))


def _mxfp4(name: str, num_rows: int, num_inputs: int) -> tuple[Stored, Floats]:
    """Random codes and what each stands for, one number after the other: `[E, N, K]`."""
    generator = np.random.default_rng(num_rows)
    codes = generator.integers(0, 16, (EXPERTS, num_rows, num_inputs), np.uint8)
    exponents = generator.integers(100, 140, (EXPERTS, num_rows, num_inputs // 32), np.uint8)
    signs = np.where(codes < 8, np.float32(1), np.float32(-1))
    scales = np.repeat(np.exp2(exponents.astype(np.float32) - 127), 32, axis=-1)
    packed = (codes[..., 0::2] | (codes[..., 1::2] << 4)).reshape(*exponents.shape, 16)
    stored: Stored = {
        f"{PREFIX}.{name}_blocks": ("U8", packed.shape, packed.tobytes()),
        f"{PREFIX}.{name}_scales": ("U8", exponents.shape, exponents.tobytes()),
    }
    return stored, signs * LEVELS[codes & 7] * scales


def test_every_number_in_mxfp4_is_the_one_its_codes_stand_for(tmp_path: Path) -> None:
    up, both = _mxfp4("gate_up_proj", 2 * INNER, HIDDEN)
    down, own = _mxfp4("down_proj", HIDDEN, INNER)
    checkpoint = _open(tmp_path, up | down, quantized=True)
    for expert in range(EXPERTS):
        name = f"{PREFIX}.{expert}"
        gate = checkpoint.tensor(f"{name}.gate_proj.weight")
        assert gate.encoding is Encoding.MXFP4
        np.testing.assert_array_equal(dequantize(gate), both[expert, 0::2])
        second = checkpoint.tensor(f"{name}.up_proj.weight")
        np.testing.assert_array_equal(dequantize(second), both[expert, 1::2])
        last = checkpoint.tensor(f"{name}.down_proj.weight")
        np.testing.assert_array_equal(dequantize(last), own[expert])
        assert last.shape == (HIDDEN, INNER)


def test_plain_experts_and_biases(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    weights = generator.standard_normal((EXPERTS, HIDDEN, 2 * INNER)).astype("<f4")
    biases = generator.standard_normal((EXPERTS, 2 * INNER)).astype("<f4")
    stored: Stored = {
        f"{PREFIX}.gate_up_proj": ("F32", weights.shape, weights.tobytes()),
        f"{PREFIX}.gate_up_proj_bias": ("F32", biases.shape, biases.tobytes()),
    }
    checkpoint = _open(tmp_path, stored, quantized=False)
    weight = checkpoint.tensor(f"{PREFIX}.2.up_proj.weight")
    np.testing.assert_array_equal(weight.data, weights[2].T[1::2])
    bias = checkpoint.tensor(f"{PREFIX}.1.gate_proj.bias")
    np.testing.assert_array_equal(bias.data, biases[1, 0::2])


def test_what_does_not_fit_is_named(tmp_path: Path) -> None:
    stored, _ = _mxfp4("down_proj", HIDDEN, INNER)
    checkpoint = _open(tmp_path, stored, quantized=True)
    with pytest.raises(ExportError, match=r"experts\.3\.down_proj\.weight is not among"):
        checkpoint.tensor(f"{PREFIX}.3.down_proj.weight")
    with pytest.raises(ExportError, match=r"no tensor .*experts\.0\.gate_proj\.weight"):
        checkpoint.tensor(f"{PREFIX}.0.gate_proj.weight")
    cut = bytes(EXPERTS * HIDDEN)
    stored[f"{PREFIX}.down_proj_scales"] = ("U8", (EXPERTS, HIDDEN, 1), cut)
    stored[f"{PREFIX}.down_proj_blocks"] = ("U8", (EXPERTS, HIDDEN, 1, 1), cut)
    with pytest.raises(ExportError, match="which scales of"):
        _open(tmp_path, stored, quantized=True).tensor(f"{PREFIX}.0.down_proj.weight")
