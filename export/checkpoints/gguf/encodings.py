"""Which of ggml's tensor types are read, and the names of those that are not.

Numbers and names: `enum ggml_type` in ggml.h.
"""

from __future__ import annotations

from collections.abc import Mapping

from export.checkpoints.base import Encoding

ENCODINGS: Mapping[int, Encoding] = {
    0: Encoding.F32,
    1: Encoding.F16,
    30: Encoding.BF16,
    8: Encoding.Q8_0,
    2: Encoding.Q4_0,
    3: Encoding.Q4_1,
}

PLAIN_DTYPES: Mapping[Encoding, str] = {
    Encoding.F32: "<f4",
    Encoding.F16: "<f2",
    Encoding.BF16: "<u2",
}

BLOCK_BYTES: Mapping[Encoding, int] = {
    Encoding.Q8_0: 2 + 32,
    Encoding.Q4_0: 2 + 16,
    Encoding.Q4_1: 2 + 2 + 16,
}
"""Bytes per block: a float16 scale, for Q4_1 a float16 minimum, then the quants."""

_UNSUPPORTED: Mapping[int, str] = {
    6: "Q5_0",
    7: "Q5_1",
    9: "Q8_1",
    10: "Q2_K",
    11: "Q3_K",
    12: "Q4_K",
    13: "Q5_K",
    14: "Q6_K",
    15: "Q8_K",
    16: "IQ2_XXS",
    17: "IQ2_XS",
    18: "IQ3_XXS",
    19: "IQ1_S",
    20: "IQ4_NL",
    21: "IQ3_S",
    22: "IQ2_S",
    23: "IQ4_XS",
    24: "I8",
    25: "I16",
    26: "I32",
    27: "I64",
    28: "F64",
    29: "IQ1_M",
    34: "TQ1_0",
    35: "TQ2_0",
    39: "MXFP4",
}


def describe_type(kind: int) -> str:
    """How to call a type that is not in `ENCODINGS`."""
    return _UNSUPPORTED.get(kind, f"the unknown type {kind}")
