"""Runs a package's graphs on its KV memory: the only part of the engine that knows tensors.

Shapes: B rows that decode together, S prompt tokens of one request, T tokens a slot can hold.
The graph's inputs and outputs are those of a package's decoder: `past_key_values.{i}.key` is
bound to the same memory as `present.{i}.key`, and new tokens are written in place.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from service.engine.kv_cache import Copy, Move
from service.engine.request import Request
from service.runtime.kv_memory import KvMemory, allocate_kv
from service.runtime.ort import ort
from service.runtime.providers import Provider
from service.runtime.sessions import open_session
from service.store.manifest import Manifest


class Runner:
    """A loaded model: sessions, KV memory and the bindings between them."""

    def __init__(
        self,
        folder: Path,
        manifest: Manifest,
        provider: Provider,
        *,
        num_slots: int,
        slot_length: int,
    ) -> None:
        """Loads the package in `folder`. Raises PackageCorrupt if its graphs do not load."""
        model = manifest.architecture
        self.num_slots = num_slots
        self.slot_length = slot_length
        self.vocab_size = model.vocab_size
        self._decoder = open_session(folder / manifest.graphs.decoder, provider)
        self._prefill_session = self._decoder
        if manifest.graphs.prefill:
            self._prefill_session = open_session(folder / manifest.graphs.prefill, provider)
        self._kv = _Binder(
            provider,
            allocate_kv(
                provider,
                (2 * model.num_layers, num_slots, model.num_kv_heads, slot_length, model.head_dim),
                model.kv_dtype,
            ),
            np.dtype(model.kv_dtype),
        )
        self._logits = np.empty((num_slots, model.vocab_size), np.float32)
        self._decoding: dict[tuple[int, int], _DecodeBinding] = {}
        self._prefilling: dict[int, ort.IOBinding] = {}

    def prefill(self, slot: int, start: int, token_ids: Sequence[int]) -> None:
        """Computes `token_ids` into `slot` behind the `start` tokens that it holds.

        Raises whatever ONNX Runtime raises.
        """
        binding = self._prefilling.get(slot)
        if binding is None:
            binding = self._prefilling[slot] = self._prefill_session.io_binding()
            self._kv.bind(binding, slot, 1)
        end = start + len(token_ids)
        assert end <= self.slot_length
        feeds = _prefill_feeds(token_ids, end)
        if self._prefill_session is self._decoder:
            feeds["logits_indices"] = np.empty(0, np.int64)
            _bind_output(binding, "logits", np.empty((0, self.vocab_size), np.float32))
        for name, array in feeds.items():
            _bind_input(binding, name, array)
        self._prefill_session.run_with_iobinding(binding)

    def prefill_with_logits(
        self, slot: int, start: int, token_ids: Sequence[int]
    ) -> NDArray[np.float32]:
        """As `prefill`, through the decoder's graph; the logits behind each token, `[S, vocab]`."""
        binding = self._decoder.io_binding()
        self._kv.bind(binding, slot, 1)
        end = start + len(token_ids)
        assert end <= self.slot_length
        logits = np.empty((len(token_ids), self.vocab_size), np.float32)
        feeds = _prefill_feeds(token_ids, end)
        feeds["logits_indices"] = np.arange(len(token_ids), dtype=np.int64)
        _bind_output(binding, "logits", logits)
        for name, array in feeds.items():
            _bind_input(binding, name, array)
        self._decoder.run_with_iobinding(binding)
        return logits

    def decode(self, requests: Sequence[Request]) -> NDArray[np.float32]:
        """The logits behind the last token of each request, float32 `[B, vocab_size]`.

        The requests lie in neighbouring slots, in the order of these. The result is overwritten by
        the next call. Raises whatever ONNX Runtime raises.
        """
        first = requests[0].slot
        assert first is not None
        assert [request.slot for request in requests] == list(range(first, first + len(requests)))
        binding = self._decoding.get((first, len(requests)))
        if binding is None:
            binding = _DecodeBinding(self._decoder, self._logits[: len(requests)])
            self._kv.bind(binding.io, first, len(requests))
            self._decoding[first, len(requests)] = binding
        return binding.run(self._decoder, requests)

    def move(self, move: Move) -> None:
        """Copies or swaps the contents of slots."""
        if isinstance(move, Copy):
            self._kv.memory.copy(move.source, move.target, move.num_tokens)
        else:
            self._kv.memory.swap(move.first, move.second, move.num_tokens)


class _DecodeBinding:
    """The small inputs of a decode over B rows, changed in place: rebinding costs 0.7 ms a step."""

    def __init__(self, session: ort.InferenceSession, logits: NDArray[np.float32]) -> None:
        """`logits` `[B, vocab_size]` is where each run leaves its result."""
        num_rows = len(logits)
        self.io = session.io_binding()
        self._token_ids = np.zeros((num_rows, 1), np.int64)
        self._last_positions = np.zeros(num_rows, np.int32)
        self._longest = np.zeros((), np.int32)
        self._indices = np.arange(num_rows, dtype=np.int64)
        self._logits = logits
        _bind_input(self.io, "input_ids", self._token_ids)
        _bind_input(self.io, "seqlens_k", self._last_positions)
        _bind_input(self.io, "total_sequence_length", self._longest)
        _bind_input(self.io, "logits_indices", self._indices)
        _bind_output(self.io, "logits", self._logits)

    def run(
        self, session: ort.InferenceSession, requests: Sequence[Request]
    ) -> NDArray[np.float32]:
        lengths = [request.num_computed_tokens for request in requests]
        self._token_ids[:, 0] = [request.last_token_id for request in requests]
        self._last_positions[:] = lengths
        self._longest[...] = max(lengths) + 1
        session.run_with_iobinding(self.io)
        return self._logits


class _Binder:
    """Binds rows of the KV memory as a graph's past and present."""

    def __init__(self, provider: Provider, memory: KvMemory, dtype: np.dtype[np.generic]) -> None:
        self.memory = memory
        self._provider = provider
        self._dtype = dtype

    def bind(self, io: ort.IOBinding, first_slot: int, num_rows: int) -> None:
        arrays, _, kv_heads, slot_length, head_dim = self.memory.shape
        shape = [num_rows, kv_heads, slot_length, head_dim]
        for array in range(arrays):
            name = f"{array // 2}.{('key', 'value')[array % 2]}"
            place = (
                self._provider.memory,
                0,
                self._dtype.type,
                shape,
                self.memory.address(array, first_slot),
            )
            io.bind_input(f"past_key_values.{name}", *place)
            io.bind_output(f"present.{name}", *place)


def _prefill_feeds(token_ids: Sequence[int], end: int) -> dict[str, NDArray[np.generic]]:
    """The inputs of a prefill after which the slot holds `end` tokens."""
    return {
        "input_ids": np.array([token_ids], np.int64),
        "seqlens_k": np.array([end - 1], np.int32),
        "total_sequence_length": np.array(end, np.int32),
    }


def _bind_input(io: ort.IOBinding, name: str, array: NDArray[np.generic]) -> None:
    """`array` must outlive the run."""
    io.bind_input(name, "cpu", 0, array.dtype.type, array.shape, array.ctypes.data)


def _bind_output(io: ort.IOBinding, name: str, array: NDArray[np.generic]) -> None:
    io.bind_output(name, "cpu", 0, array.dtype.type, array.shape, array.ctypes.data)
