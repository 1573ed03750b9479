"""A loaded model: from messages or text to a running completion."""

from __future__ import annotations

import asyncio
import copy
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from service.constraints.compiler import ConstraintCompiler
from service.constraints.spec import OutputSpec
from service.constraints.thoughts import BehindThoughts
from service.dialogue.dialogue import Dialogue
from service.dialogue.message import Message
from service.dialogue.opening import Opening
from service.dialogue.prompt import DEFAULT_OPTIONS, ChatPrompt, TemplateOptions
from service.dialogue.styles.start import Start
from service.dialogue.styles.style import Frame, ModelStyle
from service.dialogue.styles.tags import THINK
from service.dialogue.tools.format import ToolFormat
from service.engine.async_engine import AsyncEngine
from service.engine.constraint import CompiledConstraint, Constraint
from service.engine.engine import Engine
from service.engine.request import Request
from service.engine.runner import Runner
from service.errors import (
    NotEnoughMemory,
)
from service.generation import Generation
from service.metrics import GenerationMetrics
from service.model_checks import check_prompt, check_tokens
from service.model_files import (
    check_device,
    constraint_tokenizer,
    derived_fingerprint,
    derived_template,
    fingerprint_of,
    read_template,
    read_tokenizer,
)
from service.options import GenerationOptions
from service.runtime.providers import Provider
from service.settings import Settings
from service.store.integrity import checked_package
from service.store.manifest import Manifest
from service.store.overrides import NO_OVERRIDES, Overrides, Parameters, request_defaults
from service.store.packages import Package

ResultT = TypeVar("ResultT")

_MAX_DERIVED = 64
"""Of one package, whose templates are kept compiled."""


