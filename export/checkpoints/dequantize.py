"""Stored weights as the float32 numbers they stand for, blocks exactly as ggml computes them."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import cast

import numpy as np
from numpy.typing import NDArray

from export.checkpoints.base import Encoding, Groups, Tensor
from export.checkpoints.ggml.blocks import Blocks
from export.checkpoints.ggml.table import BLOCK_ENCODINGS


def dequantize(tensor: Tensor, rows: slice | None = None) -> NDArray[np.float32]:
    """The weights of `tensor`, or of those `rows` of its first axis, in its logical shape.

    float32, newly allocated, except that F32 is returned as the (read-only) view it is. Only
    what the rows need is read.
    """
    if tensor.groups is not None:
        return _dequantize_groups(tensor, tensor.groups, rows or slice(None))
    if tensor.encoding.is_block:
        part = tensor if rows is None or len(tensor.shape) == 1 else select_rows(tensor, rows)
        weights = unpack_blocks(part).combine().reshape(part.shape)
        return weights[rows] if rows is not None and part is tensor else weights
    data = tensor.data if rows is None else tensor.data[rows]
    if tensor.encoding is Encoding.BF16:
        upper_halves = data.astype(np.uint32)
        upper_halves <<= 16
        return upper_halves.view(np.float32)
    return data.astype(np.float32, copy=False)


def _dequantize_groups(tensor: Tensor, groups: Groups, rows: slice) -> NDArray[np.float32]:
    scales = groups.scales[rows]
    codes = tensor.data[rows].reshape(*scales.shape, groups.size).astype(np.float32)
    if groups.zeros is None:
        codes -= np.float32(1 << (groups.bits - 1))
    else:
        codes -= groups.zeros[rows, :, None]
    codes *= scales[:, :, None]
    columns = codes.reshape(len(scales), -1)
    if groups.order is None:
        return columns
    weights = np.empty_like(columns)
    weights[:, groups.order] = columns
    return weights


def unpack_blocks(tensor: Tensor) -> Blocks:
    """The quants, scales and minimums of a tensor in one of ggml's block encodings."""
    return BLOCK_ENCODINGS[tensor.encoding].unpack(cast("NDArray[np.uint8]", tensor.data))


def select_rows(tensor: Tensor, rows: slice) -> Tensor:
    """Those `rows` of the first axis of a tensor with several, mapped as the tensor is."""
    if not tensor.encoding.is_block:
        data = tensor.data[rows]
        return replace(tensor, shape=data.shape, data=data)
    stored = tensor.data.shape[1:]
    data = tensor.data.reshape(*tensor.shape[:-1], *stored)[rows]
    shape = (*data.shape[:-2], tensor.shape[-1])
    return replace(tensor, shape=shape, data=data.reshape(math.prod(shape[:-1]), *stored))
