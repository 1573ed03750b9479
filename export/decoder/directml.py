"""Gives a decoder's graph the form that DirectML's kernels want.

Their GroupQueryAttention takes queries, keys and values apart and does not rotate them, so that
RotaryEmbedding does, by the positions in a further input `position_ids` int64 [B, S]. Their
MatMulNBits takes codes for what they are unless a zero point says otherwise, and there is no
GatherBlockQuantized: an embedding in blocks is looked up as codes and scales.
(core/providers/dml/DmlExecutionProvider/src/Operators in ONNX Runtime's sources.)
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper

from export.decoder.builder import CONTRIB
from export.decoder.rewriter import Rewriter, attributes_of
from export.decoder.tensor_file import TensorFile
from export.errors import ExportError

_KEY, _COS, _SIN = 1, 7, 8
"""Inputs of GroupQueryAttention."""

_NUM_LEFT = 7
"""Of its inputs, those that remain when rotation is done before."""


def shape_for_directml(model: onnx.ModelProto, tensors: TensorFile) -> None:
    """Rewrites `model`, which computes in float16; new constants go to `tensors`, its data file.

    Raises ExportError for what has no equivalent there.
    """
    shaper = _Shaper(Rewriter(model.graph, tensors), model.graph)
    shaper.rewriter.run(
        {
            "GroupQueryAttention": shaper.attention,
            "GatherBlockQuantized": shaper.embedding,
            "MatMulNBits": shaper.product,
        }
    )
    if shaper.rotates:
        model.graph.input.append(
            helper.make_tensor_value_info("position_ids", TensorProto.INT64, ["batch", "sequence"])
        )


class _Shaper:
    """One rule for each operator that DirectML wants in another form, or has not at all."""

    def __init__(self, rewriter: Rewriter, graph: onnx.GraphProto) -> None:
        self.rewriter = rewriter
        self.rotates = False
        self._head_dims = {
            value.name: value.type.tensor_type.shape.dim[3].dim_value
            for value in graph.input
            if value.name.startswith("past_key_values.")
        }

    def attention(self, node: onnx.NodeProto) -> None:
        attributes = attributes_of(node)
        inputs = list(node.input)
        if not inputs[_KEY]:
            inputs[:3] = self._unpacked(node, attributes)
        if attributes.pop("do_rotary", 0):
            interleaved = int(attributes.pop("rotary_interleaved", 0))
            tables = inputs[_COS : _SIN + 1]
            head_dim = self._head_dims[node.input[3]]
            for index in (0, _KEY):
                inputs[index] = self._rotated(inputs[index], tables, interleaved, head_dim)
            inputs[_COS] = inputs[_SIN] = ""
            self.rotates = True
        while not inputs[-1]:
            inputs.pop()
        self.rewriter.nodes(node.op_type, inputs, list(node.output), domain=CONTRIB, **attributes)

    def _unpacked(
        self, node: onnx.NodeProto, attributes: dict[str, int | float | str]
    ) -> list[str]:
        head_dim = self._head_dims[node.input[3]]
        sizes = [int(attributes["num_heads"]) * head_dim]
        sizes += [int(attributes["kv_num_heads"]) * head_dim] * 2
        packed = node.input[0]
        parts = [f"{packed}.{part}" for part in ("query", "key", "value")]
        self.rewriter.nodes("Split", [packed, self.rewriter.integers(*sizes)], parts, axis=-1)
        return parts

    def _rotated(self, value: str, tables: list[str], interleaved: int, head_dim: int) -> str:
        """`value` `[B, S, heads * head_dim]`, rotated as far as the tables are wide."""
        width = 2 * self.rewriter.shape(tables[0])[1]
        if width != head_dim:
            return self._rotated_in_part(value, tables, interleaved, head_dim, width)
        return self._rotation(value, tables, interleaved, f"{value}.rotated")

    def _rotated_in_part(
        self, value: str, tables: list[str], interleaved: int, head_dim: int, width: int
    ) -> str:
        """The first `width` features of each head rotated, the others as they are."""
        rewriter = self.rewriter
        heads = rewriter.node(
            "Reshape", [value, rewriter.integers(0, 0, -1, head_dim)], f"{value}.heads"
        )
        first, rest = f"{value}.first", f"{value}.rest"
        sizes = rewriter.integers(width, head_dim - width)
        rewriter.nodes("Split", [heads, sizes], [first, rest], axis=-1)
        flat = rewriter.node("Reshape", [first, rewriter.integers(0, 0, -1)], f"{first}.flat")
        rotated = self._rotation(flat, tables, interleaved, f"{first}.rotated")
        in_heads = rewriter.node(
            "Reshape", [rotated, rewriter.integers(0, 0, -1, width)], f"{first}.in_heads"
        )
        whole = rewriter.node("Concat", [in_heads, rest], f"{value}.joined", axis=-1)
        return rewriter.node("Reshape", [whole, rewriter.integers(0, 0, -1)], f"{value}.rotated")

    def _rotation(self, value: str, tables: list[str], interleaved: int, output: str) -> str:
        return self.rewriter.node(
            "RotaryEmbedding",
            [value, "position_ids", *tables],
            output,
            domain=CONTRIB,
            interleaved=interleaved,
        )

    def product(self, node: onnx.NodeProto) -> None:
        inputs = list(node.input)
        if len(inputs) == 3:
            attributes = attributes_of(node)
            inputs.append(self._zero_points(inputs[2], int(attributes["bits"]), node.name))
            del node.input[:]
            node.input.extend(inputs)
        self.rewriter.keep(node)

    def _zero_points(self, scales: str, bits: int, node: str) -> str:
        """The zero point in the middle, once for each of the blocks that have `scales`."""
        rows, blocks = self.rewriter.shape(scales)
        if bits == 4 and blocks % 2:
            raise ExportError(
                f"DirectML cannot multiply by {node}: its rows have an odd number of 4-bit blocks; "
                "choose another --precision"
            )
        zero = np.full((rows, blocks * bits // 8), 0x88 if bits == 4 else 0x80, np.uint8)
        return self.rewriter.constant(f"{scales}.zero_points", zero)

    def embedding(self, node: onnx.NodeProto) -> None:
        """`scale * (code - zero point)` for the codes of each token."""
        rewriter, attributes = self.rewriter, attributes_of(node)
        table, ids, scales, *zero_points = filter(None, node.input)
        bits, block_size = int(attributes["bits"]), int(attributes["block_size"])
        (rows,) = node.output
        in_blocks = rewriter.node(
            "Reshape",
            [
                self._codes(table, ids, bits, f"{rows}.codes"),
                rewriter.integers(0, 0, -1, block_size),
            ],
            f"{rows}.in_blocks",
        )
        if zero_points:
            zeros = self._codes(zero_points[0], ids, bits, f"{rows}.zeros")
            zero = rewriter.node("Unsqueeze", [zeros, rewriter.integers(-1)], f"{rows}.zero")
        else:
            zero = rewriter.constant(f"{table}.zero", np.array(1 << (bits - 1), np.float16))
        centred = rewriter.node("Sub", [in_blocks, zero], f"{rows}.centred")
        own_scales = rewriter.node("Gather", [scales, ids], f"{rows}.scales")
        scale = rewriter.node("Unsqueeze", [own_scales, rewriter.integers(-1)], f"{rows}.scale")
        scaled = rewriter.node("Mul", [centred, scale], f"{rows}.scaled")
        rewriter.node("Reshape", [scaled, rewriter.integers(0, 0, -1)], rows)

    def _codes(self, table: str, ids: str, bits: int, name: str) -> str:
        """The codes of each token as float16 numbers."""
        rewriter = self.rewriter
        codes = rewriter.node("Gather", [table, ids], f"{name}.stored")
        if bits == 4:
            codes = self._nibbles(codes, name)
        return rewriter.node("Cast", [codes], name, to=TensorProto.FLOAT16)

    def _nibbles(self, packed: str, name: str) -> str:
        """The two codes of each byte one after the other, the low one first."""
        rewriter = self.rewriter
        mask = rewriter.constant("low_nibble", np.array(0x0F, np.uint8))
        four = rewriter.constant("nibble_bits", np.array(4, np.uint8))
        last = rewriter.integers(-1)
        low = rewriter.node("BitwiseAnd", [packed, mask], f"{name}.low")
        high = rewriter.node("BitShift", [packed, four], f"{name}.high", direction="RIGHT")
        pairs = rewriter.node(
            "Concat",
            [
                rewriter.node("Unsqueeze", [low, last], f"{name}.low.each"),
                rewriter.node("Unsqueeze", [high, last], f"{name}.high.each"),
            ],
            f"{name}.pairs",
            axis=-1,
        )
        return rewriter.node("Reshape", [pairs, rewriter.integers(0, 0, -1)], f"{name}.unpacked")
