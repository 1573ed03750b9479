"""What all replies and chunks share: their head, their usage, their events."""

from __future__ import annotations

import secrets
import string
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

import msgspec
from msgspec import UNSET, UnsetType

from service.api.error_mapping import error_body
from service.api.facade import Generation
from service.api.openai.common_schema import (
    CompletionTokensDetails,
    PromptTokensDetails,
    RelaxedKeywords,
    StreamOptions,
    Usage,
)
from service.api.patience import StreamDialect
from service.api.streamed import COMMENT
from service.errors import RetortError
from service.options import OutputForm

DONE: Final = b"data: [DONE]\n\n"

_ALPHANUMERIC = string.ascii_letters + string.digits


@dataclass(frozen=True, slots=True)
class ReplyHead:
    """The fields that stay the same from a reply's first chunk to its last.

    `model` is the name that the request gave; `created` is in seconds since the epoch.
    """

    id: str
    created: int
    model: str
    system_fingerprint: str
    relaxed_keywords: RelaxedKeywords = UNSET


def reply_head(
    id_prefix: str, model: str, system_fingerprint: str, form: OutputForm | None
) -> ReplyHead:
    """`form` is what the answer is held to."""
    relaxed = relaxed_keywords(form)
    return ReplyHead(new_id(id_prefix), int(time.time()), model, system_fingerprint, relaxed)


def relaxed_keywords(form: OutputForm | None) -> RelaxedKeywords:
    """Where an answer's schema has keywords that it is not held to; unset if there are none."""
    return form.relaxed if form is not None and form.relaxed else UNSET


def new_id(prefix: str) -> str:
    return prefix + "".join(secrets.choice(_ALPHANUMERIC) for _ in range(24))


class UsageIn(Enum):
    """Where a stream tells its usage."""

    NO_CHUNK = "nowhere"
    LAST_CHUNK = "in a chunk of its own at the end"
    EVERY_CHUNK = "in each chunk, as far as it has come, and at the end"

    @classmethod
    def of(cls, options: StreamOptions | None) -> UsageIn:
        if options is None:
            return cls.NO_CHUNK
        if options.continuous_usage_stats:
            return cls.EVERY_CHUNK
        return cls.LAST_CHUNK if options.include_usage else cls.NO_CHUNK


def usage_of(generations: Sequence[Generation], num_choices: int) -> Usage:
    """Prompts counted once each, their choices (`num_choices` to each prompt, one after another)
    all."""
    firsts = generations[::num_choices]
    num_prompt = sum(each.num_prompt_tokens for each in firsts)
    num_output = sum(each.num_output_tokens for each in generations)
    return Usage(
        prompt_tokens=num_prompt,
        completion_tokens=num_output,
        total_tokens=num_prompt + num_output,
        prompt_tokens_details=PromptTokensDetails(sum(each.num_cached_tokens for each in firsts)),
        completion_tokens_details=CompletionTokensDetails(
            reasoning_tokens=sum(each.num_reasoning_tokens for each in generations)
        ),
    )


def stop_reason_of(generation: Generation) -> str | int | UnsetType:
    """vLLM's extension: it is there where one of the request's own stops ended the answer."""
    reason = generation.stop_reason
    return UNSET if reason is None else reason


def event(chunk: msgspec.Struct) -> bytes:
    return b"data: " + msgspec.json.encode(chunk) + b"\n\n"


def failure_events(error: RetortError) -> bytes:
    """How a stream ends that was broken off."""
    return b"data: " + error_body(error) + b"\n\n" + DONE


CHUNKS: Final = StreamDialect(COMMENT, failure_events)
"""How streams of chat completions and completions wait."""


@dataclass(frozen=True, slots=True)
class TextFrame:
    """A chunk around its text, preformatted: a token costs no more than its own escaping."""

    before: bytes
    after: bytes

    @classmethod
    def of(cls, make_chunk: Callable[[str], msgspec.Struct]) -> TextFrame:
        """What `make_chunk` puts before and after its text."""
        marker = secrets.token_hex(16)
        before, after = event(make_chunk(marker)).split(msgspec.json.encode(marker))
        return cls(before, after)

    def around(self, text: str) -> bytes:
        return self.before + msgspec.json.encode(text) + self.after
