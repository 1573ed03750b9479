"""Runs a graph as onnxruntime-genai would, with a mask and, where it has them, positions."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from export.genai.config import Decoder

# ONNX Runtime reports usage over the network unless told not to before its first import.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
import onnxruntime as ort

_NUMPY_TYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
}


class GenaiGraph:
    """One sequence through a graph on the CPU. Raises what ONNX Runtime raises."""

    def __init__(self, path: Path, decoder: Decoder) -> None:
        options = ort.SessionOptions()
        options.log_severity_level = 4  # errors are raised, which is enough
        self._session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self._decoder = decoder
        self._types = {v.name: _NUMPY_TYPES[v.type] for v in self._session.get_inputs()}
        self._outputs = [value.name for value in self._session.get_outputs()]
        shape = (1, decoder.num_key_value_heads, 0, decoder.head_size)
        names = decoder.inputs
        self._cache: dict[str, NDArray[np.generic]] = {
            pattern % i: np.zeros(shape, self._types[pattern % i])
            for pattern in (names.past_key_names, names.past_value_names)
            for i in range(decoder.num_hidden_layers)
        }

    def feed(self, token_ids: Sequence[int], num_tokens: int) -> NDArray[np.float32]:
        """Appends `token_ids`, after which there are `num_tokens`; float32 `[S, vocab_size]`."""
        names = self._decoder.inputs
        numbers = {
            names.input_ids: np.array([token_ids]),
            names.attention_mask: np.ones((1, num_tokens)),
            names.position_ids: np.arange(num_tokens - len(token_ids), num_tokens)[None],
        }
        feeds = {n: v.astype(self._types[n]) for n, v in numbers.items() if n in self._types}
        results = dict(
            zip(self._outputs, self._session.run(None, feeds | self._cache), strict=True)
        )
        self._keep(results)
        logits: NDArray[np.float32] = results[self._decoder.outputs.logits][0].astype(np.float32)
        return logits

    def _keep(self, results: dict[str, NDArray[np.generic]]) -> None:
        inputs, outputs = self._decoder.inputs, self._decoder.outputs
        for past, present in (
            (inputs.past_key_names, outputs.present_key_names),
            (inputs.past_value_names, outputs.present_value_names),
        ):
            for i in range(self._decoder.num_hidden_layers):
                self._cache[past % i] = results[present % i]
