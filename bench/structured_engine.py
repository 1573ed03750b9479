"""Our engine with outputs that are held to a form, and without, in one process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from itertools import count, islice

import msgspec

from bench.prompts import ENGLISH, token_windows
from bench.retort_engine import slot_length
from bench.structured_schemas import ENDLESS, FRIEND_LIST, FRIENDS_PROMPT
from service.constraints.compiler import ConstraintCompiler
from service.constraints.json_types import Json
from service.constraints.prepare import PreparedForm, prepare_schema
from service.constraints.tokens import build_tokenizer
from service.engine.bitmask import Bits
from service.engine.constraint import CompiledConstraint, Constraint
from service.engine.engine import Engine
from service.engine.request import Request, SamplingParams
from service.engine.runner import Runner
from service.runtime.providers import CPU
from service.runtime.sessions import share_threads
from service.store.packages import Package
from service.text.tokenizer import Tokenizer

_GREEDY = SamplingParams(temperature=0)
_CONTEXT = 128
_MAX_ANSWER = 150
_NUM_ANSWERS = 3
_TEMPERATURE = 0.8


class StructuredEngine:
    """`Engine.step()` in a loop, and the compiler of what outputs are held to."""

    def __init__(self, package: Package, threads: int, slots: int = 8) -> None:
        share_threads(threads)
        manifest = package.manifest
        self._runner = Runner(
            package.folder, manifest, CPU, num_slots=slots, slot_length=slot_length(manifest)
        )
        self._tokenizer = Tokenizer(package.folder / "tokenizer.json", bos_token_id=None)
        self._ends = frozenset(manifest.tokens.eos)
        self._constraint_tokenizer = build_tokenizer(
            self._tokenizer.token_bytes,
            self._tokenizer.encode_plain,
            vocab_size=manifest.architecture.vocab_size,
            special_ids=self._tokenizer.control_ids,
            eos_ids=manifest.tokens.eos,
        )
        self._token_ids = self._tokenizer.encode(ENGLISH.read_text("utf-8"), add_bos=False)
        self._compiler = self._fresh_compiler()
        asyncio.run(self._compiler.compile(_form(FRIEND_LIST).spec))

    def decode_rate(self, num_sequences: int, *, held: bool, num_tokens: int = 64) -> float:
        """Output tokens per second over all sequences, all held to a form or none of them."""
        compiled = self._compiled(ENDLESS)
        engine, ids = Engine(self._runner), count()
        limit = num_sequences + _CONTEXT + num_tokens
        requests = [
            Request(
                next(ids),
                prompt,
                limit,
                frozenset(),
                _GREEDY,
                constraint=compiled.begin() if held else None,
            )
            for prompt in islice(token_windows(self._token_ids, _CONTEXT), num_sequences)
        ]
        for request in requests:
            engine.add(request)
        while not all(request.output_token_ids for request in requests):
            engine.step()
        before = _num_output(requests)
        started_s = time.perf_counter()
        for _ in range(num_tokens):
            assert not any(output.failed for output in engine.step())
        rate = (_num_output(requests) - before) / (time.perf_counter() - started_s)
        engine.close()
        return rate

    def answer_rate(self, *, forces: bool) -> float:
        """Tokens per second of answers that are lists of friends, behind their first.

        Not answers per second: computed at once, tokens are rounded differently, and a list may
        become another one.
        """
        prompt = self._tokenizer.encode(FRIENDS_PROMPT, add_bos=False)
        num_tokens, elapsed_s = 0, 0.0
        for seed in range(_NUM_ANSWERS):
            constraint: Constraint = self._compiled(FRIEND_LIST).begin()
            request = Request(
                seed,
                prompt,
                _MAX_ANSWER,
                self._ends,
                SamplingParams(temperature=_TEMPERATURE, seed=seed),
                constraint=constraint if forces else _Chosen(constraint),
            )
            engine = Engine(self._runner)
            engine.add(request)
            while not request.output_token_ids:
                engine.step()
            num_tokens -= _num_output([request])
            started_s = time.perf_counter()
            while engine.has_work:
                engine.step()
            elapsed_s += time.perf_counter() - started_s
            num_tokens += _num_output([request])
            engine.close()
        return num_tokens / elapsed_s

    def compile_ms(self, *, cached: bool) -> float:
        """From a schema's JSON to what an output can begin with."""
        source = msgspec.json.encode(FRIEND_LIST)
        compiler = self._compiler if cached else self._fresh_compiler()

        async def timed() -> float:
            if not cached:  # its threads, which a service starts once
                await compiler.compile(_form({"const": 1}).spec)
            started_s = time.perf_counter()
            await compiler.compile(_form(msgspec.json.decode(source)).spec)
            return 1000 * (time.perf_counter() - started_s)

        elapsed_ms = asyncio.run(timed())
        if not cached:
            compiler.close()
        return elapsed_ms

    def _fresh_compiler(self) -> ConstraintCompiler:
        return ConstraintCompiler(lambda: self._constraint_tokenizer)

    def _compiled(self, schema: Json) -> CompiledConstraint:
        return asyncio.run(self._compiler.compile(_form(schema).spec))


class _Chosen:
    """A constraint under which every token is sampled, also where there is no choice."""

    def __init__(self, constraint: Constraint) -> None:
        self._constraint = constraint

    @property
    def is_finished(self) -> bool:
        return self._constraint.is_finished

    def fill(self, bits: Bits) -> bool:
        return self._constraint.fill(bits)

    def forced(self) -> Sequence[int]:
        return ()

    def consume(self, token_id: int) -> None:
        self._constraint.consume(token_id)

    def completion(self) -> Sequence[int]:
        return self._constraint.completion()


def _form(schema: Json) -> PreparedForm:
    return prepare_schema(schema, param="schema")


def _num_output(requests: Sequence[Request]) -> int:
    return sum(len(request.output_token_ids) for request in requests)
