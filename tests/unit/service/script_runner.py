"""A runner that says what it is told to."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from service.engine.kv_cache import Move
from service.engine.request import Request
from service.engine.runner import Runner


class ScriptRunner(Runner):
    """Every request gets the tokens of `script`, whatever its prompt, then `end` for ever."""

    def __init__(
        self, script: Sequence[int], *, end: int, vocab_size: int, num_slots: int = 2
    ) -> None:
        self.num_slots = num_slots
        self.prefills_behind = True
        self.slot_length = 4096
        self.script = [*script]
        self.num_decoded = 0
        self._end = end
        self._requests: dict[int, Request] = {}
        self.vocab_size = vocab_size

    def close(self) -> None:
        pass

    def prefill(self, slot: int, start: int, token_ids: Sequence[int]) -> None:
        pass

    def follow(self, slot: int, start: int, token_ids: Sequence[int]) -> NDArray[np.float32]:
        return self._scripted(self._requests[slot])

    def move(self, move: Move) -> None:
        pass

    def decode(self, requests: Sequence[Request]) -> NDArray[np.float32]:
        self.num_decoded += len(requests)
        for request in requests:
            assert request.slot is not None
            self._requests[request.slot] = request
        return np.stack([self._scripted(request) for request in requests])

    def _scripted(self, request: Request) -> NDArray[np.float32]:
        logits = np.zeros(self.vocab_size, np.float32)
        position = len(request.output_token_ids)
        logits[self.script[position] if position < len(self.script) else self._end] = 10
        return logits
