"""Responses that can be gone on with, or looked at, later."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from service.api.openai.responses.items import Item
from service.api.openai.responses.schema import ResponseObject

MAX_RESPONSES = 1000
MAX_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class StoredResponse:
    """A response and all that it was given, the conversation before it included."""

    response: ResponseObject
    input_items: Sequence[Item]

    @property
    def conversation(self) -> tuple[Item, ...]:
        """What a next response goes on with."""
        return (*self.input_items, *self.response.output)

    def num_bytes(self) -> int:
        """Its size as JSON. Items that it shares with other responses count for each of them, so
        that none keeps alive what is not counted."""
        parts = (self.response, *self.input_items)
        return sum(len(msgspec.json.encode(part)) for part in parts)


class ResponseStore:
    """Keeps the responses that were used last, in memory; to be used from one thread."""

    def __init__(self, *, max_responses: int = MAX_RESPONSES, max_bytes: int = MAX_BYTES) -> None:
        self._max_responses = max_responses
        self._max_bytes = max_bytes
        self._kept: OrderedDict[str, tuple[StoredResponse, int]] = OrderedDict()
        self._num_bytes = 0

    def __len__(self) -> int:
        return len(self._kept)

    def put(self, stored: StoredResponse) -> None:
        """Others make room for it; one larger than all the room is not kept."""
        num_bytes = stored.num_bytes()
        self._kept[stored.response.id] = (stored, num_bytes)
        self._num_bytes += num_bytes
        while len(self._kept) > self._max_responses or self._num_bytes > self._max_bytes:
            self.delete(next(iter(self._kept)))

    def get(self, response_id: str) -> StoredResponse | None:
        if response_id not in self._kept:
            return None
        self._kept.move_to_end(response_id)
        return self._kept[response_id][0]

    def delete(self, response_id: str) -> bool:
        """Whether it was there."""
        _, num_bytes = self._kept.pop(response_id, (None, None))
        if num_bytes is None:
            return False
        self._num_bytes -= num_bytes
        return True
