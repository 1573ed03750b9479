"""What changes a request's logits before the draw, each kind a small object with its own memory.

The order is vLLM's: bias, tokens that may not come yet, then penalties.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from service.engine.request import Request

Logits = NDArray[np.float32]


class Adjustment(Protocol):
    def apply(self, logits: Logits) -> None:
        """Changes one row of logits, float32 `[vocab_size]`, in place."""
        ...

    def note(self, token_id: int) -> None:
        """Learns which token was drawn."""
        ...


def make_adjustments(request: Request) -> Sequence[Adjustment]:
    """Those that the parameters of `request` ask for, in the order they apply."""
    params = request.sampling
    adjustments: list[Adjustment] = []
    if params.logit_bias:
        adjustments.append(_Bias(params.logit_bias))
    if request.min_tokens and request.stop_token_ids:
        adjustments.append(_NoStopYet(request.stop_token_ids, request.min_tokens))
    if params.repetition_penalty != 1:
        adjustments.append(_repetition(request))
    if params.frequency_penalty or params.presence_penalty:
        adjustments.append(_Occurrence(params.frequency_penalty, params.presence_penalty))
    return adjustments


class _Bias:
    def __init__(self, bias: Iterable[tuple[int, float]]) -> None:
        token_ids, values = zip(*bias, strict=True)
        self._token_ids = np.array(token_ids, np.intp)
        self._values = np.array(values, np.float32)

    def apply(self, logits: Logits) -> None:
        logits[self._token_ids] += self._values

    def note(self, token_id: int) -> None:
        """What was drawn does not matter to it."""


class _NoStopYet:
    def __init__(self, stop_token_ids: Collection[int], min_tokens: int) -> None:
        self._stop_token_ids = np.array(sorted(stop_token_ids), np.intp)
        self._num_left = min_tokens

    def apply(self, logits: Logits) -> None:
        if self._num_left:
            logits[self._stop_token_ids] = -np.inf

    def note(self, token_id: int) -> None:  # noqa: ARG002
        self._num_left = max(0, self._num_left - 1)


def _repetition(request: Request) -> Adjustment:
    penalty, window = request.sampling.repetition_penalty, request.sampling.repetition_window
    if window is None:
        return _Repetition(request.prompt_token_ids, penalty)
    return _RecentRepetition(request.prompt_token_ids, penalty, window)


class _RecentRepetition:
    """Forgets tokens that lie more than `window` back."""

    def __init__(self, prompt_token_ids: Sequence[int], penalty: float, window: int) -> None:
        self._recent = deque(prompt_token_ids, maxlen=window)
        self._penalty = np.float32(penalty)

    def apply(self, logits: Logits) -> None:
        _penalise({*self._recent}, self._penalty, logits)

    def note(self, token_id: int) -> None:
        self._recent.append(token_id)


class _Repetition:
    def __init__(self, prompt_token_ids: Iterable[int], penalty: float) -> None:
        self._seen = {*prompt_token_ids}
        self._penalty = np.float32(penalty)

    def apply(self, logits: Logits) -> None:
        _penalise(self._seen, self._penalty, logits)

    def note(self, token_id: int) -> None:
        self._seen.add(token_id)


def _penalise(token_ids: Collection[int], penalty: np.float32, logits: Logits) -> None:
    seen = np.fromiter(token_ids, np.intp, len(token_ids))
    values = logits[seen]
    logits[seen] = np.where(values > 0, values / penalty, values * penalty)


class _Occurrence:
    def __init__(self, frequency: float, presence: float) -> None:
        self._frequency = np.float32(frequency)
        self._presence = np.float32(presence)
        self._counts: dict[int, int] = {}

    def apply(self, logits: Logits) -> None:
        seen = np.fromiter(self._counts.keys(), np.intp, len(self._counts))
        times = np.fromiter(self._counts.values(), np.float32, len(self._counts))
        logits[seen] -= self._frequency * times + self._presence

    def note(self, token_id: int) -> None:
        self._counts[token_id] = self._counts.get(token_id, 0) + 1
