"""The scheduler against a model of the slots' contents, in any order of events."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from service.engine.request import Request
from service.engine.scheduler import PREFILL_CHUNK_ALONE, Scheduler, Step
from tests.unit.service.engine.requests import GREEDY, SEEDED, make_request
from tests.unit.service.engine.slot_model import Entry, Slots

SLOT_LENGTH = 2000
STOP = frozenset({99})
TEXTS = ([*range(600)], [*range(40), *range(1000, 1300)], [7] * 300)
"""Prompts are cut from these, so that many share a beginning."""

lengths = st.one_of(
    st.integers(1, 12), st.integers(1, 300), st.sampled_from([34, 66, 129, 130, 131, 257, 258, 290])
)


@dataclass
class History:
    """What the test knows: who lives, who came in which order, what was answered before."""

    live: list[Request] = field(default_factory=list)
    admitted: list[Request] = field(default_factory=list)
    ended: list[Request] = field(default_factory=list)


class SchedulerMachine(RuleBasedStateMachine):
    @initialize(num_slots=st.integers(1, 5))
    def start(self, num_slots: int) -> None:
        self.scheduler = Scheduler(num_slots)
        self.slots = Slots(num_slots, SLOT_LENGTH)
        self.history = History()
        self.next_token = 0

    def _add(self, prompt: list[int], max_tokens: int, seeded: bool) -> None:
        sampling = SEEDED if seeded else GREEDY
        request = make_request(prompt, max_tokens=max_tokens, sampling=sampling, stop=STOP)
        self.history.live.append(request)
        self.scheduler.add(request)

    @rule(
        text=st.sampled_from(TEXTS),
        length=lengths,
        tail=st.lists(st.integers(0, 3), max_size=3),
        max_tokens=st.integers(1, 12),
        seeded=st.booleans(),
    )
    def add(
        self, text: list[int], length: int, tail: list[int], max_tokens: int, seeded: bool
    ) -> None:
        self._add([*text[:length], *tail], max_tokens, seeded)

    @precondition(lambda self: self.history.ended)
    @rule(data=st.data(), max_tokens=st.integers(1, 12), seeded=st.booleans())
    def continue_conversation(self, data: st.DataObject, max_tokens: int, seeded: bool) -> None:
        before = data.draw(st.sampled_from(self.history.ended))
        prompt = [*before.prompt_token_ids, *before.output_token_ids, 5, 6]
        if len(prompt) < SLOT_LENGTH - 20:
            self._add(prompt, max_tokens, seeded)

    @precondition(lambda self: self.history.live)
    @rule(data=st.data())
    def abort(self, data: st.DataObject) -> None:
        request = data.draw(st.sampled_from(self.history.live))
        self.scheduler.abort(request)
        self._end(request)

    @rule()
    def fail_all(self) -> None:
        assert set(self.scheduler.fail_all()) == set(self.history.live)
        for slot in self.slots.contents:
            slot.clear()
        self.history.live.clear()

    @precondition(lambda self: self.scheduler.has_work)
    @rule(num_steps=st.integers(1, 4), fails=st.sampled_from([None] * 6 + ["prefill", "row"]))
    def make_steps(self, num_steps: int, fails: str | None) -> None:
        for _ in range(num_steps):
            self._step(fails)

    def _step(self, fails: str | None = None) -> None:
        waiting = list(self.scheduler.waiting)
        step = self.scheduler.schedule()
        assert list(self.scheduler.waiting) in (waiting, waiting[1:]), "out of turn"
        assert step.prefill or step.decode or not self.scheduler.has_work, "nothing gets ahead"
        for move in step.moves:
            self.slots.move(move)
        if step.prefill and not self._prefill(step, fails == "prefill"):
            return
        self._check_neighbours(step)
        for request in step.decode:
            self._decode(request, fails == "row" and request is step.decode[0])

    def _prefill(self, step: Step, fails: bool) -> bool:
        """Whether the rows may decode."""
        chunk = step.prefill
        assert chunk is not None
        request = chunk.request
        assert request.slot is not None
        assert chunk.start == request.num_computed_tokens
        assert 0 < len(chunk.token_ids) <= PREFILL_CHUNK_ALONE
        self.slots.prefill(request.slot, chunk.start, chunk.token_ids)
        if fails:
            self.slots.contents[request.slot].clear()
            self.scheduler.fail(request)
            self._end(request)
            return request not in step.decode
        self.scheduler.prefilled(chunk)
        return True

    def _check_neighbours(self, step: Step) -> None:
        slots = [request.slot for request in step.decode]
        assert all(slot is not None for slot in slots)
        if slots and slots[0] is not None:
            assert slots == list(range(slots[0], slots[0] + len(slots)))

    def _decode(self, request: Request, fails: bool) -> None:
        entries = self.slots.decode(request)
        tokens = [*request.prompt_token_ids, *request.output_token_ids]
        assert [entry.token_id for entry in entries] == tokens, "another's tokens"
        if request.needs_exact_cache:
            assert entries == _fresh(request), "not as a fresh prefill computes it"
        if fails:
            assert request.slot is not None
            self.slots.contents[request.slot].clear()
            self.scheduler.fail(request)
            self._end(request)
            return
        self.next_token = (self.next_token + 1) % 100
        if self.scheduler.decoded(request, self.next_token) is not None:
            self._end(request)

    def _end(self, request: Request) -> None:
        self.history.live.remove(request)
        self.history.ended.append(request)
        assert request.slot is None

    @invariant()
    def accounting_holds(self) -> None:
        if not hasattr(self, "scheduler"):
            return
        requests = self.scheduler.requests()
        assert set(requests) == set(self.history.live)
        self.scheduler.cache.check([request for request in requests if request.slot is not None])
        for slot, held in zip(self.scheduler.cache.slots, self.slots.contents, strict=True):
            claimed = slot.cached_token_ids()
            assert [entry.token_id for entry in held[: len(claimed)]] == claimed

    def teardown(self) -> None:
        """Whatever has happened, all that live come to their ends."""
        if not hasattr(self, "scheduler"):
            return
        steps_left = sum(
            2 + len(request.prompt_token_ids) // 64 + request.max_tokens
            for request in self.history.live
        )
        while self.scheduler.has_work:
            assert steps_left > 0, "starved"
            steps_left -= 1
            self._step()
        assert not self.history.live


def _fresh(request: Request) -> list[Entry]:
    prefill = request.prompt_token_ids[:-1]
    prompt = [Entry(token_id, "together" if len(prefill) > 1 else "alone") for token_id in prefill]
    decoded = [request.prompt_token_ids[-1], *request.output_token_ids]
    return prompt + [Entry(token_id, "alone") for token_id in decoded]


TestSchedulerMachine = SchedulerMachine.TestCase
TestSchedulerMachine.settings = settings(
    max_examples=150,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
