"""Wire structs of /v1/tokenize, /v1/detokenize and /v1/chat/completions/input_tokens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from service.api.openai.chat_schema import ChatMessage
from service.api.openai.common_schema import ModelId, TokenId
from service.api.openai.fields import Honoured, OneOf, Treatment


class TokenizeRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Either a `prompt`, as a completion or an embedding takes it, or the `messages` of a chat.

    `add_special_tokens` puts the model's first token before the tokens, if it has one: by default
    before a prompt, as completions do, and not before messages, whose template says what begins.
    The fields of templates go with messages only.
    """

    model: ModelId
    prompt: str | None = None
    messages: Annotated[list[ChatMessage], Meta(min_length=1)] | None = None
    add_special_tokens: bool | None = None
    return_token_strs: bool | None = None
    add_generation_prompt: bool | None = None
    continue_final_message: bool | None = None
    chat_template_kwargs: dict[str, bool | str] | None = None


class Tokenized(msgspec.Struct, frozen=True, kw_only=True):
    """`max_model_len` is how many tokens a request may take, prompt and answer together.

    `token_strs` are there where they were asked for: what each token is written as, U+FFFD where
    that is a part of a character; those of an encoder as its vocabulary spells them.
    """

    count: int
    max_model_len: int
    tokens: list[int]
    token_strs: list[str] | UnsetType = UNSET


class DetokenizeRequest(msgspec.Struct, frozen=True, kw_only=True):
    model: ModelId
    tokens: list[TokenId]


class Detokenized(msgspec.Struct, frozen=True):
    """The text of the tokens, special ones as they are written."""

    prompt: str


class InputTokens(msgspec.Struct, frozen=True, kw_only=True):
    object: Literal["response.input_tokens"] = "response.input_tokens"
    input_tokens: int


TOKENIZE: Final[Mapping[str, Treatment]] = {
    "model": Honoured(),
    "prompt": Honoured("one text"),
    "messages": Honoured("as a chat takes them"),
    "add_special_tokens": Honoured("true by default for `prompt`, false for `messages`"),
    "return_token_strs": Honoured(),
    "add_generation_prompt": Honoured("true by default"),
    "continue_final_message": Honoured(),
    "chat_template_kwargs": Honoured("those that a chat takes"),
    "chat_template": OneOf(),
    "media_io_kwargs": OneOf(({},)),
    "mm_processor_kwargs": OneOf(({},)),
    "tools": OneOf(([],)),
}

DETOKENIZE: Final[Mapping[str, Treatment]] = {"model": Honoured(), "tokens": Honoured()}
