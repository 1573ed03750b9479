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
from service.runtime.decode_inputs import (
    DecodeInputs,
    DeviceInputs,
    HostInputs,
    bind_input,
    bind_output,
)
from service.runtime.kv_memory import allocate_kv
from service.runtime.ort import ort
from service.runtime.providers import Provider
from service.runtime.sessions import open_session
from service.store.manifest import Manifest

_UNCAPTURED = -1
"""The number of no graph: a run that is neither captured nor replayed."""


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
        self.prefills_behind = provider.prefills_behind
        self._provider = provider
        self._decoder = open_session(
            folder / manifest.graphs.decoder, provider, captures=provider.captures
        )
        self._prefill_session = self._decoder
        if manifest.graphs.prefill:
            self._prefill_session = open_session(folder / manifest.graphs.prefill, provider)
        inputs = {value.name for value in self._decoder.get_inputs()}
        self._wants_positions = "position_ids" in inputs
        self._kv = allocate_kv(
            provider,
            (2 * model.num_layers, num_slots, model.num_kv_heads, slot_length, model.head_dim),
            model.kv_dtype,
        )
        self._logits = np.empty((num_slots, model.vocab_size), np.float32)
        self._decoding: dict[tuple[int, int], _Decoding] = {}
        self._prefilling: dict[int, ort.IOBinding] = {}
        self._following: dict[int, ort.IOBinding] = {}

    def close(self) -> None:
        """Frees the sessions and the KV memory. Nothing may follow."""
        self._decoding.clear()
        self._prefilling.clear()
        self._following.clear()
        del self._decoder, self._prefill_session
        self._kv.close()

    def prefill(self, slot: int, start: int, token_ids: Sequence[int]) -> None:
        """Computes `token_ids` into `slot` behind the `start` tokens that it holds.

        Raises whatever ONNX Runtime raises.
        """
        binding = self._prefilling.get(slot)
        if binding is None:
            binding = self._prefilling[slot] = self._prefill_session.io_binding()
            self._kv.bind(binding, slot, 1)
        for first, chunk in self._chunks(start, token_ids):
            feeds = self._prefill_feeds(first, chunk)
            if self._prefill_session is self._decoder:
                feeds["logits_indices"] = np.empty(0, np.int64)
                bind_output(binding, "logits", np.empty((0, self.vocab_size), np.float32))
            self._run(self._prefill_session, binding, feeds)

    def prefill_with_logits(
        self, slot: int, start: int, token_ids: Sequence[int]
    ) -> NDArray[np.float32]:
        """As `prefill`, through the decoder's graph; the logits behind each token, `[S, vocab]`."""
        binding = self._decoder.io_binding()
        self._kv.bind(binding, slot, 1)
        logits = np.empty((len(token_ids), self.vocab_size), np.float32)
        for first, chunk in self._chunks(start, token_ids):
            feeds = self._prefill_feeds(first, chunk)
            feeds["logits_indices"] = np.arange(len(chunk), dtype=np.int64)
            bind_output(binding, "logits", logits[first - start :][: len(chunk)])
            self._run(self._decoder, binding, feeds)
        return logits

    def follow(self, slot: int, start: int, token_ids: Sequence[int]) -> NDArray[np.float32]:
        """As `prefill`, through the decoder's graph; the logits behind the last, `[vocab]`."""
        binding = self._following.get(slot)
        if binding is None:
            binding = self._following[slot] = self._decoder.io_binding()
            self._kv.bind(binding, slot, 1)
        logits = np.empty(self.vocab_size, np.float32)
        bind_output(binding, "logits", logits[None])
        for first, chunk in self._chunks(start, token_ids):
            feeds = self._prefill_feeds(first, chunk)
            feeds["logits_indices"] = np.array([len(chunk) - 1], np.int64)
            self._run(self._decoder, binding, feeds)
        return logits

    def decode(self, requests: Sequence[Request]) -> NDArray[np.float32]:
        """The logits behind the last token of each request, float32 `[B, vocab_size]`.

        The requests lie in neighbouring slots, in the order of these. The result is overwritten by
        the next call. Raises whatever ONNX Runtime raises.
        """
        first = requests[0].slot
        assert first is not None
        assert [request.slot for request in requests] == list(range(first, first + len(requests)))
        decoding = self._decoding.get((first, len(requests)))
        if decoding is None:
            decoding = self._decoding[first, len(requests)] = self._bound(first, len(requests))
        return decoding.run(self._decoder, requests)

    def move(self, move: Move) -> None:
        """Copies or swaps the contents of slots."""
        if isinstance(move, Copy):
            self._kv.copy(move.source, move.target, move.num_tokens)
        else:
            self._kv.swap(move.first, move.second, move.num_tokens)

    def _bound(self, first_slot: int, num_rows: int) -> _Decoding:
        logits, length = self._logits[:num_rows], self.slot_length
        inputs: DecodeInputs
        if self._provider.captures:
            inputs = DeviceInputs(
                logits.shape, length, self._provider, positions=self._wants_positions
            )
        else:
            inputs = HostInputs(logits, length, self._provider, positions=self._wants_positions)
        io = self._decoder.io_binding()
        inputs.bind(io)
        self._kv.bind(io, first_slot, num_rows)
        return _Decoding(io, inputs, _run_options(self._provider, len(self._decoding) + 1))

    def _chunks(self, start: int, token_ids: Sequence[int]) -> list[tuple[int, Sequence[int]]]:
        """The tokens as they may be computed at once, each stretch with its start."""
        assert start + len(token_ids) <= self.slot_length
        if self.prefills_behind or not start:
            return [(start, token_ids)]
        return [(start + i, token_ids[i : i + 1]) for i in range(len(token_ids))]

    def _prefill_feeds(
        self, start: int, token_ids: Sequence[int]
    ) -> dict[str, NDArray[np.generic]]:
        """The inputs of a prefill of one row behind `start` tokens."""
        end = start + len(token_ids)
        total = self.slot_length if self._provider.constant_total else end
        feeds: dict[str, NDArray[np.generic]] = {
            "input_ids": np.array([token_ids], np.int64),
            "seqlens_k": np.array([end - 1], np.int32),
            "total_sequence_length": np.array(total, np.int32),
        }
        if self._wants_positions:
            feeds["position_ids"] = np.arange(start, end, dtype=np.int64)[None]
        return feeds

    def _run(
        self,
        session: ort.InferenceSession,
        binding: ort.IOBinding,
        feeds: dict[str, NDArray[np.generic]],
    ) -> None:
        for name, array in feeds.items():
            bind_input(binding, name, array)
        session.run_with_iobinding(binding, _run_options(self._provider, _UNCAPTURED))


class _Decoding:
    """A decode over certain rows: what it is bound to, and the graph that it is captured as."""

    def __init__(
        self, io: ort.IOBinding, inputs: DecodeInputs, options: ort.RunOptions | None
    ) -> None:
        self._io = io
        self._inputs = inputs
        self.options = options

    def run(
        self, session: ort.InferenceSession, requests: Sequence[Request]
    ) -> NDArray[np.float32]:
        self._inputs.fill(
            [request.last_token_id for request in requests],
            [request.num_computed_tokens for request in requests],
        )
        session.run_with_iobinding(self._io, self.options)
        return self._inputs.logits()


def _run_options(provider: Provider, graph: int) -> ort.RunOptions | None:
    """Options of a run that is captured as `graph`, or of one that is not captured."""
    if not provider.captures:
        return None
    options = ort.RunOptions()
    options.add_run_config_entry("gpu_graph_id", str(graph))
    return options
