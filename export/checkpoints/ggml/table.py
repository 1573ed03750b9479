"""The block encodings that are read, one row each."""

from __future__ import annotations

from collections.abc import Mapping

from export.checkpoints.base import Encoding
from export.checkpoints.ggml import simple, super_blocks
from export.checkpoints.ggml.blocks import BlockEncoding

BLOCK_ENCODINGS: Mapping[Encoding, BlockEncoding] = {
    Encoding.Q8_0: BlockEncoding(32, 34, 32, -128, 127, simple.unpack_q8_0),
    Encoding.Q4_0: BlockEncoding(32, 18, 32, -8, 7, simple.unpack_q4_0),
    Encoding.Q4_1: BlockEncoding(32, 20, 32, 0, 15, simple.unpack_q4_1),
    Encoding.Q5_0: BlockEncoding(32, 22, 32, -16, 15, simple.unpack_q5_0),
    Encoding.Q5_1: BlockEncoding(32, 24, 32, 0, 31, simple.unpack_q5_1),
    Encoding.IQ4_NL: BlockEncoding(32, 18, 32, -127, 113, simple.unpack_iq4_nl),
    Encoding.MXFP4: BlockEncoding(32, 17, 32, -12, 12, simple.unpack_mxfp4),
    Encoding.Q2_K: BlockEncoding(256, 84, 16, 0, 3, super_blocks.unpack_q2_k),
    Encoding.Q3_K: BlockEncoding(256, 110, 16, -4, 3, super_blocks.unpack_q3_k),
    Encoding.Q4_K: BlockEncoding(256, 144, 32, 0, 15, super_blocks.unpack_q4_k),
    Encoding.Q5_K: BlockEncoding(256, 176, 32, 0, 31, super_blocks.unpack_q5_k),
    Encoding.Q6_K: BlockEncoding(256, 210, 16, -32, 31, super_blocks.unpack_q6_k),
    Encoding.IQ4_XS: BlockEncoding(256, 136, 32, -127, 113, super_blocks.unpack_iq4_xs),
}
