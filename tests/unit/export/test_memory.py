"""Exporting holds a tensor at a time: what it takes does not grow with the number of layers."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from export.checkpoints.base import Encoding, JsonValue, Tensor
from export.decoder.families import read_spec
from export.decoder.parts import Experts
from export.decoder.precision import Precision
from export.decoder.reference import Reference
from export.decoder.spec import DecoderSpec
from tests.tiny_decoders import CONFIGS
from tests.unit.export.decoder.tiny import Tiny, build, random_checkpoint

GROWTH_BYTES = 1 << 20
"""Of the graph itself: nodes and names of sixteen layers more. Their weights are 16 MB at least."""

_SIZES: Mapping[str, JsonValue] = {"hidden_size": 256, "intermediate_size": 1024}
_WIDE: Mapping[str, JsonValue] = {**CONFIGS["llama"], **_SIZES}
_EXPERTS: Mapping[str, JsonValue] = {**CONFIGS["mixtral"], **_SIZES, "num_hidden_layers": 1}


def _spec(num_layers: int) -> DecoderSpec:
    return read_spec({**_WIDE, "num_hidden_layers": num_layers})


def _checkpoint(spec: DecoderSpec) -> Tiny:
    """Every layer has the very same tensors, so that it takes nothing to have many of them."""
    one = random_checkpoint(_spec(1)).tensors
    tensors = {}
    for layer in range(spec.num_layers):
        for name, tensor in one.items():
            here = name.replace("layers.0.", f"layers.{layer}.")
            tensors[here] = Tensor(here, Encoding.F16, tensor.shape, tensor.data.astype(np.float16))
    return Tiny(tensors)


def _peak_bytes(work: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("precision", list(Precision))
def test_building_takes_no_more_for_more_layers(tmp_path: Path, precision: Precision) -> None:
    def build_layers(num_layers: int) -> int:
        spec = _spec(num_layers)
        checkpoint = _checkpoint(spec)
        return _peak_bytes(lambda: build(tmp_path, spec, checkpoint, precision))

    build_layers(4)  # what is imported and cached by the way stays
    assert build_layers(20) - build_layers(4) < GROWTH_BYTES


@pytest.mark.parametrize("precision", list(Precision))
def test_building_takes_no_more_for_more_experts(tmp_path: Path, precision: Precision) -> None:
    def build_experts(num_experts: int) -> int:
        spec = read_spec({**_EXPERTS, "num_local_experts": num_experts})
        checkpoint = _with_alike_experts(spec)
        return _peak_bytes(lambda: build(tmp_path, spec, checkpoint, precision))

    build_experts(4)
    assert build_experts(20) - build_experts(4) < GROWTH_BYTES


def _with_alike_experts(spec: DecoderSpec) -> Tiny:
    """Every expert has the very same tensors."""
    mlp = spec.mlp
    assert isinstance(mlp, Experts)
    one = random_checkpoint(replace(spec, mlp=replace(mlp, mlps=mlp.mlps[:1]))).tensors
    tensors = {
        name: Tensor(name, Encoding.F16, tensor.shape, tensor.data.astype(np.float16))
        for name, tensor in one.items()
    }
    first = {name: tensor for name, tensor in tensors.items() if ".experts.0." in name}
    for expert in range(1, len(mlp.mlps)):
        for name, tensor in first.items():
            here = name.replace(".experts.0.", f".experts.{expert}.")
            tensors[here] = replace(tensor, name=here)
    return Tiny(tensors)


def test_verifying_takes_no_more_for_more_layers() -> None:
    def compute_layers(num_layers: int) -> int:
        spec = _spec(num_layers)
        reference = Reference(spec, _checkpoint(spec))
        return _peak_bytes(lambda: reference.logits(list(range(8))))

    compute_layers(4)
    assert compute_layers(20) - compute_layers(4) < GROWTH_BYTES
