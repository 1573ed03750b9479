"""Log-probabilities in the two shapes that OpenAI gives them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import msgspec

from service.api.facade import TextLogprobs
from service.engine.request import Logprobs

TokenBytes: TypeAlias = Callable[[int], bytes]
"""What a token is written as."""


class TopLogprob(msgspec.Struct, frozen=True):
    token: str
    logprob: float
    bytes: list[int]


class TokenLogprob(msgspec.Struct, frozen=True):
    token: str
    logprob: float
    bytes: list[int]
    top_logprobs: list[TopLogprob]


class ChatLogprobs(msgspec.Struct, frozen=True):
    """Of a chat's answer. A token that is a part of a character has U+FFFD for text."""

    content: list[TokenLogprob]
    refusal: None = None


class CompletionLogprobs(msgspec.Struct, frozen=True):
    """Of a completion: four lists of equal length. The first token of a text has no logprob.

    A token that is a part of a character is written `bytes:\\xf0\\x9f`, so that those which share
    a position stay apart.
    """

    tokens: list[str]
    token_logprobs: list[float | None]
    top_logprobs: list[dict[str, float] | None]
    text_offset: list[int]


def chat_logprobs(found: Sequence[TextLogprobs], token_bytes: TokenBytes) -> ChatLogprobs:
    return ChatLogprobs([_token_logprob(item.logprobs, token_bytes) for item in found])


def completion_logprobs(
    found: Sequence[TextLogprobs], token_bytes: TokenBytes, offset: int
) -> CompletionLogprobs:
    """`offset` is where the output begins in the text that the client sees."""
    return CompletionLogprobs(
        tokens=[_spelling(token_bytes(item.logprobs.token_id)) for item in found],
        token_logprobs=[item.logprobs.logprob for item in found],
        top_logprobs=[_alternatives(item.logprobs, token_bytes) for item in found],
        text_offset=[offset + item.offset for item in found],
    )


def echoed_logprobs(
    token_ids: Sequence[int],
    offsets: Sequence[int],
    logprobs: Sequence[Logprobs],
    token_bytes: TokenBytes,
) -> CompletionLogprobs:
    """Those of a prompt; `logprobs` begin with its second token."""
    return CompletionLogprobs(
        tokens=[_spelling(token_bytes(token_id)) for token_id in token_ids],
        token_logprobs=[None, *(item.logprob for item in logprobs)],
        top_logprobs=[None, *(_alternatives(item, token_bytes) for item in logprobs)],
        text_offset=[*offsets],
    )


def joined(one: CompletionLogprobs, other: CompletionLogprobs) -> CompletionLogprobs:
    return CompletionLogprobs(
        one.tokens + other.tokens,
        one.token_logprobs + other.token_logprobs,
        one.top_logprobs + other.top_logprobs,
        one.text_offset + other.text_offset,
    )


def _token_logprob(found: Logprobs, token_bytes: TokenBytes) -> TokenLogprob:
    written = token_bytes(found.token_id)
    top = [
        TopLogprob(_text(other), logprob, [*other])
        for token_id, logprob in found.top
        for other in (token_bytes(token_id),)
    ]
    return TokenLogprob(_text(written), found.logprob, [*written], top)


def _alternatives(found: Logprobs, token_bytes: TokenBytes) -> dict[str, float]:
    """The likeliest tokens and the one that was taken. Of tokens spelled alike the likelier."""
    top = [(token_bytes(token_id), logprob) for token_id, logprob in reversed(found.top)]
    taken = (token_bytes(found.token_id), found.logprob)
    alternatives = {_spelling(written): logprob for written, logprob in (taken, *top)}
    return dict(sorted(alternatives.items(), key=lambda item: -item[1]))


def _text(written: bytes) -> str:
    return written.decode(errors="replace")


def _spelling(written: bytes) -> str:
    try:
        return written.decode()
    except UnicodeDecodeError:
        return "bytes:" + "".join(f"\\x{byte:02x}" for byte in written)
