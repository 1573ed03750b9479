"""Weights in the layouts of GPTQ, AWQ and others, packed bit by bit as their inventors say, and
the numbers that they stand for."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from export.checkpoints.folder import ModelFolder
from export.checkpoints.safetensors import SafetensorsCheckpoint
from tests.unit.export.checkpoints.writers import safetensors_bytes

Integers = NDArray[np.int64]
Floats = NDArray[np.float32]
Stored = dict[str, tuple[str, Sequence[int], bytes]]

NAME = "model.layers.0.mlp.gate_proj.weight"
STEM = NAME.removesuffix("weight")

AWQ_ORDER = (0, 2, 4, 6, 1, 3, 5, 7)
"""Which output each part of a word holds, lowest bits first."""


@dataclass(frozen=True)
class Quantized:
    """`codes` `[N, K]`; `zeros` and `scales` (float16) `[N, G]`; `group_of` each input `[K]`."""

    bits: int
    codes: Integers
    zeros: Integers
    scales: NDArray[np.float16]
    group_of: Integers

    @property
    def values(self) -> Floats:
        """The weight that each code stands for, one by one."""
        zeros, scales = self.zeros[:, self.group_of], self.scales[:, self.group_of]
        return (self.codes - zeros).astype(np.float32) * scales.astype(np.float32)


def quantized(
    bits: int = 4,
    shape: tuple[int, int] = (16, 128),
    group: int = 32,
    *,
    symmetric: bool = False,
    act_order: bool = False,
    seed: int = 0,
) -> Quantized:
    generator = np.random.default_rng(seed)
    num_groups = shape[1] // group
    half = 1 << (bits - 1)
    zeros = generator.integers(1, 2 * half, (shape[0], num_groups))
    group_of = np.arange(shape[1]) // group
    return Quantized(
        bits=bits,
        codes=generator.integers(0, 2 * half, shape),
        zeros=np.full_like(zeros, half) if symmetric else zeros,
        scales=generator.uniform(0.01, 0.05, (shape[0], num_groups)).astype(np.float16),
        group_of=generator.permutation(group_of) if act_order else group_of,
    )


def words(codes: Integers, bits: int, order: Sequence[int] | None = None) -> NDArray[np.int32]:
    """Codes `[R, C]` in words `[R, C * bits / 32]`, position `i` of a word from code `order[i]`."""
    per_word = 32 // bits
    packed = np.zeros((codes.shape[0], codes.shape[1] // per_word), np.uint32)
    for position in range(per_word):
        column = order[position] if order else position
        packed |= codes[:, column::per_word].astype(np.uint32) << np.uint32(bits * position)
    return packed.view(np.int32)


def gptq(weight: Quantized, *, minus_one: bool = True, stem: str = STEM) -> Stored:
    zeros = weight.zeros - (1 if minus_one else 0)
    return {
        f"{stem}qweight": integers(words(weight.codes, weight.bits).T),
        f"{stem}qzeros": integers(words(zeros.T, weight.bits)),
        f"{stem}scales": halves(weight.scales.T),
        f"{stem}g_idx": integers(weight.group_of),
    }


def awq(weight: Quantized, *, stem: str = STEM) -> Stored:
    return {
        f"{stem}qweight": integers(words(weight.codes.T, 4, AWQ_ORDER)),
        f"{stem}qzeros": integers(words(weight.zeros.T, 4, AWQ_ORDER)),
        f"{stem}scales": halves(weight.scales.T),
    }


def pack_quantized(weight: Quantized, *, stem: str = STEM) -> Stored:
    return {
        f"{stem}weight_packed": integers(words(weight.codes, weight.bits)),
        f"{stem}weight_zero_point": integers(words(weight.zeros.T, weight.bits).T),
        f"{stem}weight_scale": halves(weight.scales),
        f"{stem}weight_shape": ("I64", [2], np.array(weight.codes.shape, "<i8").tobytes()),
        f"{stem}weight_g_idx": integers(weight.group_of),
    }


def integers(values: NDArray[np.generic]) -> tuple[str, Sequence[int], bytes]:
    return "I32", values.shape, np.ascontiguousarray(values).astype("<i4").tobytes()


def halves(values: NDArray[np.float16]) -> tuple[str, Sequence[int], bytes]:
    return "F16", values.shape, np.ascontiguousarray(values).astype("<f2").tobytes()


def floats(values: NDArray[np.generic]) -> tuple[str, Sequence[int], bytes]:
    return "F32", values.shape, np.ascontiguousarray(values).astype("<f4").tobytes()


def opened(
    folder: Path, tensors: Stored, section: Mapping[str, object] | None
) -> SafetensorsCheckpoint:
    """A folder with those weights and that `quantization_config`."""
    config: dict[str, object] = {"model_type": "llama"}
    if section is not None:
        config["quantization_config"] = section
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "model.safetensors").write_bytes(safetensors_bytes(tensors))
    return SafetensorsCheckpoint(ModelFolder(folder))
