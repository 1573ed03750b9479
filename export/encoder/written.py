"""An encoder's package as it was written, run as plainly as can be."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

# ONNX Runtime reports usage over the network unless told not to before its first import.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
import onnxruntime as ort

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Row:
    """A tokenized text, or pair of texts."""

    token_ids: list[int]
    type_ids: list[int]


class WrittenGraph:
    """A graph on the CPU. Raises what ONNX Runtime raises."""

    def __init__(self, graph: Path, pad_id: int) -> None:
        options = ort.SessionOptions()
        options.log_severity_level = 4  # errors are raised, which is enough
        self._session = ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        self._pad_id = pad_id

    def compute(self, rows: Sequence[Row]) -> list[Floats]:
        """All `rows` in one batch: `[S, hidden_size]` of each one's own tokens, or its logit."""
        length = max(len(row.token_ids) for row in rows)
        shape = (len(rows), length)
        feeds: dict[str, NDArray[np.generic]] = {
            "input_ids": np.full(shape, self._pad_id, np.int64),
            "attention_mask": np.zeros(shape, np.int64),
            "token_type_ids": np.zeros(shape, np.int64),
            "position_ids": np.tile(np.arange(length), (len(rows), 1)),
            "seqlens_k": np.full(len(rows), length - 1, np.int32),
            "total_sequence_length": np.array(length, np.int32),
        }
        inputs = self._session.get_inputs()
        for index, row in enumerate(rows):
            end = len(row.token_ids)
            feeds["input_ids"][index, :end] = row.token_ids
            feeds["attention_mask"][index, :end] = 1
            feeds["token_type_ids"][index, :end] = row.type_ids
        known = {
            value.name: feeds[value.name] if value.name in feeds else _empty(value.shape, len(rows))
            for value in inputs
        }
        names = [value.name for value in self._session.get_outputs()]
        name = next(name for name in names if not name.startswith("present."))
        (output,) = self._session.run([name], known)
        if output.ndim == 2:
            return list(output)
        return [output[index, : len(row.token_ids)] for index, row in enumerate(rows)]


def _empty(shape: Sequence[int | str], num_rows: int) -> Floats:
    """A cache of no tokens: `[B, heads, 0, size]`."""
    _, heads, _, size = shape
    return np.zeros((num_rows, int(heads), 0, int(size)), np.float32)


class WrittenEncoder:
    """A graph and a tokenizer on the CPU. Raises what these libraries raise."""

    def __init__(self, graph: Path, tokenizer: Path, pad_id: int) -> None:
        self._graph = WrittenGraph(graph, pad_id)
        self._tokenizer = Tokenizer.from_file(str(tokenizer))

    @property
    def largest_id(self) -> int:
        """Of all tokens that the tokenizer knows."""
        return max(self._tokenizer.get_vocab(with_added_tokens=True).values(), default=-1)

    def encode(self, texts: Sequence[str]) -> list[Row]:
        return [_row(encoding) for encoding in self._tokenizer.encode_batch(list(texts))]

    def encode_pairs(self, pairs: Sequence[tuple[str, str]]) -> list[Row]:
        return [_row(encoding) for encoding in self._tokenizer.encode_batch(list(pairs))]

    def compute(self, rows: Sequence[Row]) -> list[Floats]:
        """See `WrittenGraph`."""
        return self._graph.compute(rows)


def _row(encoding: Encoding) -> Row:
    return Row(encoding.ids, encoding.type_ids)
