"""What the slots of a KV cache hold, without a model.

An entry is a token and how it was computed. As in the real kernels, tokens prefilled at once come
out alike however they are cut, while one computed alone, or in a tile of its own, comes out
differently: that is what makes reuse inexact.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from service.engine.kv_cache import Copy, Move
from service.engine.request import Request
from service.engine.runner import Runner

VOCAB_SIZE = 32

_TILE = 32
"""Prefilled tokens are computed so many at a time."""


@dataclass(frozen=True, slots=True)
class Entry:
    token_id: int
    computed: Literal["together", "alone"]


class Slots:
    """Slot contents, moved and written as a runner does; refuses to read what is not there."""

    def __init__(self, num_slots: int, slot_length: int) -> None:
        self.contents: list[list[Entry]] = [[] for _ in range(num_slots)]
        self._slot_length = slot_length

    def move(self, move: Move) -> None:
        slots = self.contents
        if isinstance(move, Copy):
            assert move.source != move.target
            assert move.num_tokens <= len(slots[move.source])
            slots[move.target] = slots[move.source][: move.num_tokens]
            return
        one, other = slots[move.first], slots[move.second]
        slots[move.first] = other[: move.num_tokens]
        slots[move.second] = one[: move.num_tokens]

    def prefill(self, slot: int, start: int, token_ids: Sequence[int]) -> None:
        assert token_ids
        entries = [Entry(token_id, "together") for token_id in token_ids]
        if len(entries) % _TILE == 1:
            entries[-1] = Entry(token_ids[-1], "alone")
        self._write(slot, start, entries)

    def decode(self, request: Request) -> list[Entry]:
        """Writes the request's last token; everything its successor is computed from."""
        assert request.slot is not None
        start = request.num_computed_tokens
        self._write(request.slot, start, [Entry(request.last_token_id, "alone")])
        return self.contents[request.slot]

    def _write(self, slot: int, start: int, entries: list[Entry]) -> None:
        held = self.contents[slot]
        assert start <= len(held), "written behind a gap"
        assert start + len(entries) <= self._slot_length, "written beyond the slot"
        self.contents[slot] = held[:start] + entries


class SlotRunner(Runner):
    """A runner whose logits are a hash of the entries they are computed from."""

    def __init__(self, *, num_slots: int, slot_length: int = 4096) -> None:
        self.num_slots = num_slots
        self.prefills_behind = True
        self.vocab_size = VOCAB_SIZE
        self.slot_length = slot_length
        self.slots = Slots(num_slots, slot_length)

    def close(self) -> None:
        pass

    def prefill(self, slot: int, start: int, token_ids: Sequence[int]) -> None:
        self.slots.prefill(slot, start, token_ids)

    def follow(self, slot: int, start: int, token_ids: Sequence[int]) -> NDArray[np.float32]:
        self.slots.prefill(slot, start, token_ids)
        return _logits(self.slots.contents[slot])

    def decode(self, requests: Sequence[Request]) -> NDArray[np.float32]:
        first = requests[0].slot
        assert first is not None
        assert [request.slot for request in requests] == list(range(first, first + len(requests)))
        return np.stack([_logits(self.slots.decode(request)) for request in requests])

    def move(self, move: Move) -> None:
        self.slots.move(move)


def _logits(entries: list[Entry]) -> NDArray[np.float32]:
    text = " ".join(f"{entry.token_id}{entry.computed[0]}" for entry in entries)
    generator = np.random.default_rng(zlib.crc32(text.encode()))
    return (3 * generator.standard_normal(VOCAB_SIZE)).astype(np.float32)
