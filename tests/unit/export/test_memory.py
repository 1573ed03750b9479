"""Exporting holds a tensor at a time: what it takes does not grow with the number of layers."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

from export.checkpoints.base import Encoding, JsonValue, Tensor
from export.decoder.families import read_spec
from export.decoder.precision import Precision
from export.decoder.reference import Reference
from export.decoder.spec import DecoderSpec
from tests.tiny_decoders import CONFIGS
from tests.unit.export.decoder.tiny import Tiny, build, random_checkpoint

GROWTH_BYTES = 1 << 20
"""Of the graph itself: nodes and names of sixteen layers more. Their weights are 16 MB at least."""

_WIDE: Mapping[str, JsonValue] = {
    **CONFIGS["llama"],
    "hidden_size": 256,
    "intermediate_size": 1024,
}


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


def test_verifying_takes_no_more_for_more_layers() -> None:
    def compute_layers(num_layers: int) -> int:
        spec = _spec(num_layers)
        reference = Reference(spec, _checkpoint(spec))
        return _peak_bytes(lambda: reference.logits(list(range(8))))

    compute_layers(4)
    assert compute_layers(20) - compute_layers(4) < GROWTH_BYTES
