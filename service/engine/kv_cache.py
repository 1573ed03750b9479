"""Which slot of the KV cache belongs to whom: accounting only, no tensor in sight.

A slot holds the keys and values of one sequence. A freed slot keeps them, so that the next
request with the same beginning starts behind it. Rows that decode together must be neighbours
(the attention kernel takes a contiguous range of rows), so slots are swapped when they are not.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from service.engine.request import Request

MIN_REUSED_TOKENS = 8
"""Shorter common beginnings are computed anew: copying saves nothing there.

It also keeps a slot whose prefill was a single token from being reused: that token alone was not
computed as it would have been together with others.
"""

REUSED_PER_LEFT_TOKEN = 16
"""Where tokens behind others are computed one by one, a beginning is reused if it has so many for
each that is left: a prompt computed anew goes in at once, at a rate that is higher by about this.
"""

QUERY_TILE = 32
"""A prefill's attention takes tokens in tiles, and a tile of one token runs through other kernels
than several, which round differently. So no chunk may end in such a tile.

A tile is twice the head size, or less where the second-level cache is small (ONNX Runtime's
contrib_ops/cpu/bert/multihead_attention.cc: `q_block_size`). 32 divides it for the usual sizes.
"""


def ends_alone(num_tokens: int) -> bool:
    """Whether the last of `num_tokens` prefilled at once may be in a tile of its own."""
    return num_tokens % QUERY_TILE == 1


@dataclass(frozen=True, slots=True)
class Copy:
    """The first `num_tokens` of slot `source` are to be copied to slot `target`."""

    source: int
    target: int
    num_tokens: int


@dataclass(frozen=True, slots=True)
class Swap:
    """The first `num_tokens` of two slots are to change places."""

    first: int
    second: int
    num_tokens: int


Move = Copy | Swap


@dataclass(eq=False, slots=True)
class Slot:
    """A row of the cache: owned by `owner`, or free and keeping `token_ids` for reuse.

    The first `num_exact` of the tokens were computed as a prefill of them would; those behind
    were decoded, which rounds differently.
    """

    owner: Request | None = None
    token_ids: list[int] = field(default_factory=list)
    num_exact: int = 0
    last_used: int = 0

    def cached_token_ids(self) -> list[int]:
        return self.owner.computed_token_ids() if self.owner else self.token_ids

    @property
    def num_tokens(self) -> int:
        return self.owner.num_computed_tokens if self.owner else len(self.token_ids)

    def num_reusable(self, request: Request, *, prefills_behind: bool = True) -> int:
        """How many leading tokens of `request` need no prefill if it starts from this slot."""
        if request.wants_prompt_logprobs:
            return 0  # what was cached has no logits
        known = self.cached_token_ids()
        if request.needs_exact_cache:
            known = known[: self.num_exact]
        common = _common_prefix(known, request.prompt_token_ids[: request.num_prefill_tokens])
        num_left = request.num_prefill_tokens - common
        if not prefills_behind and common < REUSED_PER_LEFT_TOKEN * num_left:
            return 0
        return common if common >= MIN_REUSED_TOKENS else 0


class KvCache:
    """Hands slots to requests and takes them back."""

    def __init__(self, num_slots: int, *, prefills_behind: bool = True) -> None:
        self._prefills_behind = prefills_behind
        self.slots = [Slot() for _ in range(num_slots)]
        self._clock = 0

    @property
    def has_free_slot(self) -> bool:
        return any(slot.owner is None for slot in self.slots)

    def allocate(self, request: Request) -> list[Copy]:
        """Gives `request` a slot and what is known of its prompt; the copy that takes, if any."""
        reusable = [
            slot.num_reusable(request, prefills_behind=self._prefills_behind) for slot in self.slots
        ]
        best = max(range(len(self.slots)), key=reusable.__getitem__)
        num_reused = reusable[best]
        target = self._choose_target(best, num_reused)
        request.slot = target
        if num_reused and ends_alone(request.num_prefill_tokens - num_reused):
            num_reused -= 1
        request.num_cached_tokens = request.num_computed_tokens = num_reused
        num_exact_source = self.slots[best].num_exact
        slot = self.slots[target]
        slot.owner = request
        slot.token_ids = []
        slot.num_exact = self._num_exact(request, num_reused, num_exact_source)
        if target == best or not num_reused:
            return []
        return [Copy(best, target, num_reused)]

    def release(self, request: Request) -> None:
        """Frees the slot of `request`, keeping its tokens for reuse."""
        assert request.slot is not None
        slot = self.slots[request.slot]
        assert slot.owner is request
        slot.token_ids = request.computed_token_ids()
        slot.num_exact = min(slot.num_exact, len(slot.token_ids))
        slot.owner = None
        self._clock += 1
        slot.last_used = self._clock
        request.slot = None

    def forget(self, request: Request) -> None:
        """Frees the slot of `request` whose contents cannot be trusted, after a failed step."""
        assert request.slot is not None
        self.slots[request.slot] = Slot()
        request.slot = None

    def gather(self, requests: Sequence[Request]) -> list[Swap]:
        """The swaps after which `requests` lie in neighbouring slots, moving the least."""
        wanted = {request.slot for request in requests if request.slot is not None}
        assert len(wanted) == len(requests)
        if not wanted or max(wanted) - min(wanted) + 1 == len(wanted):
            return []
        starts = range(len(self.slots) - len(wanted) + 1)
        start = min(starts, key=lambda start: self._cost(start, wanted))
        window = range(start, start + len(wanted))
        holes = [index for index in window if index not in wanted]
        outside = sorted(wanted.difference(window))
        return [self._swap(hole, index) for hole, index in zip(holes, outside, strict=True)]

    def usage(self) -> tuple[int, int]:
        """Tokens of requests that run, and tokens kept for others.

        Nearly so: it may be asked for from another thread than the one that moves them.
        """
        num_used = num_kept = 0
        for slot in self.slots:
            owner = slot.owner
            if owner is None:
                num_kept += len(slot.token_ids)
            else:
                num_used += owner.num_computed_tokens
        return num_used, num_kept

    def check(self, requests: Iterable[Request]) -> None:
        """Asserts that exactly `requests` own slots, each the one it names."""
        owners = {id(slot.owner) for slot in self.slots if slot.owner is not None}
        assert owners == {id(request) for request in requests}
        for index, slot in enumerate(self.slots):
            assert slot.owner is None or slot.owner.slot == index
            assert slot.num_exact <= max(slot.num_tokens, _num_prefill(slot))

    def _choose_target(self, best: int, num_reused: int) -> int:
        """The free slot to fill: the best match, unless that would waste most of what it holds."""
        free = [index for index, slot in enumerate(self.slots) if slot.owner is None]
        free.sort(key=self._age)
        if not num_reused or best not in free:
            return free[0]
        if 2 * num_reused > self.slots[best].num_tokens:
            return best
        return next((index for index in free if index != best), best)

    def _age(self, index: int) -> tuple[bool, int, int]:
        slot = self.slots[index]
        return slot.num_tokens > 0, slot.last_used, index

    def _cost(self, start: int, wanted: set[int]) -> int:
        window = range(start, start + len(wanted))
        moved = wanted.symmetric_difference(window)
        return sum(self.slots[index].num_tokens for index in moved)

    def _swap(self, first: int, second: int) -> Swap:
        one, other = self.slots[first], self.slots[second]
        self.slots[first], self.slots[second] = other, one
        for index in (first, second):
            owner = self.slots[index].owner
            if owner is not None:
                owner.slot = index
        return Swap(first, second, max(one.num_tokens, other.num_tokens))

    @staticmethod
    def _num_exact(request: Request, num_reused: int, num_exact_source: int) -> int:
        """How far the slot will be exact: up to inexact tokens taken over, else all the prompt.

        A prompt whose logits are wanted goes through the decoder's graph, whatever there is for
        prompts, and is not what others would compute.
        """
        if request.wants_prompt_logprobs:
            return 0
        if num_reused > num_exact_source:
            return num_exact_source
        return request.num_prefill_tokens


def _num_prefill(slot: Slot) -> int:
    return slot.owner.num_prefill_tokens if slot.owner else 0


def _common_prefix(one: Sequence[int], other: Sequence[int]) -> int:
    length = min(len(one), len(other))
    if one[:length] == other[:length]:
        return length
    return next(i for i in range(length) if one[i] != other[i])
