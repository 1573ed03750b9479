"""Decides what the next step computes. No tensor, no clock, no thread."""

from __future__ import annotations

from collections import deque
from collections.abc import Container, Sequence
from dataclasses import dataclass

from service.engine.kv_cache import KvCache, Move, ends_alone
from service.engine.request import FinishReason, Request

PREFILL_CHUNK_ALONE = 256
"""Tokens prefilled per step while nobody decodes: fewer steps, more throughput."""

PREFILL_CHUNK_WITH_LOGITS = 64
"""Where each token's logits are wanted: a chunk of a vocabulary of 128,000 takes 33 MB."""

PREFILL_CHUNK_SHARED = 128
"""Tokens prefilled per step while others decode, who wait for it between two of their tokens."""


@dataclass(frozen=True, slots=True)
class PrefillChunk:
    """The tokens `[start, end)` of `request`, to be computed into its slot."""

    request: Request
    start: int
    end: int

    @property
    def token_ids(self) -> Sequence[int]:
        return self.request.known_token_ids(self.start, self.end)


@dataclass(frozen=True, slots=True)
class Step:
    """The work of one step, in this order: moves, the prefill, one token for each of `decode`, the
    known tokens of each request of `catch_up`.

    The requests to decode lie in neighbouring slots once the moves are made, and are listed in
    the order of their slots; one of `catch_up` is among them where it lies between others: what
    its row gives is not looked at, and what it writes is written over when it catches up. `ends`
    is one that wants no token: it is over with the prefill.
    """

    moves: Sequence[Move]
    prefill: PrefillChunk | None
    decode: Sequence[Request]
    ends: Request | None = None
    catch_up: Sequence[PrefillChunk] = ()


class Scheduler:
    """First come, first served: one request prefills at a time, all prefilled ones decode."""

    def __init__(self, num_slots: int, *, prefills_behind: bool = True) -> None:
        """`prefills_behind` says whether several tokens can be computed at once behind others;
        where they cannot, a prompt is one chunk, unless all its logits are wanted."""
        self._prefills_behind = prefills_behind
        self.cache = KvCache(num_slots, prefills_behind=prefills_behind)
        self.waiting: deque[Request] = deque()
        self.prefilling: Request | None = None
        self.running: list[Request] = []

    @property
    def has_work(self) -> bool:
        return bool(self.waiting or self.prefilling or self.running)

    def add(self, request: Request) -> None:
        self.waiting.append(request)

    def schedule(self) -> Step:
        """The next step. Requests prefilled by its chunk decode in the same step."""
        moves: list[Move] = [*self._admit()]
        chunk = self._next_chunk()
        ends = None
        if self.prefilling and (chunk is None or chunk.end == self.prefilling.num_prefill_tokens):
            if self.prefilling.max_tokens:
                self.running.append(self.prefilling)
                self.prefilling = None
            else:
                ends = self.prefilling
        moves += self.cache.gather(self.running)
        running = sorted(self.running, key=_slot)
        catch_up = {each: _known(each) for each in running if _is_behind(each)}
        return Step(moves, chunk, _between(running, catch_up), ends, [*catch_up.values()])

    def prefilled(self, chunk: PrefillChunk) -> None:
        """Notes that `chunk` was computed."""
        chunk.request.num_computed_tokens = chunk.end

    def ended(self, request: Request) -> FinishReason:
        """Notes that the prompt of `request`, which wants no token, was computed."""
        assert request is self.prefilling
        self.prefilling = None
        self.cache.release(request)
        return "length"

    def decoded(self, request: Request, token_id: int) -> FinishReason | None:
        """Notes the token that followed once all before it were computed; a finished request
        gives its slot back."""
        request.num_computed_tokens = request.num_known_tokens
        return self.followed(request, token_id)

    def followed(self, request: Request, token_id: int) -> FinishReason | None:
        """Notes a token that follows without having been computed."""
        finish_reason = request.append(token_id)
        if finish_reason is not None:
            self.running.remove(request)
            self.cache.release(request)
        return finish_reason

    def abort(self, request: Request) -> None:
        """Drops `request` wherever it is; one that is gone already is no error."""
        if self._drop(request):
            self.cache.release(request)

    def fail(self, request: Request) -> None:
        """Drops `request` after a step that went wrong, with whatever it left in its slot."""
        if self._drop(request):
            self.cache.forget(request)

    def fail_all(self) -> list[Request]:
        """Drops every request and all that the cache holds; gives the requests.

        After an error in the midst of a step nothing is known of any slot, the free ones included:
        a move may have been made by half.
        """
        requests = self.requests()
        for request in requests:
            request.slot = None
        self.cache = KvCache(len(self.cache.slots), prefills_behind=self._prefills_behind)
        self.waiting.clear()
        self.running.clear()
        self.prefilling = None
        return requests

    def requests(self) -> list[Request]:
        """All requests that are not finished, the running ones first."""
        prefilling = [self.prefilling] if self.prefilling else []
        return [*self.running, *prefilling, *self.waiting]

    def _drop(self, request: Request) -> bool:
        """Takes `request` out; says whether it had a slot."""
        if request in self.waiting:
            self.waiting.remove(request)
        elif request is self.prefilling:
            self.prefilling = None
        elif request in self.running:
            self.running.remove(request)
        return request.slot is not None

    def _admit(self) -> Sequence[Move]:
        if self.prefilling or not self.waiting or not self.cache.has_free_slot:
            return []
        self.prefilling = self.waiting.popleft()
        return self.cache.allocate(self.prefilling)

    def _next_chunk(self) -> PrefillChunk | None:
        request = self.prefilling
        if request is None or request.is_prefilled:
            return None
        start = request.num_computed_tokens
        if not self._prefills_behind and not request.wants_prompt_logprobs:
            return PrefillChunk(request, start, request.num_prefill_tokens)
        limit = PREFILL_CHUNK_SHARED if self.running else PREFILL_CHUNK_ALONE
        if request.wants_prompt_logprobs:
            limit = PREFILL_CHUNK_WITH_LOGITS
        return PrefillChunk(
            request, start, start + chunk_size(request.num_prefill_tokens - start, limit)
        )


def chunk_size(num_left: int, limit: int) -> int:
    """How many of `num_left` tokens to prefill now, at most `limit`, so that none ends alone.

    A prompt of two tokens has but one to prefill, which nothing can be done about.
    """
    if num_left > limit:
        return limit - 1 if ends_alone(num_left - limit) else limit
    return num_left - 2 if num_left > 1 and ends_alone(num_left) else num_left


def _is_behind(request: Request) -> bool:
    """Whether tokens were forced, so that more than the newest one is to be computed."""
    return bool(request.output_token_ids) and (
        request.num_known_tokens - request.num_computed_tokens > 1
    )


def _known(request: Request) -> PrefillChunk:
    return PrefillChunk(request, request.num_computed_tokens, request.num_known_tokens)


def _between(running: Sequence[Request], without: Container[Request]) -> Sequence[Request]:
    """From the first to the last of `running` that is not in `without`."""
    wanted = [i for i, request in enumerate(running) if request not in without]
    return running[wanted[0] : wanted[-1] + 1] if wanted else ()


def _slot(request: Request) -> int:
    assert request.slot is not None
    return request.slot
