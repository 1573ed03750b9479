"""One model's engine: each step is schedule, run, sample, update."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from service.engine.constraint import ConstraintError
from service.engine.logprobs import logprobs_of
from service.engine.masks import Mask, Masks
from service.engine.request import FinishReason, Logprobs, Request
from service.engine.runner import Runner
from service.engine.sampler import Logits, Sampler, make_sampler
from service.engine.scheduler import PrefillChunk, Scheduler, Step

_log = logging.getLogger(__name__)


MIN_FORCED_TOKENS = 3
"""Fewer forced tokens are decoded one by one, which other requests do at the same time: computing
them at once costs a run of the model for this request alone. Three pay for it alone (1.7 times
the rate of answers) and cost eight requests nothing; two would cost them a tenth. Whatever else
is running the number is the same, since tokens computed at once are rounded differently."""

MAX_FORCED_TOKENS = 31
"""Computed at once with the token before them. One more would be in an attention tile of its own,
and round differently."""


@dataclass(frozen=True, slots=True)
class StepOutput:
    """What a step did to one request: a token, its end, or its failure (all None)."""

    request: Request
    token_id: int | None
    finish_reason: FinishReason | None
    logprobs: Logprobs | None = None

    @property
    def failed(self) -> bool:
        return self.token_id is None and self.finish_reason is None


class Engine:
    """Runs requests to their ends. Used by one thread at a time."""

    def __init__(self, runner: Runner) -> None:
        self.runner = runner
        self.scheduler = Scheduler(runner.num_slots, prefills_behind=runner.prefills_behind)
        self._samplers: dict[Request, Sampler] = {}
        self._masks = Masks()

    @property
    def has_work(self) -> bool:
        return self.scheduler.has_work

    def add(self, request: Request) -> None:
        self._samplers[request] = make_sampler(request)
        self.scheduler.add(request)

    def abort(self, request: Request) -> None:
        self.scheduler.abort(request)
        self._samplers.pop(request, None)

    def close(self) -> None:
        """Ends its thread. No step may follow."""
        self._masks.close()

    def step(self) -> list[StepOutput]:
        """Computes at most one prefill chunk and one token for every running request."""
        step = self.scheduler.schedule()
        for move in step.moves:
            self.runner.move(move)
        failed = self._prefill(step.prefill) if step.prefill else []
        if failed:
            # The failed one may leave a gap between its neighbours: close it next step.
            return self._fail(failed)
        ended = self._end(step.ends) if step.ends else []
        return [*ended, *self._advance_running(step)]

    def fail_all(self) -> list[StepOutput]:
        """Ends every request as failed, after an error that may concern any of them."""
        self._samplers.clear()
        return [StepOutput(request, None, None) for request in self.scheduler.fail_all()]

    def _prefill(self, chunk: PrefillChunk) -> list[Request]:
        try:
            self._run_prefill(chunk)
        except Exception:  # noqa: BLE001  whatever the runtime raises ends this request and no other
            _log.exception("the prefill of request %d failed", chunk.request.request_id)
            return [chunk.request]
        self.scheduler.prefilled(chunk)
        return []

    def _run_prefill(self, chunk: PrefillChunk) -> None:
        request = chunk.request
        assert request.slot is not None
        if not request.wants_prompt_logprobs or request.output_token_ids:
            self.runner.prefill(request.slot, chunk.start, chunk.token_ids)
            return
        rows = self.runner.prefill_with_logits(request.slot, chunk.start, chunk.token_ids)
        following = request.prompt_token_ids[chunk.start + 1 : chunk.end + 1]
        request.prompt_logprobs += [
            logprobs_of(logits, token_id, request.num_logprobs or 0)
            for logits, token_id in zip(rows, following, strict=True)
        ]

    def _end(self, request: Request) -> list[StepOutput]:
        """Ends a request that wants no token beyond its prompt's logprobs."""
        del self._samplers[request]
        return [StepOutput(request, None, self.scheduler.ended(request))]

    def _advance_running(self, step: Step) -> list[StepOutput]:
        behind = [chunk.request for chunk in step.catch_up]
        requests = [*behind, *(request for request in step.decode if request not in behind)]
        filling = self._masks.start(requests, self.runner.vocab_size)
        try:
            logits = self._logits(step)
        finally:
            masks = filling.result()
        failed = [request for request in requests if request not in logits]
        return [
            *self._fail(failed),
            *(
                output
                for request, row in logits.items()
                for output in self._advance_all(request, row, masks.get(request))
            ),
        ]

    def _logits(self, step: Step) -> dict[Request, Logits]:
        """Those behind the newest token of each request, but of those that failed."""
        logits = self._decode(step.decode)
        for chunk in step.catch_up:
            logits.pop(chunk.request, None)
            logits.update(self._follow(chunk))
        return logits

    def _decode(self, requests: Sequence[Request]) -> dict[Request, Logits]:
        """Nothing where it fails: the rows of a batch share one run."""
        if not requests:
            return {}
        try:
            return dict(zip(requests, self.runner.decode(requests), strict=True))
        except Exception:  # noqa: BLE001  whatever the runtime raises ends these requests alone
            _log.exception("a decode step of %d requests failed", len(requests))
            return {}

    def _follow(self, chunk: PrefillChunk) -> dict[Request, Logits]:
        """Nothing where it fails."""
        request = chunk.request
        assert request.slot is not None
        try:
            return {request: self.runner.follow(request.slot, chunk.start, chunk.token_ids)}
        except Exception:  # noqa: BLE001  whatever the runtime raises ends this request and no other
            _log.exception("the forced tokens of request %d failed", request.request_id)
            return {}

    def _advance_all(self, request: Request, logits: Logits, mask: Mask) -> list[StepOutput]:
        """The next token, and those that its constraint forces behind it."""
        try:
            return self._advance_with_forced(request, logits, mask)
        except Exception:  # noqa: BLE001  what fails in one request's sampling ends no other
            _log.exception("the sampling of request %d failed", request.request_id)
            return self._fail([request])

    def _advance_with_forced(
        self, request: Request, logits: Logits, mask: Mask
    ) -> list[StepOutput]:
        output = self._advance(request, logits, mask)
        if output.finish_reason is not None or output.failed or not request.may_skip_logits:
            return [output]
        forced = request.constraint.forced() if request.constraint else ()
        if len(forced) < MIN_FORCED_TOKENS:
            return [output]
        return [output, *self._force(request, forced[:MAX_FORCED_TOKENS])]

    def _force(self, request: Request, token_ids: Sequence[int]) -> list[StepOutput]:
        outputs: list[StepOutput] = []
        assert request.constraint is not None
        for token_id in token_ids:
            request.constraint.consume(token_id)
            finish_reason = self.scheduler.followed(request, token_id)
            outputs.append(StepOutput(request, token_id, finish_reason))
            if finish_reason is not None:
                del self._samplers[request]
                break
        return outputs

    def _advance(self, request: Request, logits: Logits, mask: Mask) -> StepOutput:
        token_id = self._choose(request, logits, mask)
        if not np.isfinite(logits[token_id]):
            _log.error("request %d got logits that are no numbers", request.request_id)
            return self._fail([request])[0]
        finish_reason = self.scheduler.decoded(request, token_id)
        if finish_reason is not None:
            del self._samplers[request]
        if request.num_logprobs is None:
            return StepOutput(request, token_id, finish_reason)
        logprobs = logprobs_of(logits, token_id, request.num_logprobs)
        return StepOutput(request, token_id, finish_reason, logprobs)

    def _choose(self, request: Request, logits: Logits, mask: Mask) -> int:
        """The next token; the request's constraint knows of it, unless it ends the output.

        Raises ConstraintError where the constraint cannot go on.
        """
        if isinstance(mask, ConstraintError):
            raise mask
        token_id = self._samplers[request](logits, mask)
        if request.constraint is not None and token_id not in request.stop_token_ids:
            request.constraint.consume(token_id)
        return token_id

    def _fail(self, requests: Sequence[Request]) -> list[StepOutput]:
        for request in requests:
            self.scheduler.fail(request)
            self._samplers.pop(request, None)
        return [StepOutput(request, None, None) for request in requests]
