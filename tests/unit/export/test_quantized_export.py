"""Whole exports of weights that were quantised before they were published."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path

import ml_dtypes
import numpy as np
import onnx
import pytest

from export.checkpoints.dequantize import dequantize
from export.checkpoints.open import open_checkpoint
from export.decoder.precision import Precision
from export.pipeline import run
from export.progress import Progress, Style
from export.recipe import Job
from service.store.packages import Store
from tests.unit.export.checkpoints.quantized_writers import (
    Floats,
    Quantized,
    Stored,
    awq,
    floats,
    gptq,
    pack_quantized,
)
from tests.unit.export.checkpoints.writers import safetensors_bytes
from tests.unit.export.golden_llama import TIED, copy

Section = Mapping[str, object]

_PACKED: Section = {
    "quant_method": "compressed-tensors",
    "format": "pack-quantized",
    "config_groups": {"group_0": {"weights": {"num_bits": 4}}},
}
LAYOUTS: Mapping[str, tuple[Section, Callable[[str, Quantized], Stored]]] = {
    "gptq": ({"quant_method": "gptq", "bits": 4}, lambda stem, w: gptq(w, stem=stem)),
    "awq": ({"quant_method": "awq", "bits": 4}, lambda stem, w: awq(w, stem=stem)),
    "compressed-tensors": (_PACKED, lambda stem, w: pack_quantized(w, stem=stem)),
}


def _rounded(values: Floats, *, act_order: bool) -> Quantized:
    """A weight in groups of 16, of neighbouring or of any inputs."""
    group_of = np.arange(values.shape[1]) // 16
    if act_order:
        group_of = np.random.default_rng(0).permutation(group_of)
    groups = values[:, np.argsort(group_of, kind="stable")].reshape(len(values), -1, 16)
    low, high = np.minimum(groups.min(-1), 0), np.maximum(groups.max(-1), 0)
    scales = ((high - low) / 14).astype(np.float16)
    zeros = np.clip(np.rint(-low / scales), 1, 15).astype(np.int64)
    codes = np.rint(values / scales[:, group_of]) + zeros[:, group_of]
    return Quantized(4, np.clip(codes, 0, 15).astype(np.int64), zeros, scales, group_of)


def _folder(tmp_path: Path, section: Section, store: Callable[[str, Floats], Stored]) -> Path:
    """The golden llama with its linears stored otherwise."""
    folder, stored = copy(TIED, tmp_path / "model"), Stored()
    checkpoint = open_checkpoint(folder)
    for name in sorted(checkpoint.names()):
        values = dequantize(checkpoint.tensor(name))
        is_linear = "_proj.weight" in name
        stored |= store(name, values) if is_linear else {name: floats(values)}
    (folder / "model.safetensors").write_bytes(safetensors_bytes(stored))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "quantization_config": section}))
    return folder


def _export(folder: Path, precision: Precision | None = None) -> Path:
    job = Job(str(folder), folder.parent / "models", precision)
    return run(job, Progress(io.StringIO(), Style.LINES)).folder


def _operators(package: Path) -> list[str]:
    graph = onnx.load(package / "model.onnx", load_external_data=False).graph
    return [node.op_type for node in graph.node]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_groups_are_carried_into_a_package(tmp_path: Path, layout: str) -> None:
    """Verified against the numbers they stand for, as every package is."""
    section, write = LAYOUTS[layout]
    folder = _folder(
        tmp_path,
        section,
        lambda name, values: write(name.removesuffix("weight"), _rounded(values, act_order=False)),
    )
    operators = _operators(_export(folder))
    assert operators.count("MatMulNBits") == 4 * 2
    assert Store(folder.parent / "models").decoder("model").manifest.precision == "source"


def test_act_order_costs_one_operator_before_each_product(tmp_path: Path) -> None:
    folder = _folder(
        tmp_path,
        LAYOUTS["gptq"][0],
        lambda name, values: gptq(
            _rounded(values, act_order=True), stem=name.removesuffix("weight")
        ),
    )
    operators = _operators(_export(folder))
    assert operators.count("MatMulNBits") == 4 * 2
    # Besides that of the embedding, and two for the wanted positions.
    assert operators.count("Gather") == 4 * 2 + 3


@pytest.mark.parametrize(("precision", "expected"), [(None, "int8"), (Precision.SOURCE, "source")])
def test_eight_bit_floats_become_a_package(
    tmp_path: Path, precision: Precision | None, expected: str
) -> None:
    def store(name: str, values: Floats) -> Stored:
        scale = np.abs(values).max() / np.float32(448)
        codes = (values / scale).astype(ml_dtypes.float8_e4m3fn)
        return {
            name: ("F8_E4M3", values.shape, codes.tobytes()),
            f"{name}_scale": floats(np.array(scale)),
        }

    folder = _folder(tmp_path, {"quant_method": "fp8"}, store)
    _export(folder, precision)
    manifest = Store(folder.parent / "models").decoder("model").manifest
    assert manifest.precision == expected
