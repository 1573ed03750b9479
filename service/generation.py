"""One completion: tokens from the engine become text, cut at stop strings, thoughts set apart."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from service.dialogue.answer import AnswerReader, CallDelta
from service.dialogue.styles.style import ModelStyle
from service.dialogue.styles.tags import THINK
from service.engine.async_engine import AsyncEngine, Tokens, TokenStream
from service.engine.constraint import ConstraintError
from service.engine.request import FinishReason, Logprobs
from service.errors import CannotComplete, EngineFailure, RetortError
from service.last_checks import LastChecks
from service.metrics import EndedGeneration, GenerationMetrics, Outcome
from service.options import GenerationOptions
from service.text.detokenizer import Detokenizer
from service.text.stop import StopStrings
from service.text.token_bytes import TokenBytes


@dataclass(frozen=True, slots=True)
class TextLogprobs:
    """A token's logprobs; its text begins at the character `offset` of the output."""

    logprobs: Logprobs
    offset: int


@dataclass(frozen=True, slots=True)
class TextDelta:
    """The next piece; the last one has a finish reason, and its texts may be "".

    `reasoning` precedes `text` in the output, and `text` precedes `calls`. `logprobs` are those of
    the tokens whose text has come to show, if they were asked for.
    """

    text: str
    finish_reason: FinishReason | None = None
    reasoning: str = ""
    logprobs: Sequence[TextLogprobs] = ()
    calls: Sequence[CallDelta] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nobody needs to hear of it."""
        shows = self.text or self.reasoning or self.calls or self.logprobs
        return not shows and self.finish_reason is None


_THINK = ModelStyle(THINK)


class Generation:
    """A completion that is running. Iterate over it once; abort it when nobody reads it.

    `num_output_tokens` counts the tokens that the text was made from: those after a stop string,
    which the engine may have computed before it heard of it, are not among them.
    `num_reasoning_tokens` of them were thoughts. `stop_reason` is the stop string, or the token
    among the request's own stop tokens, that ended it.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        stream: TokenStream,
        token_bytes: TokenBytes,
        options: GenerationOptions,
        metrics: GenerationMetrics | None = None,
        style: ModelStyle = _THINK,
    ) -> None:
        """`metrics` are told how it went once it is over; `style` is that of the model's answers,
        which counts where thoughts are to come apart."""
        self.num_prompt_tokens = len(stream.request.prompt_token_ids)
        self.num_output_tokens = 0
        self.num_reasoning_tokens = 0
        self.stop_reason: str | int | None = None
        self._engine = engine
        self._stream = stream
        self._metrics = metrics
        self._first_s: float | None = None
        self._last_s = stream.started_s
        self._options = options
        self._detokenizer = Detokenizer(
            token_bytes if options.calls is None else token_bytes.showing(options.calls.shown_ids),
            at_text_start=not options.continues_text,
        )
        self._stops = StopStrings(options.stop)
        self._marks = style.marks if options.splits_reasoning else {}
        self._reader = _reader(options, style)
        self._checks = LastChecks(options.form, options.calls)
        self._num_decoded_chars = 0
        self._num_shown_chars = 0
        self._logprobs: list[TextLogprobs] = []
        self._logprob_sum = 0.0

    @property
    def num_cached_tokens(self) -> int:
        """Prompt tokens whose keys and values were there already; final with the first delta."""
        return self._stream.request.num_cached_tokens

    @property
    def prefill_s(self) -> float:
        """How long the first token took, waiting included; final with the first delta."""
        started_s = self._stream.started_s
        return (self._last_s if self._first_s is None else self._first_s) - started_s

    @property
    def decode_s(self) -> float:
        """How long all further tokens took; final after the last delta."""
        return 0.0 if self._first_s is None else self._last_s - self._first_s

    @property
    def prompt_token_ids(self) -> Sequence[int]:
        return self._stream.request.prompt_token_ids

    @property
    def prompt_logprobs(self) -> Sequence[Logprobs]:
        """From the prompt's second token on, if asked for; complete with the first delta."""
        return self._stream.request.prompt_logprobs

    @property
    def mean_logprob(self) -> float:
        """Of the output's tokens, the one that ended it among them; for those with logprobs."""
        return self._logprob_sum / max(1, self.num_output_tokens)

    async def __aiter__(self) -> AsyncIterator[TextDelta]:
        """The text in pieces. Raises EngineFailure or ShuttingDown."""
        try:
            async for tokens in self._stream:
                delta = self._next_delta(tokens, await self._completion(tokens))
                await self._check(delta)
                if delta.finish_reason is not None:
                    self._record(delta.finish_reason)
                if not delta.is_empty:
                    yield delta
                if delta.finish_reason is not None:
                    return
        except RetortError:
            self._record("error")
            raise

    async def _completion(self, tokens: Tokens) -> Sequence[int]:
        """What closes JSON that `tokens` have brought to its limit, if that was asked for.

        Raises CannotComplete.
        """
        form, constraint = self._options.form, self._stream.request.constraint
        if tokens.finish_reason != "length" or constraint is None:
            return ()
        if form is None or not form.completes:
            return ()
        try:
            return await asyncio.to_thread(constraint.completion)
        except ConstraintError as error:
            raise CannotComplete(
                f"The answer was cut too early to be closed: {error}.", param="complete_on_length"
            ) from None

    async def _check(self, delta: TextDelta) -> None:
        """Raises EngineFailure for a finished output that has not the form it was held to."""
        form = self._options.form
        if form is None:
            return
        self._checks.gather(delta.text, delta.calls)
        if delta.finish_reason == "stop" or (delta.finish_reason == "length" and form.completes):
            problem = await asyncio.to_thread(self._checks.problem)
            if problem is not None:
                if self._metrics is not None:
                    self._metrics.num_misformed += 1
                raise EngineFailure(f"The answer has not the form that was asked for: {problem}")

    def abort(self) -> None:
        """Ends it; the engine computes at most the step that is under way."""
        self._record("cancelled")
        self._engine.abort(self._stream.request)

    def _next_delta(self, tokens: Tokens, completion: Sequence[int]) -> TextDelta:
        self._last_s = time.monotonic()
        if self._first_s is None:
            self._first_s = self._last_s
        finish_reason = tokens.finish_reason
        stopped = self._decode(tokens)
        self._complete(completion)
        if finish_reason is not None and not stopped:
            stopped = self._flush()
        if stopped:
            self._engine.abort(self._stream.request)
            self.stop_reason = self._stops.matched
            finish_reason = "stop"
        return self._delta(finish_reason, stopped)

    def _record(self, outcome: Outcome) -> None:
        """The first time only: whoever read it to its end may abort it all the same."""
        metrics, self._metrics = self._metrics, None
        if metrics is None:
            return
        metrics.record(
            EndedGeneration(
                outcome=outcome,
                num_prompt_tokens=self.num_prompt_tokens,
                num_cached_tokens=self.num_cached_tokens,
                num_output_tokens=self.num_output_tokens,
                started_s=self._stream.started_s,
                first_s=self._first_s,
                ended_s=time.monotonic(),
            )
        )

    def _decode(self, tokens: Tokens) -> bool:
        """Turns tokens into text that is certain; whether a stop string ended it.

        Token by token, so that what is counted does not depend on how many came at once.
        """
        last = len(tokens.token_ids) - 1
        for index, token_id in enumerate(tokens.token_ids):
            # A constraint may end an output too, with a token that is text.
            ends = index == last and tokens.finish_reason == "stop" and self._is_stop(token_id)
            self._count(tokens.logprobs[index] if tokens.logprobs else None, ends)
            if ends:
                if token_id in self._options.stop_token_ids:
                    self.stop_reason = token_id
            elif self._feed(token_id):
                return True
        return False

    def _is_stop(self, token_id: int) -> bool:
        return token_id in self._stream.request.stop_token_ids

    def _count(self, logprobs: Logprobs | None, ends: bool) -> None:
        """The token that ends an answer counts, but whatever its spelling it is no text."""
        self.num_output_tokens += 1
        if logprobs is None:
            return
        self._logprob_sum += logprobs.logprob
        if not ends:
            self._logprobs.append(TextLogprobs(logprobs, self._num_decoded_chars))

    def _feed(self, token_id: int) -> bool:
        """Whether a stop string was completed, of which none counts before there are enough
        tokens."""
        if token_id in self._marks:
            return self._mark(self._marks[token_id])
        piece, stopped = self._detokenizer.feed([token_id]), False
        self._num_decoded_chars += len(piece)
        if self._reader.is_calling or self._reader.is_between:
            # A stop string cuts the text, neither the arguments of a call nor what is between.
            piece = self._stops.flush() + piece
        elif self.num_output_tokens > self._options.min_tokens:
            piece, stopped = self._stops.feed(piece)
        self._num_shown_chars += len(piece)
        self.num_reasoning_tokens += self._reader.feed(piece)
        return stopped

    def _mark(self, mark: str) -> bool:
        """As `_feed`, for a token that is no text and tells texts apart."""
        stopped = self._flush()
        if not stopped:
            self.num_reasoning_tokens += self._reader.mark(mark)
        return stopped

    def _complete(self, token_ids: Sequence[int]) -> None:
        """Takes tokens that are neither of the model nor counted. Thoughts end before them."""
        if token_ids and (self._reader.is_inside or self._reader.is_between):
            self._reader.feed(self._detokenizer.flush())
            self._reader.end_thoughts()
        piece = self._detokenizer.feed(token_ids)
        self._num_shown_chars += len(piece)
        self._reader.feed(piece)

    def _flush(self) -> bool:
        """Lets go what was held back; whether even that completed a stop string."""
        rest, stopped = self._detokenizer.flush(), False
        if not self._reader.is_calling:
            rest, stopped = self._stops.feed(rest)
        rest += "" if stopped else self._stops.flush()
        self._num_shown_chars += len(rest)
        self._reader.feed(rest)
        return stopped

    def _delta(self, finish_reason: FinishReason | None, stopped: bool) -> TextDelta:
        parts = self._reader.take(is_last=finish_reason is not None)
        everything = finish_reason is not None and not stopped
        logprobs = self._shown_logprobs(everything)
        return TextDelta(parts.content, finish_reason, parts.reasoning, logprobs, parts.calls)

    def _shown_logprobs(self, everything: bool) -> Sequence[TextLogprobs]:
        """Those whose text shows by now; the others wait for theirs."""
        if not self._logprobs:
            return ()
        held = self._logprobs
        num_shown = sum(item.offset < self._num_shown_chars for item in held)
        num_shown = len(held) if everything else num_shown
        self._logprobs = held[num_shown:]
        return held[:num_shown]


def _reader(options: GenerationOptions, style: ModelStyle) -> AnswerReader:
    splits, starts_inside = options.splits_reasoning, options.starts_in_reasoning
    splitter = style.style.splitter(starts_inside=starts_inside) if splits else None
    calls = options.calls
    if calls is None:
        return AnswerReader(splitter)
    return AnswerReader(splitter, calls.parser(), calls.new_id)
