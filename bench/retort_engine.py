"""Our engine by itself, measured as `bench.rivals.llamacpp.LlamaCppEngine` measures llama.cpp."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count, islice

from bench.prompts import ENGLISH, token_windows
from service.engine.engine import Engine
from service.engine.request import Request, SamplingParams
from service.engine.runner import Runner
from service.runtime.providers import CPU
from service.runtime.sessions import share_threads
from service.settings import DEFAULT_CONTEXT_LENGTH
from service.store.manifest import Manifest
from service.store.packages import Package
from service.text.tokenizer import Tokenizer

_GREEDY = SamplingParams(temperature=0)


@dataclass(frozen=True, slots=True)
class Work:
    """What an engine did, and in which time."""

    output_tokens: int
    wall_s: float

    @property
    def rate(self) -> float:
        """Output tokens per second."""
        return self.output_tokens / self.wall_s


def slot_length(manifest: Manifest) -> int:
    """Tokens that a slot of the service holds unless it is told otherwise."""
    return min(DEFAULT_CONTEXT_LENGTH, manifest.context_length)


class RetortEngine:
    """`Engine.step()` in a loop: scheduling, the graphs and greedy sampling, nothing around it.

    Slots are as long as the service makes them. Every measurement begins with an empty prefix
    cache, so they may be repeated in any order.
    """

    def __init__(self, package: Package, threads: int, slots: int = 8) -> None:
        share_threads(threads)
        manifest = package.manifest
        length = slot_length(manifest)
        self._runner = Runner(package.folder, manifest, CPU, num_slots=slots, slot_length=length)
        self._tokenizer = Tokenizer(package.folder / "tokenizer.json", bos_token_id=None)
        self._manifest = manifest
        text = ENGLISH.read_text(encoding="utf-8")
        self._token_ids = self._tokenizer.encode(text, add_bos=False)
        self._fresh: dict[int, Iterator[list[int]]] = {}

    def prefill_rate(self, num_tokens: int = 512) -> float:
        """Prompt tokens per second of one fresh prompt, until its first output token."""
        fresh = self._fresh.setdefault(num_tokens, token_windows(self._token_ids, num_tokens))
        run = _Run(self._runner)
        request = run.add(next(fresh), max_tokens=1)
        started = time.perf_counter()
        while not request.output_token_ids:
            run.step()
        wall_s = time.perf_counter() - started
        assert request.num_cached_tokens == 0, "the prompt was not computed whole"
        return num_tokens / wall_s

    def decode_rate(self, num_sequences: int, context: int = 128, num_tokens: int = 64) -> float:
        """Output tokens per second, summed over `num_sequences` decoding in one batch.

        Each sequence has at least `context` tokens behind it at the first timed step: they start
        one after another, so those that came first have up to `num_sequences - 1` more.
        """
        prompts = islice(token_windows(self._token_ids, context), num_sequences)
        limit = num_sequences + context + num_tokens
        run = _Run(self._runner)
        requests = [run.add(prompt, limit) for prompt in prompts]
        while not all(request.output_token_ids for request in requests):
            run.step()
        started = time.perf_counter()
        for _ in range(num_tokens):
            run.step()
        wall_s = time.perf_counter() - started
        assert len(requests[-1].output_token_ids) == 1 + num_tokens
        return num_sequences * num_tokens / wall_s

    def serve(self, prompts: Sequence[str], clients: int, max_tokens: int) -> Work:
        """The work of a `LoadPlan` without server and clients: the same prompts in the same order.

        Each of `clients` has one request running and adds the next when that one has ended.
        """
        add_bos = self._manifest.tokens.add_bos
        encoded = [self._tokenizer.encode(prompt, add_bos=add_bos) for prompt in prompts]
        waiting = [deque(encoded[first::clients]) for first in range(clients)]
        run = _Run(self._runner, frozenset(self._manifest.tokens.eos))
        output_tokens = 0
        started = time.perf_counter()
        owners = {run.add(queue.popleft(), max_tokens): queue for queue in waiting if queue}
        while owners:
            for request in run.step():
                output_tokens += len(request.output_token_ids)
                queue = owners.pop(request)
                if queue:
                    owners[run.add(queue.popleft(), max_tokens)] = queue
        return Work(output_tokens, time.perf_counter() - started)


class _Run:
    """A fresh engine on a loaded model, for greedy requests that end at `stops`."""

    def __init__(self, runner: Runner, stops: frozenset[int] = frozenset()) -> None:
        self._engine = Engine(runner)
        self._stops = stops
        self._ids = count()

    def add(self, token_ids: list[int], max_tokens: int) -> Request:
        request = Request(next(self._ids), token_ids, max_tokens, self._stops, _GREEDY)
        self._engine.add(request)
        return request

    def step(self) -> list[Request]:
        """One step; the requests that ended with it."""
        outputs = self._engine.step()
        assert not any(output.failed for output in outputs), "a step failed, its log says why"
        return [output.request for output in outputs if output.finish_reason is not None]
