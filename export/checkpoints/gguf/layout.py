"""What GGUF stores otherwise than transformers: the rows of Q and K, norms, stacked experts."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from export.checkpoints.base import Encoding, Tensor
from export.checkpoints.dequantize import dequantize, select_rows


@dataclass(frozen=True, slots=True)
class HeadCounts:
    """How many heads the rows of Q, and of K, are divided into."""

    queries: int
    keys: int


def unpermute_rope(tensor: Tensor, heads: HeadCounts) -> Tensor:
    """Q and K with their rows in transformers' order; any other tensor as it is.

    llama.cpp's rotary embedding turns neighbouring rows (2j, 2j+1) of a head together,
    transformers' turns row j with row j + D/2 (`D` the head size). Converters to GGUF therefore
    reorder the rows of every head, which this undoes. Blocks lie along a row, so whole rows move
    whatever the encoding.

    Precondition: the rows divide evenly into that many heads of even size.
    """
    num_heads = _num_heads(tensor.name, heads)
    if num_heads is None:
        return tensor
    rows, *rest = tensor.data.shape
    pairs = tensor.data.reshape(num_heads, rows // num_heads // 2, 2, *rest)
    return replace(tensor, data=pairs.swapaxes(1, 2).reshape(rows, *rest))


def subtract_one(tensor: Tensor) -> Tensor:
    """A norm's weight as transformers keeps Gemma's, which adds one again; others as they are.

    From 1 upwards float32 loses nothing by it, below at most 6e-8.
    """
    if not tensor.name.endswith("norm.weight"):
        return tensor
    data = dequantize(tensor) - np.float32(1)
    return replace(tensor, encoding=Encoding.F32, data=data)


def select_expert(tensor: Tensor, expert: int) -> Tensor:
    """One of the tensors stacked along the first axis, mapped as the whole is."""
    if tensor.encoding.is_block:
        one = select_rows(tensor, slice(expert, expert + 1))
        return replace(one, shape=tensor.shape[1:])
    return replace(tensor, shape=tensor.shape[1:], data=tensor.data[expert])


def _num_heads(hugging_face_name: str, heads: HeadCounts) -> int | None:
    if ".self_attn.q_proj." in hugging_face_name:
        return heads.queries
    if ".self_attn.k_proj." in hugging_face_name:
        return heads.keys
    return None
