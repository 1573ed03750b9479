"""The bridge between the event loop and the engine's thread.

Requests and aborts go up through an inbox; what a step produced comes down in one hand-over per
step. All methods but the thread's own are called on the event loop.
"""

from __future__ import annotations

import asyncio
import logging
import math
import threading
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from itertools import count
from queue import SimpleQueue

from service.engine.engine import Engine, StepOutput
from service.engine.request import FinishReason, Logprobs, Request
from service.errors import EngineFailure, Overloaded, RetortError, ShuttingDown
from service.metrics import KvUsage

_log = logging.getLogger(__name__)

_MAX_RETRY_AFTER_S = 60
_SMOOTHING = 0.2
"""Weight of the newest in the moving average of times between the ends of two requests."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """What has come since the last look; the last piece has a finish reason.

    `logprobs` are those of each token if they were asked for, else there are none.
    """

    token_ids: list[int]
    finish_reason: FinishReason | None
    logprobs: list[Logprobs]


class TokenStream:
    """The tokens of one request, read by one task."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.started_s = time.monotonic()
        self._token_ids: list[int] = []
        self._logprobs: list[Logprobs] = []
        self._finish_reason: FinishReason | None = None
        self._error: RetortError | None = None
        self._is_ended = False
        self._news = asyncio.Event()

    def put(self, output: StepOutput) -> None:
        """Takes what a step that did not fail made of the request."""
        if output.token_id is not None:
            self._token_ids.append(output.token_id)
        if output.logprobs is not None:
            self._logprobs.append(output.logprobs)
        self._finish_reason = output.finish_reason
        self._news.set()

    def end(self) -> None:
        """Nobody wants the rest: whoever still reads comes to an end without a finish reason."""
        self._is_ended = True
        self._news.set()

    def fail(self, error: RetortError) -> None:
        self._error = error
        self._news.set()

    async def __aiter__(self) -> AsyncIterator[Tokens]:
        """All tokens in pieces. Raises EngineFailure or ShuttingDown where the request failed."""
        finish_reason: FinishReason | None = None
        while finish_reason is None and not self._is_ended:
            await self._news.wait()
            self._news.clear()
            token_ids, self._token_ids = self._token_ids, []
            logprobs, self._logprobs = self._logprobs, []
            finish_reason = self._finish_reason
            if token_ids or finish_reason is not None:
                yield Tokens(token_ids, finish_reason, logprobs)
            if self._error is not None and finish_reason is None:
                raise self._error


class AsyncEngine:
    """Owns an engine and the thread that steps it."""

    def __init__(self, engine: Engine, loop: asyncio.AbstractEventLoop, *, max_queue: int) -> None:
        """At most `max_queue` submissions are taken beside as many as there are slots."""
        self._engine = engine
        self._loop = loop
        self._capacity = engine.runner.num_slots + max_queue
        self._inbox: SimpleQueue[_Command] = SimpleQueue()
        self._streams: dict[Request, TokenStream] = {}
        self._submission_of: dict[Request, int] = {}
        self._ids = count()
        self._submissions = count()
        self._draining = False
        self._mean_interval_s = 1.0 / self.num_slots
        self._last_end_s = 0.0
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self._thread.start()

    @property
    def num_requests(self) -> int:
        """Requests in flight, waiting ones included."""
        return len(self._streams)

    @property
    def num_slots(self) -> int:
        return self._engine.runner.num_slots

    def kv_usage(self) -> KvUsage:
        """What the slots hold at this moment."""
        num_used, num_kept = self._engine.scheduler.cache.usage()
        runner = self._engine.runner
        return KvUsage(num_used, num_kept, runner.num_slots * runner.slot_length)

    def new_id(self) -> int:
        """The id of the next request to submit."""
        return next(self._ids)

    def submit(self, requests: Sequence[Request]) -> list[TokenStream]:
        """Queues requests that belong together, each of which fits a slot: all of them or none.

        They count as one where the queue is bounded. Raises Overloaded or ShuttingDown.
        """
        if self._draining:
            raise ShuttingDown("The server is shutting down.")
        if len({*self._submission_of.values()}) >= self._capacity:
            raise self._overloaded()
        submission = next(self._submissions)
        streams = []
        for request in requests:
            stream = self._streams[request] = TokenStream(request)
            self._submission_of[request] = submission
            self._inbox.put(_Add(request))
            streams.append(stream)
        return streams

    def abort(self, request: Request) -> None:
        """Ends `request` before the next step; one that has ended is no error."""
        stream = self._forget(request)
        if stream is not None:
            stream.end()
            self._inbox.put(_Abort(request))

    def drain(self) -> None:
        """From now on new requests are refused; those in flight go on."""
        self._draining = True

    async def close(self) -> None:
        """Fails what still runs with ShuttingDown, ends the thread and frees the model."""
        self._draining = True
        for stream in self._streams.values():
            stream.fail(ShuttingDown("The server shut down before the answer was complete."))
        self._streams.clear()
        self._submission_of.clear()
        self._inbox.put(_Close())
        await asyncio.to_thread(self._thread.join)

    def _overloaded(self) -> Overloaded:
        """Tells when all that is in flight will have ended, if it goes on as it has."""
        error = Overloaded("The queue is full; try again later.")
        duration_s = math.ceil(len(self._streams) * self._mean_interval_s)
        error.retry_after_s = max(1, min(_MAX_RETRY_AFTER_S, duration_s))
        return error

    def _deliver(self, outputs: Sequence[StepOutput]) -> None:
        for output in outputs:
            stream = self._streams.get(output.request)
            if stream is None:
                continue
            if output.failed:
                stream.fail(EngineFailure("The model failed on this request."))
            else:
                stream.put(output)
            if output.failed or output.finish_reason is not None:
                self._forget(output.request)
                self._ended(stream)

    def _ended(self, stream: TokenStream) -> None:
        now_s = time.monotonic()
        # While there was nothing to do, nothing could end.
        interval_s = now_s - max(self._last_end_s, stream.started_s)
        self._mean_interval_s += _SMOOTHING * (interval_s - self._mean_interval_s)
        self._last_end_s = now_s

    def _forget(self, request: Request) -> TokenStream | None:
        self._submission_of.pop(request, None)
        return self._streams.pop(request, None)

    def _run(self) -> None:
        """The thread: takes what is in the inbox, makes a step, and again until it is closed."""
        while True:
            try:
                if not self._take_commands():
                    self._engine.close()
                    self._engine.runner.close()
                    return
                outputs = self._engine.step()
            except Exception:  # noqa: BLE001  a defect of ours must not end the thread with requests waiting
                _log.exception("a step failed")
                outputs = self._engine.fail_all()
            if outputs:
                self._loop.call_soon_threadsafe(self._deliver, outputs)

    def _take_commands(self) -> bool:
        """Carries out all commands, waiting for one if there is nothing else to do."""
        while not (self._inbox.empty() and self._engine.has_work):
            command = self._inbox.get()
            if isinstance(command, _Close):
                return False
            if isinstance(command, _Add):
                self._engine.add(command.request)
            else:
                self._engine.abort(command.request)
        return True


@dataclass(frozen=True, slots=True)
class _Add:
    request: Request


@dataclass(frozen=True, slots=True)
class _Abort:
    request: Request


@dataclass(frozen=True, slots=True)
class _Close:
    pass


_Command = _Add | _Abort | _Close
