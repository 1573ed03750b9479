"""Compiles constraints: off the event loop, on threads with room for deep grammars, and once.

A compilation cannot be interrupted; what could take long or exhaust the stack is refused before by
the guard.
"""

from __future__ import annotations

import asyncio
import re
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TypeVar

import llguidance
import numpy as np

from service.constraints.following import CompiledFollowing
from service.constraints.guard_grammar import check_names_no_end
from service.constraints.json_options import json_options
from service.constraints.matcher import CompiledConstraint
from service.constraints.short_classes import spelled_out
from service.constraints.spec import OutputKind, OutputSpec
from service.engine.constraint import CompiledConstraint as Compiled
from service.errors import Overloaded, UnsupportedSchema
from service.priority import give_way

ResultT = TypeVar("ResultT")

_NUM_THREADS = 2
_STACK_BYTES = 64 << 20
"""llguidance recurses along chains of references; with 8 MB a chain of 3,000 ends the process."""

_PLACE = re.compile(r"^at \d+\(\d+\): ")
"""In a grammar; in one that was made for a request it says nothing to who made that."""

_MAX_WAITING = 64
_MAX_CACHED = 256
_MAX_CACHED_CHARS = 4 << 20
"""Of all sources together; a hundred tools make one of megabytes. What is compiled takes up to two
hundred times as much, where constants are objects of many keys."""


class ConstraintCompiler:
    """Compiles for one model and keeps what was used last. Its methods are for the event loop."""

    def __init__(
        self,
        make_tokenizer: Callable[[], llguidance.LLTokenizer],
        *,
        max_cached_chars: int = _MAX_CACHED_CHARS,
    ) -> None:
        """`make_tokenizer` is called once, on a thread, when something is first compiled."""
        self._max_cached_chars = max_cached_chars
        self._num_cached_chars = 0
        self._make_tokenizer = make_tokenizer
        self._tokenizer: llguidance.LLTokenizer | None = None
        self._lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None
        self._cache: OrderedDict[OutputSpec, Compiled] = OrderedDict()
        self._num_waiting = 0

    async def compile(self, spec: OutputSpec) -> Compiled:
        """The constraint that `spec` describes, which the guard has let pass.

        Raises UnsupportedSchema for what cannot be enforced, Overloaded if too many wait for
        theirs, and PackageCorrupt for a model whose tokens' bytes are not known.
        """
        cached = self._cache.get(spec)
        if cached is not None:
            self._cache.move_to_end(spec)
            return cached
        compiled = await self.run(lambda: self._compile(spec))
        self._keep(spec, compiled)
        return compiled

    async def run(self, work: Callable[[], ResultT]) -> ResultT:
        """The result of `work`, done where constraints are compiled: it has room for deep
        recursion, and gives way to the engine. Raises Overloaded if too much waits for that."""
        if self._num_waiting >= _MAX_WAITING:
            raise Overloaded("Too many schemas wait for their compilation; try again later.")
        self._num_waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor(), work)
        finally:
            self._num_waiting -= 1

    def close(self) -> None:
        """Waits until the threads have ended; what waits for one is cancelled. From any thread."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def _keep(self, spec: OutputSpec, compiled: Compiled) -> None:
        """What two requests have compiled at once is kept once."""
        if spec not in self._cache:
            self._num_cached_chars += len(spec.source)
        self._cache[spec] = compiled
        while len(self._cache) > _MAX_CACHED or self._num_cached_chars > self._max_cached_chars:
            dropped, _ = self._cache.popitem(last=False)
            self._num_cached_chars -= len(dropped.source)

    def _executor(self) -> ThreadPoolExecutor:
        if self._pool is None:
            self._pool = _deep_threads()
        return self._pool

    def _compile(self, spec: OutputSpec) -> Compiled:
        if spec.behind is None:
            return self._compile_one(spec)
        before = OutputSpec(OutputKind.GRAMMAR, spec.behind, spec.param)
        behind = self._compile_one(replace(spec, behind=None))
        return CompiledFollowing(self._compile_one(before), behind)

    def _compile_one(self, spec: OutputSpec) -> CompiledConstraint:
        with self._lock:
            if self._tokenizer is None:
                self._tokenizer = self._make_tokenizer()
        if spec.is_given:
            ends = {end: self._tokenizer.decode_str([end]) for end in self._tokenizer.eos_tokens}
            check_names_no_end(spec.source, ends, param=spec.param)
        matcher = llguidance.LLMatcher(
            self._tokenizer, _grammar(spec), log_level=0, limits=_limits()
        )
        _check_start(matcher, self._tokenizer.vocab_size, spec)
        return CompiledConstraint(matcher, self._tokenizer, spec.text_ends)


def _grammar(spec: OutputSpec) -> str:
    match spec.kind:
        case OutputKind.REGEX:
            return llguidance.LLMatcher.grammar_from_regex(spelled_out(spec.source))
        case OutputKind.GRAMMAR:
            return llguidance.LLMatcher.grammar_from_lark(spec.source)
    options = json_options(whitespace=spec.whitespace)
    return llguidance.LLMatcher.grammar_from_json_schema(spec.source, overrides=options)


def _limits() -> llguidance.LLParserLimits:
    """Larger than llguidance's where objects have many optional properties, else smaller."""
    return llguidance.LLParserLimits(
        max_items_in_row=8000,
        step_max_items=200_000,
        max_lexer_states=50_000,
        verbose_errors=False,
    )


def _check_start(matcher: llguidance.LLMatcher, vocab_size: int, spec: OutputSpec) -> None:
    """Raises UnsupportedSchema for a matcher that failed, or whose output could only be empty."""
    reason = matcher.get_error() if matcher.is_error() else ""
    if not reason and matcher.is_accepting() and not spec.may_be_empty:
        reason = "an empty output would satisfy it"
    if not reason:
        trial = matcher.deep_copy()
        bits = np.zeros((vocab_size + 31) // 32, np.int32)
        trial.unsafe_compute_mask_ptr(bits.ctypes.data, bits.nbytes)
        if not trial.is_error():
            trial.compute_ff_tokens()
        reason = trial.get_error() if trial.is_error() else ""
    if reason:
        if spec.kind is OutputKind.GRAMMAR and not spec.is_given:
            reason = _PLACE.sub("", reason.split("\n", 1)[0])
        raise UnsupportedSchema(f"It cannot be enforced: {reason[:500]}", param=spec.param)


def _deep_threads() -> ThreadPoolExecutor:
    """Threads take the stack size that is set when they start, so all start here."""
    pool = ThreadPoolExecutor(_NUM_THREADS, thread_name_prefix="constraints", initializer=give_way)
    ready = threading.Barrier(_NUM_THREADS + 1)
    before = threading.stack_size(_STACK_BYTES)
    try:
        for _ in range(_NUM_THREADS):
            pool.submit(ready.wait)
    finally:
        threading.stack_size(before)
    ready.wait()
    return pool
