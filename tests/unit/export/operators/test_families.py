"""Every family's graph on every device: all nodes have kernels there, or it is refused by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from export.decoder.families import FAMILIES
from export.decoder.graph import build_decoder
from export.decoder.parts import Experts
from export.decoder.precision import Precision
from export.decoder.reference import Reference
from export.decoder.spec import DecoderSpec
from export.decoder.target import Target
from export.decoder.tensor_file import TensorFile
from export.decoder.weights import Weights
from export.errors import ExportError
from export.operators.check import find_fallbacks
from export.verify_run import run_greedily
from tests.unit.export.decoder.test_graph import FAMILIES as SPECS
from tests.unit.export.decoder.tiny import random_checkpoint

PROMPT = [3, 1, 4, 1, 5, 9, 2, 6]


def _without(spec: DecoderSpec, target: Target, precision: Precision) -> str | None:
    """What of `spec` no kernel of `target` computes, as its refusal says."""
    has_experts = isinstance(spec.mlp, Experts)
    if has_experts and precision is Precision.INT8 and target is not Target.CPU:
        return "experts in 4 or 8 bits are for processors alone"
    if target is not Target.DIRECTML:
        return None
    attention = spec.attention
    if attention.sinks:
        return "directml cannot run all.*input 11"
    if any(layer.window is not None for layer in attention.layers):
        return "directml cannot run all.*local_window_size"
    if attention.softcap:
        return "directml cannot run all.*softcap"
    return "directml cannot run all.*microsoft.MoE" if has_experts else None


def _build(folder: Path, spec: DecoderSpec, precision: Precision, target: Target) -> Path:
    path = folder / "model.onnx"
    with TensorFile(folder / "model.onnx.data") as tensors:
        weights = Weights(spec, random_checkpoint(spec))
        onnx.save(build_decoder(weights, precision, target, tensors), path)
    return path


def test_all_families_are_here() -> None:
    assert {spec.family for spec in SPECS.values()} == set(FAMILIES)


@pytest.mark.parametrize("family", SPECS)
@pytest.mark.parametrize("target", list(Target))
@pytest.mark.parametrize("precision", [Precision.INT8, Precision.FP16])
def test_every_node_has_a_kernel_or_the_model_is_refused_by_what_has_none(
    tmp_path: Path, family: str, target: Target, precision: Precision
) -> None:
    spec = SPECS[family]
    missing = _without(spec, target, precision)
    if missing is not None:
        with pytest.raises(ExportError, match=missing):
            _build(tmp_path, spec, precision, target)
        return
    path = _build(tmp_path, spec, precision, target)
    assert find_fallbacks(onnx.load(path, load_external_data=False), target.provider) == []


@pytest.mark.parametrize(
    ("family", "target"),
    [
        (family, target)
        for target in (Target.CUDA, Target.DIRECTML)
        for family, spec in SPECS.items()
        if _without(spec, target, Precision.FP16) is None
    ],
)
def test_in_float16_they_compute_what_the_weights_say(
    tmp_path: Path, family: str, target: Target
) -> None:
    """On the processor, which has all these operators too."""
    spec = SPECS[family]
    path = _build(tmp_path, spec, Precision.FP16, target)
    token_ids, actual = run_greedily(path, PROMPT, 4)
    expected = Reference(spec, random_checkpoint(spec)).logits(token_ids[:-1])
    assert np.abs(actual - expected).mean() < 0.01 * expected.std()


def test_no_graph_is_for_all_devices(tmp_path: Path) -> None:
    """So a package has to be made for one; were this to change, that could be the default."""
    spec = SPECS["llama"]
    devices = {}
    for target in Target:
        (tmp_path / target.value).mkdir()
        path = _build(tmp_path / target.value, spec, Precision.FP16, target)
        model = onnx.load(path, load_external_data=False)
        devices[target] = [each for each in Target if not find_fallbacks(model, each.provider)]
    assert devices == {
        Target.CPU: [Target.CPU],
        Target.CUDA: [Target.CUDA],
        Target.DIRECTML: [Target.CUDA, Target.DIRECTML],
    }
