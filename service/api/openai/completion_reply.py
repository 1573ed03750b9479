"""A completion's answer, whole or as chunks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from msgspec import UNSET, UnsetType

from service.api.facade import Delta, Generation, TextLogprobs
from service.api.openai.common_schema import Usage
from service.api.openai.completion_schema import TextChoice, TextCompletion
from service.api.openai.echo import Echo
from service.api.openai.logprobs import (
    CompletionLogprobs,
    TokenBytes,
    completion_logprobs,
    joined,
)
from service.api.openai.reply import (
    DONE,
    ReplyHead,
    TextFrame,
    UsageIn,
    event,
    failure_events,
    stop_reason_of,
    usage_of,
)
from service.api.whole import Answer
from service.errors import RetortError


@dataclass(frozen=True, slots=True)
class Shape:
    """What the choices of an answer hold.

    Generations come as `num_generated` to each prompt, of which the `num_choices` best are
    answered. `echoes` has one for each prompt if prompts are echoed. `token_bytes` is None where
    no logprobs were asked for.
    """

    num_choices: int
    num_generated: int
    echoes: Sequence[Echo] = ()
    token_bytes: TokenBytes | None = None

    def echo(self, index: int) -> Echo | None:
        """That of the generation `index`."""
        return self.echoes[index // self.num_generated] if self.echoes else None

    def logprobs(
        self, index: int, generation: Generation, found: Sequence[TextLogprobs], *, is_first: bool
    ) -> CompletionLogprobs | None:
        """Those found in a piece of the generation's text; the prompt's before the first."""
        if self.token_bytes is None:
            return None
        echo = self.echo(index)
        if echo is None:
            return completion_logprobs(found, self.token_bytes, 0)
        output = completion_logprobs(found, self.token_bytes, len(echo.text))
        if not is_first:
            return output
        return joined(echo.logprobs(generation.prompt_logprobs, self.token_bytes), output)


@dataclass(frozen=True, slots=True)
class CompletionReply:
    head: ReplyHead
    shape: Shape

    def make(self, answers: Sequence[Answer]) -> TextCompletion:
        best = [
            index
            for first in range(0, len(answers), self.shape.num_generated)
            for index in self._best(answers, first)
        ]
        return _reply(
            self.head,
            [self._choice(place, index, answers[index]) for place, index in enumerate(best)],
            usage_of([answer.generation for answer in answers], self.shape.num_generated),
        )

    def _best(self, answers: Sequence[Answer], first: int) -> list[int]:
        """The generations that are answered, of those of one prompt."""
        indices = range(first, first + self.shape.num_generated)
        if self.shape.num_choices == self.shape.num_generated:
            return [*indices]
        ranked = sorted(indices, key=lambda index: -answers[index].generation.mean_logprob)
        return ranked[: self.shape.num_choices]

    def _choice(self, place: int, index: int, answer: Answer) -> TextChoice:
        echo = self.shape.echo(index)
        return TextChoice(
            text=(echo.text if echo else "") + answer.text,
            index=place,
            logprobs=self.shape.logprobs(index, answer.generation, answer.logprobs, is_first=True),
            finish_reason=answer.finish_reason,
            stop_reason=stop_reason_of(answer.generation),
        )


@dataclass(slots=True)
class CompletionChunks:
    """The same as chunks; an EventWriter."""

    head: ReplyHead
    shape: Shape
    generations: Sequence[Generation]
    usage_in: UsageIn
    _begun: set[int] = field(default_factory=set)
    _frames: dict[int, TextFrame] = field(default_factory=dict)

    def opening(self) -> bytes:
        """Nothing: an echoed prompt needs what only its first delta brings."""
        return b""

    def delta(self, index: int, delta: Delta) -> bytes:
        events = b""
        if index not in self._begun:
            self._begun.add(index)
            events += self._prompt(index)
        if self.shape.token_bytes is not None and (delta.text or delta.logprobs):
            generation = self.generations[index]
            logprobs = self.shape.logprobs(index, generation, delta.logprobs, is_first=False)
            events += self._event(TextChoice(text=delta.text, index=index, logprobs=logprobs))
        elif delta.text:
            events += self._text(index, delta.text)
        if delta.finish_reason is not None:
            choice = TextChoice(
                text="",
                index=index,
                finish_reason=delta.finish_reason,
                stop_reason=stop_reason_of(self.generations[index]),
            )
            events += self._event(choice)
        return events

    def closing(self) -> bytes:
        if self.usage_in is UsageIn.NO_CHUNK:
            return DONE
        return event(_reply(self.head, [], self._usage())) + DONE

    def failure(self, error: RetortError) -> bytes:
        return failure_events(error)

    def _prompt(self, index: int) -> bytes:
        echo = self.shape.echo(index)
        if echo is None:
            return b""
        logprobs = self.shape.logprobs(index, self.generations[index], (), is_first=True)
        return self._event(TextChoice(text=echo.text, index=index, logprobs=logprobs))

    def _text(self, index: int, text: str) -> bytes:
        if self.usage_in is UsageIn.EVERY_CHUNK:
            return self._event(TextChoice(text=text, index=index))
        frame = self._frames.get(index)
        if frame is None:
            frame = self._frames[index] = TextFrame.of(
                lambda text: self._chunk(TextChoice(text=text, index=index))
            )
        return frame.around(text)

    def _event(self, choice: TextChoice) -> bytes:
        return event(self._chunk(choice))

    def _chunk(self, choice: TextChoice) -> TextCompletion:
        usage: Usage | UnsetType | None = None
        if self.usage_in is UsageIn.NO_CHUNK:
            usage = UNSET
        elif self.usage_in is UsageIn.EVERY_CHUNK:
            usage = self._usage()
        return _reply(self.head, [choice], usage)

    def _usage(self) -> Usage:
        return usage_of(self.generations, self.shape.num_generated)


def _reply(
    head: ReplyHead, choices: list[TextChoice], usage: Usage | UnsetType | None
) -> TextCompletion:
    return TextCompletion(
        id=head.id,
        created=head.created,
        model=head.model,
        choices=choices,
        system_fingerprint=head.system_fingerprint,
        relaxed_keywords=head.relaxed_keywords,
        usage=usage,
    )
