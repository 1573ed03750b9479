"""Runs the graphs of a package that was just written, as plainly as can be."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

# ONNX Runtime reports usage over the network unless told not to before its first import.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
import onnxruntime as ort

Floats = NDArray[np.float32]

_NUMPY_TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16}


_PACKED_BYTES = 1 << 30
"""Weights up to this size are computed with as the service does it, from a copy that ONNX Runtime
packs for speed. That of larger ones may not fit into memory where a model is only exported."""


class WrittenGraph:
    """A graph on the CPU, every token of one sequence fed in turn. Raises what ORT raises."""

    def __init__(self, path: Path) -> None:
        options = ort.SessionOptions()
        options.log_severity_level = 4  # errors are raised, which is enough
        if _data_bytes(path.parent) > _PACKED_BYTES:
            options.add_session_config_entry("session.disable_prepacking", "1")
        self._session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self._inputs = {value.name for value in self._session.get_inputs()}
        self._outputs = [value.name for value in self._session.get_outputs()]
        self.cache = self._empty_cache()
        """The keys and values so far, by the names of the inputs they go to."""

    def feed(self, token_ids: Sequence[int], num_tokens: int) -> Floats | None:
        """Appends `token_ids`, after which there are `num_tokens`; the logits behind each of
        them, float32 `[len(token_ids), vocab_size]`, if the graph has a head."""
        feeds = {
            "input_ids": np.array([token_ids], np.int64),
            "seqlens_k": np.array([num_tokens - 1], np.int32),
            "total_sequence_length": np.array(num_tokens, np.int32),
            "logits_indices": np.arange(len(token_ids), dtype=np.int64),
            "position_ids": np.arange(num_tokens - len(token_ids), num_tokens)[None],
            **self.cache,
        }
        known = {name: value for name, value in feeds.items() if name in self._inputs}
        results = dict(zip(self._outputs, self._session.run(None, known), strict=True))
        logits: Floats | None = results.pop("logits", None)
        self.cache = {
            name.replace("present", "past_key_values"): kv for name, kv in results.items()
        }
        return logits

    def _empty_cache(self) -> dict[str, NDArray[np.generic]]:
        """Pasts of no tokens, as the graph declares them: `[batch, kv_heads, length, head_dim]`."""
        return {
            value.name: np.zeros((1, value.shape[1], 0, value.shape[3]), _NUMPY_TYPES[value.type])
            for value in self._session.get_inputs()
            if value.name.startswith("past_key_values.")
        }


def run_greedily(
    decoder: Path, prompt: Sequence[int], num_decoded: int
) -> tuple[list[int], Floats]:
    """The prompt and what follows it greedily, and the logits behind each token but the last."""
    graph = WrittenGraph(decoder)
    token_ids = list(prompt)
    new = token_ids
    logits: list[Floats] = []
    for _ in range(num_decoded):
        rows = graph.feed(new, len(token_ids))
        assert rows is not None
        logits.append(rows)
        new = [int(rows[-1].argmax())]
        token_ids += new
    return token_ids, np.concatenate(logits)


def run_behind_prefill(
    prefill: Path, decoder: Path, token_ids: Sequence[int], num_decoded: int
) -> Floats:
    """The logits behind `num_decoded` tokens before the last of `token_ids`, computed as the
    service does: what is before them by the prefill graph, they themselves one by one."""
    start = len(token_ids) - 1 - num_decoded
    reader, graph = WrittenGraph(prefill), WrittenGraph(decoder)
    reader.feed(token_ids[:start], start)
    graph.cache = reader.cache
    rows = [graph.feed([token_ids[i]], i + 1) for i in range(start, len(token_ids) - 1)]
    return np.concatenate([row for row in rows if row is not None])


def run_in_chunks(decoder: Path, token_ids: Sequence[int], num_prompt: int) -> Floats:
    """The logits behind each of `token_ids`: the first `num_prompt` are read in two chunks, the
    others one by one."""
    graph = WrittenGraph(decoder)
    middle = num_prompt // 2
    ends = [*([middle] if middle else []), *range(num_prompt, len(token_ids) + 1)]
    rows: list[Floats] = []
    for start, end in zip([0, *ends], ends, strict=False):
        logits = graph.feed(token_ids[start:end], end)
        assert logits is not None
        rows.append(logits)
    return np.concatenate(rows)


def _data_bytes(folder: Path) -> int:
    """The size of the weights that lie beside the graphs in `folder`, which share them."""
    return sum(path.stat().st_size for path in folder.glob("*.data"))