class LoadedModel:
    """A package in memory, ready to generate."""

    def __init__(
        self,
        package: Package,
        provider: Provider,
        settings: Settings,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        """Loads everything, for which it takes its time: not to be called on the event loop.

        Raises PackageCorrupt if a file is not what the manifest says, and WrongDevice if the
        package was made for another device.
        """
        self.manifest: Manifest = package.manifest
        self.context_length = settings.served_context_length(
            self.manifest.context_length, package.overrides.parameters.num_ctx
        )
        check_device(package, provider)
        with checked_package(package):
            self.tokenizer = read_tokenizer(package)
            self._template = read_template(package, self.tokenizer)
            runner = self._load_runner(package, provider, settings)
        self._set_dialogue()
        self._compiler = ConstraintCompiler(
            lambda: constraint_tokenizer(self.manifest, self.tokenizer, self._eos_ids)
        )
        self._opening = Opening()
        self.parameters = Parameters()
        self.defaults = request_defaults(self.manifest.generation, self.parameters)
        self._derived: dict[Overrides, LoadedModel] = {}
        self._deriving = threading.Lock()
        self.system_fingerprint = fingerprint_of(self.manifest, provider)
        self.metrics = GenerationMetrics()
        self.engine = AsyncEngine(Engine(runner), loop, max_queue=settings.max_queue)

    async def close(self) -> None:
        """Ends what runs with ShuttingDown, and the threads, and frees sessions and KV memory."""
        await self.engine.close()
        await asyncio.to_thread(self._compiler.close)

    def _set_dialogue(self) -> None:
        """What follows from the chat template."""
        self._dialogue = Dialogue(self._template, self.control_ids)
        self._style = ModelStyle.of(self._dialogue.style or THINK, self.control_ids)

    @property
    def _eos_ids(self) -> Sequence[int]:
        """What ends an answer: the model's own tokens, and those of its style."""
        own = self.manifest.tokens.eos
        return [*own, *sorted(self._style.stop_ids.difference(own))]

    def _load_runner(self, package: Package, provider: Provider, settings: Settings) -> Runner:
        num_slots = settings.slots if provider.slot_views else 1
        try:
            return Runner(
                package.folder,
                package.manifest,
                provider,
                num_slots=num_slots,
                slot_length=self.context_length,
            )
        except MemoryError:
            per_token = package.manifest.architecture.kv_bytes_per_token
            needed = num_slots * self.context_length * per_token
            raise NotEnoughMemory(
                f"The model {package.name} does not fit: {num_slots} slots of "
                f"{self.context_length} tokens take {needed / 1e9:.1f} GB. Lower --slots or "
                "--context."
            ) from None

    def served_as(self, package: Package) -> LoadedModel:
        """This model as a derived one wants to be spoken to: all but that is shared with it.

        `package` is the one that was loaded, under any of its names. Raises PackageCorrupt if its
        template is none. From any thread.
        """
        overrides = package.overrides
        if overrides == NO_OVERRIDES:
            return self
        derived = self._derived.get(overrides)
        if derived is None:
            derived = self._with(package)
            with self._deriving:
                while len(self._derived) >= _MAX_DERIVED:
                    self._derived.pop(next(iter(self._derived)))
                self._derived[overrides] = derived
        return derived

    def _with(self, package: Package) -> LoadedModel:
        overrides = package.overrides
        derived = copy.copy(self)
        derived.parameters = overrides.parameters
        derived.defaults = package.defaults
        derived._opening = Opening(
            overrides.system, tuple(Message(turn.role, turn.content) for turn in overrides.messages)
        )
        if overrides.template is not None:
            derived._template = derived_template(package, self.tokenizer, overrides.template)
            derived._set_dialogue()
        derived.system_fingerprint = derived_fingerprint(self.system_fingerprint, overrides)
        return derived

    def encode_chat(
        self, messages: Sequence[Message], options: TemplateOptions = DEFAULT_OPTIONS
    ) -> ChatPrompt:
        """The prompt of a chat. Raises RequestError if the template refuses the messages."""
        segments = self._dialogue.render(self._opening.before(messages), options)
        token_ids = self.tokenizer.encode_segments(segments)
        style = self._dialogue.style
        if style is None:
            return ChatPrompt(token_ids)
        start = style.start("".join(part.text for part in segments if not part.literal))
        return ChatPrompt(
            token_ids,
            may_reason=start is not Start.TEXT,
            starts_in_reasoning=start is Start.THOUGHTS,
        )

    @property
    def may_reason(self) -> bool:
        """Whether the chat template knows of thoughts before an answer."""
        return self._dialogue.style is not None

    @property
    def frame(self) -> Frame | None:
        """What its answers are put together from, if every part of them is marked."""
        style = self._dialogue.style
        return style.frame if style is not None and style.frame.is_marked else None

    @property
    def tool_format(self) -> ToolFormat:
        """How the model writes calls."""
        return self._dialogue.tool_format

    @property
    def control_ids(self) -> Mapping[str, int]:
        """The tokens that are no text, by their spellings."""
        return self.tokenizer.control_tokens

    def knows_variable(self, name: str) -> bool:
        """Whether the chat template asks for a variable of that name."""
        return self._template.knows(name)

    def encode_text(self, text: str) -> list[int]:
        """The prompt of a plain completion."""
        return self.tokenizer.encode(text, add_bos=self.manifest.tokens.add_bos)

    def encode_infill(self, prefix: str, suffix: str) -> list[int]:
        """The prompt for what belongs between two texts. Raises RequestError for a model that was
        not trained to find that."""
        return self.tokenizer.encode_infill(prefix, suffix, add_bos=self.manifest.tokens.add_bos)

    def token_bytes(self, token_id: int) -> bytes:
        """What a token is written as, special ones by their spelling."""
        return self.tokenizer.token_bytes.written(token_id)

    def decode(self, token_ids: Sequence[int], *, at_text_start: bool = False) -> str:
        """The text of tokens, special ones by their spelling; `at_text_start` as a tokenizer's."""
        return self.tokenizer.decode(token_ids, at_text_start=at_text_start)

    def generate(
        self, prompts: Sequence[Sequence[int]], options: GenerationOptions
    ) -> list[Generation]:
        """Starts all choices of all prompts: those of the first prompt, then of the second.

        Choices share their prompt's prefill: the first computes it, the others copy it.
        Raises ContextLengthExceeded, Overloaded, ShuttingDown, and RequestError for token ids
        that the model does not have.
        """
        for prompt in prompts:
            check_prompt(prompt, self.manifest, self.context_length, param=options.prompt_param)
        check_tokens(options, self.manifest)
        requests = [
            self._request(prompt, options, choice)
            for prompt in prompts
            for choice in range(options.num_choices)
        ]
        return [
            Generation(
                self.engine,
                stream,
                self.tokenizer.token_bytes,
                options,
                self.metrics,
                self._style,
            )
            for stream in self.engine.submit(requests)
        ]

    async def aside(self, work: Callable[[], ResultT]) -> ResultT:
        """The result of `work`, done by a thread that gives way to the engine. Raises
        Overloaded."""
        return await self._compiler.run(work)

    async def compile(self, spec: OutputSpec) -> CompiledConstraint:
        """What outputs can be held to. Raises UnsupportedSchema, Overloaded or PackageCorrupt."""
        return await self._compiler.compile(spec)

    def _constraint(self, options: GenerationOptions) -> Constraint | None:
        """The state of one output. Thoughts are free, be it that the prompt has opened them or
        that the model has a token which does."""
        if options.form is None:
            return None
        constraint = options.form.constraint.begin()
        if self.frame is not None:
            return constraint  # which has thoughts in it
        thoughts = self._style.style.frame.thoughts
        if options.starts_in_reasoning:
            return BehindThoughts(constraint, self.token_bytes, close=thoughts.after)
        opening_id = self.tokenizer.id_of(thoughts.before) if options.splits_reasoning else None
        if opening_id is None:
            return constraint
        return BehindThoughts(
            constraint, self.token_bytes, close=thoughts.after, opening_id=opening_id
        )

    def _request(self, prompt: Sequence[int], options: GenerationOptions, choice: int) -> Request:
        left = self.context_length - len(prompt)
        own = frozenset[int]() if options.ignore_eos else frozenset(self._eos_ids)
        return Request(
            self.engine.new_id(),
            prompt,
            max_tokens=left if options.max_tokens is None else min(options.max_tokens, left),
            stop_token_ids=own | options.stop_token_ids,
            sampling=replace(options.sampling, choice=choice),
            min_tokens=options.min_tokens,
            num_logprobs=options.num_logprobs,
            wants_prompt_logprobs=options.prompt_logprobs,
            constraint=self._constraint(options),
        )
