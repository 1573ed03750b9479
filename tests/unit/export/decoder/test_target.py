from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from export.decoder.graph import build_decoder
from export.decoder.precision import Precision
from export.decoder.reference import Reference
from export.decoder.target import Target
from export.decoder.tensor_file import TensorFile
from export.decoder.weights import Weights
from export.verify_run import run_greedily
from tests.unit.export.decoder.tiny import SPEC, random_checkpoint


@pytest.mark.parametrize("precision", [Precision.FP16, Precision.INT8, Precision.SOURCE])
def test_a_cuda_graph_computes_in_float16_what_the_weights_say(
    tmp_path: Path, precision: Precision
) -> None:
    """ONNX Runtime's CPU provider has these kernels in float16 too, so no GPU is needed."""
    checkpoint = random_checkpoint()
    path = tmp_path / "model.onnx"
    with TensorFile(tmp_path / "model.onnx.data") as tensors:
        model = build_decoder(Weights(SPEC, checkpoint), precision, Target.CUDA, tensors)
    onnx.save(model, path)
    types = {value.name: value.type.tensor_type.elem_type for value in model.graph.input}
    assert types["past_key_values.0.key"] == onnx.TensorProto.FLOAT16
    token_ids, actual = run_greedily(path, [3, 1, 4, 1, 5, 9, 2, 6], 4)
    expected = Reference(SPEC, checkpoint).logits(token_ids[:-1])
    assert actual.dtype == np.float32
    tolerance = 0.1 if precision is Precision.INT8 else 0.005
    assert np.abs(actual - expected).mean() < tolerance * expected.std()
