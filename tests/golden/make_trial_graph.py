"""Writes `service/runtime/doctor/trial.onnx`: what the doctor runs on each device.

    python -m tests.golden.make_trial_graph

One attention with its product, in float16 and in the form that DirectML wants, which all providers
run. Its result is compared with the processor's.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

PATH = Path(__file__).parents[2] / "service" / "runtime" / "doctor" / "trial.onnx"

NUM_TOKENS, WIDTH, HEADS, HEAD_DIM, BLOCK = 4, 32, 2, 16, 32
CONTRIB = "com.microsoft"


def build() -> onnx.ModelProto:
    """`x` float32 [1, 4, 32] to `y` of the same shape."""
    generator = np.random.default_rng(1)
    angles = np.outer(np.arange(8), 10.0 ** -np.arange(HEAD_DIM // 2))
    shape = (1, HEADS, NUM_TOKENS, HEAD_DIM)
    constants = {
        "codes": generator.integers(0, 256, (3 * WIDTH, 1, BLOCK), np.uint8),
        "scales": np.full((3 * WIDTH, 1), 1 / 128, np.float16),
        "zeros": np.full((3 * WIDTH, 1), 128, np.uint8),
        "sizes": np.array([WIDTH] * 3, np.int64),
        "cos": np.cos(angles).astype(np.float16),
        "sin": np.sin(angles).astype(np.float16),
        "positions": np.arange(NUM_TOKENS, dtype=np.int64)[None],
        "past_key": np.zeros(shape, np.float16),
        "past_value": np.zeros(shape, np.float16),
        "lengths": np.array([NUM_TOKENS - 1], np.int32),
        "total": np.array(NUM_TOKENS, np.int32),
    }
    nodes = [
        helper.make_node("Cast", ["x"], ["half"], "cast", to=TensorProto.FLOAT16),
        helper.make_node(
            "MatMulNBits",
            ["half", "codes", "scales", "zeros"],
            ["qkv"],
            "product",
            domain=CONTRIB,
            K=WIDTH,
            N=3 * WIDTH,
            bits=8,
            block_size=BLOCK,
        ),
        helper.make_node("Split", ["qkv", "sizes"], ["q", "k", "v"], "split", axis=-1),
        *(_rotation(name) for name in "qk"),
        helper.make_node(
            "GroupQueryAttention",
            ["q_rotated", "k_rotated", "v", "past_key", "past_value", "lengths", "total"],
            ["attended", "present_key", "present_value"],
            "attention",
            domain=CONTRIB,
            num_heads=HEADS,
            kv_num_heads=HEADS,
        ),
        helper.make_node("Cast", ["attended"], ["y"], "uncast", to=TensorProto.FLOAT),
    ]
    values = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, NUM_TOKENS, WIDTH])
        for name in "xy"
    ]
    initializers = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "trial", values[:1], values[1:], initializers)
    return helper.make_model(
        graph,
        ir_version=10,
        producer_name="retort",
        opset_imports=[helper.make_opsetid("", 21), helper.make_opsetid(CONTRIB, 1)],
    )


def _rotation(name: str) -> onnx.NodeProto:
    return helper.make_node(
        "RotaryEmbedding",
        [name, "positions", "cos", "sin"],
        [f"{name}_rotated"],
        f"rotation of {name}",
        domain=CONTRIB,
    )


if __name__ == "__main__":
    onnx.save(build(), PATH)
