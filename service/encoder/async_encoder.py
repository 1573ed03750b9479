"""The bridge between the event loop and the encoder's thread.

All methods but the thread's own are called on the event loop.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from queue import SimpleQueue

import numpy as np

from service.encoder.batching import Batcher, BatchLimits, Place
from service.encoder.pooling import Floats
from service.encoder.runner import EncoderRunner
from service.encoder.tokens import Tokens
from service.errors import EngineFailure, Overloaded, RetortError, ShuttingDown

_log = logging.getLogger(__name__)


@dataclass(eq=False, slots=True)
class _Job:
    """One request's sequences. The thread alone writes `results`, `[N, width]`, until `done`."""

    sequences: Sequence[Tokens]
    done: asyncio.Future[Floats]
    results: Floats
    num_left: int = field(init=False)

    def __post_init__(self) -> None:
        self.num_left = len(self.sequences)


class AsyncEncoder:
    """Owns a runner and the thread that runs it, on batches across all requests."""

    def __init__(
        self,
        runner: EncoderRunner,
        limits: BatchLimits,
        loop: asyncio.AbstractEventLoop,
        *,
        max_requests: int,
    ) -> None:
        """At most `max_requests` are admitted at once."""
        self._runner = runner
        self._loop = loop
        self._max_requests = max_requests
        self._num_requests = 0
        self._draining = False
        self._inbox: SimpleQueue[_Command] = SimpleQueue()
        self._jobs: set[_Job] = set()
        self._batcher: Batcher[_Job] = Batcher(limits)
        self._thread = threading.Thread(target=self._run, name="encoder", daemon=True)
        self._thread.start()

    @property
    def num_requests(self) -> int:
        """Requests that were admitted and have not ended."""
        return self._num_requests

    @contextmanager
    def admitted(self) -> Iterator[None]:
        """A request's stay, tokenizing included. Raises Overloaded or ShuttingDown."""
        if self._draining:
            raise ShuttingDown("The server is shutting down.")
        if self._num_requests >= self._max_requests:
            raise Overloaded("The queue is full; try again later.")
        self._num_requests += 1
        try:
            yield
        finally:
            self._num_requests -= 1

    async def encode(self, sequences: Sequence[Tokens]) -> Floats:
        """What the runner makes of each sequence, `[N, width]`; none may be empty.

        Cancelled, it takes what still waits out of the queue. Raises EngineFailure, ShuttingDown.
        """
        if not self._thread.is_alive():
            raise ShuttingDown("The server is shutting down.")
        results = np.empty((len(sequences), self._runner.width), np.float32)
        job = _Job(sequences, self._loop.create_future(), results)
        self._jobs.add(job)
        self._inbox.put(_Add(job))
        try:
            return await job.done
        finally:
            self._jobs.discard(job)
            if job.done.cancelled():
                self._inbox.put(_Abort(job))

    def drain(self) -> None:
        """From now on new requests are refused; those in flight go on."""
        self._draining = True

    async def close(self) -> None:
        """Fails what still runs with ShuttingDown and ends the thread."""
        self._draining = True
        for job in self._jobs:
            _settle(job, ShuttingDown("The server shut down before the answer was complete."))
        self._inbox.put(_Close())
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        """The thread: takes what is in the inbox, computes a batch, and again until closed."""
        while self._take_commands():
            batch = self._batcher.next_batch()
            try:
                self._compute(batch)
            except Exception:  # noqa: BLE001  no failure of a batch must end the thread with requests waiting
                _log.exception("a batch failed")
                self._fail({place.job for place in batch})
        self._runner.close()

    def _take_commands(self) -> bool:
        """Carries out all commands, waiting for one if there is nothing else to do."""
        while not (self._inbox.empty() and self._batcher):
            command = self._inbox.get()
            if isinstance(command, _Close):
                return False
            if isinstance(command, _Add):
                self._batcher.add(command.job, command.job.sequences)
            else:
                self._batcher.remove(command.job)
        return True

    def _compute(self, batch: list[Place[_Job]]) -> None:
        rows = self._runner.run([place.job.sequences[place.index] for place in batch])
        for place, row in zip(batch, rows, strict=True):
            place.job.results[place.index] = row
            place.job.num_left -= 1
        finished = {place.job for place in batch if not place.job.num_left}
        for job in finished:
            self._loop.call_soon_threadsafe(_settle, job, None)

    def _fail(self, jobs: set[_Job]) -> None:
        for job in jobs:
            self._batcher.remove(job)
            error = EngineFailure("The model failed on this request.")
            self._loop.call_soon_threadsafe(_settle, job, error)


def _settle(job: _Job, error: RetortError | None) -> None:
    if job.done.done():
        return
    if error is None:
        job.done.set_result(job.results)
    else:
        job.done.set_exception(error)


@dataclass(frozen=True, slots=True)
class _Add:
    job: _Job


@dataclass(frozen=True, slots=True)
class _Abort:
    job: _Job


@dataclass(frozen=True, slots=True)
class _Close:
    pass


_Command = _Add | _Abort | _Close
