"""What all chunks of a reply share, and the preformatted frames of a streamed one."""

from __future__ import annotations

import secrets
import string
import time
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from service.api.facade import Generation
from service.api.openai.common_schema import PromptTokensDetails, Usage
from service.engine.request import FinishReason

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


def reply_head(id_prefix: str, model: str, system_fingerprint: str) -> ReplyHead:
    id_ = id_prefix + "".join(secrets.choice(_ALPHANUMERIC) for _ in range(24))
    return ReplyHead(id_, int(time.time()), model, system_fingerprint)


def usage_of(generation: Generation) -> Usage:
    num_prompt, num_output = generation.num_prompt_tokens, generation.num_output_tokens
    return Usage(
        prompt_tokens=num_prompt,
        completion_tokens=num_output,
        total_tokens=num_prompt + num_output,
        prompt_tokens_details=PromptTokensDetails(generation.num_cached_tokens),
    )


@dataclass(frozen=True, slots=True)
class Frames:
    """A streamed reply's events: `opening`, text frames, `finish`, `usage` where asked for.

    A text frame is the text, as JSON, between `before_text` and `after_text`, so that a token
    costs no more than its own escaping.
    """

    opening: bytes
    before_text: bytes
    after_text: bytes
    finish: Callable[[FinishReason], bytes]
    usage: Callable[[Usage], bytes] | None


def event(chunk: msgspec.Struct) -> bytes:
    return b"data: " + msgspec.json.encode(chunk) + b"\n\n"


def split_at_text(make_chunk: Callable[[str], msgspec.Struct]) -> tuple[bytes, bytes]:
    """What `make_chunk` puts before and after its text."""
    marker = secrets.token_hex(16)
    before, after = event(make_chunk(marker)).split(msgspec.json.encode(marker))
    return before, after
