"""POST /v1/tokenize, /v1/detokenize and /v1/chat/completions/input_tokens

Whatever they count is what a completion or a chat with the same prompt is charged for.
"""

from __future__ import annotations

from dataclasses import replace

from litestar import post
from msgspec import UNSET

from service.api.body import read_json_body
from service.api.encoding import Encoder
from service.api.facade import Model
from service.api.openai.chat_messages import check_continuation, template_options, to_messages
from service.api.openai.chat_schema import ChatRequest
from service.api.openai.decoder import RequestDecoder
from service.api.openai.fields import CHAT
from service.api.openai.tokenization_schema import (
    DETOKENIZE,
    TOKENIZE,
    Detokenized,
    DetokenizeRequest,
    InputTokens,
    Tokenized,
    TokenizeRequest,
)
from service.api.state import HttpRequest, encoder_of, model_of, pool_of
from service.api.work import off_loop_if_large
from service.errors import RequestError
from service.store.manifest import EncoderManifest
from service.store.packages import AnyPackage

_TOKENIZE = RequestDecoder(TokenizeRequest, TOKENIZE)
_DETOKENIZE = RequestDecoder(DetokenizeRequest, DETOKENIZE)
_CHAT = RequestDecoder(ChatRequest, CHAT)

_FOR_MESSAGES = ("add_generation_prompt", "continue_final_message", "chat_template_kwargs")


@post(["/v1/tokenize", "/tokenize"], status_code=200)
async def tokenize(request: HttpRequest) -> Tokenized:
    body = await read_json_body(request.scope, request.receive)
    wire = _TOKENIZE.decode(body)
    _check(wire)
    if wire.messages is None and _is_encoder(pool_of(request).find(wire.model)):
        encoder = await encoder_of(request, wire.model)
        return await off_loop_if_large(len(body), lambda: _tokenized_by_encoder(wire, encoder))
    model = await model_of(request, wire.model)
    return await off_loop_if_large(len(body), lambda: _tokenized(wire, model))


@post(["/v1/detokenize", "/detokenize"], status_code=200)
async def detokenize(request: HttpRequest) -> Detokenized:
    body = await read_json_body(request.scope, request.receive)
    wire = _DETOKENIZE.decode(body)
    package = pool_of(request).find(wire.model)
    _check_tokens(wire, package.manifest.architecture.vocab_size)
    if _is_encoder(package):
        encoder = await encoder_of(request, wire.model)
        return await off_loop_if_large(len(body), lambda: Detokenized(encoder.decode(wire.tokens)))
    model = await model_of(request, wire.model)
    return await off_loop_if_large(
        len(body), lambda: Detokenized(model.decode(wire.tokens, at_text_start=True))
    )


@post("/v1/chat/completions/input_tokens", status_code=200)
async def count_input_tokens(request: HttpRequest) -> InputTokens:
    """Takes whatever a chat takes. A prompt too long to be answered is counted all the same."""
    body = await read_json_body(request.scope, request.receive)
    wire = _CHAT.decode(body)
    check_continuation(wire)
    model = await model_of(request, wire.model)
    tokens = await off_loop_if_large(len(body), lambda: _chat_tokens(wire, model))
    return InputTokens(input_tokens=len(tokens))


def _check(wire: TokenizeRequest) -> None:
    """Raises RequestError for fields that contradict each other."""
    if wire.prompt is None and wire.messages is None:
        raise RequestError(
            "Missing required parameter: 'prompt' or 'messages'.",
            param="prompt",
            code="missing_parameter",
        )
    if wire.prompt is None:
        check_continuation(_chat(wire))
        return
    if wire.messages is not None:
        raise RequestError("'messages' cannot be combined with 'prompt'.", param="messages")
    for name in _FOR_MESSAGES:
        if getattr(wire, name) is not None:
            raise RequestError(f"{name!r} is only allowed with 'messages'.", param=name)


def _tokenized(wire: TokenizeRequest, model: Model) -> Tokenized:
    tokens = _tokens(wire, model)
    written = (model.token_bytes(token_id).decode(errors="replace") for token_id in tokens)
    return Tokenized(
        count=len(tokens),
        max_model_len=model.context_length,
        tokens=tokens,
        token_strs=[*written] if wire.return_token_strs else UNSET,
    )


def _tokenized_by_encoder(wire: TokenizeRequest, encoder: Encoder) -> Tokenized:
    tokens = encoder.encode_text(
        wire.prompt or "", add_special_tokens=wire.add_special_tokens is not False
    )
    return Tokenized(
        count=len(tokens),
        max_model_len=encoder.context_length,
        tokens=tokens,
        token_strs=[*map(encoder.token, tokens)] if wire.return_token_strs else UNSET,
    )


def _tokens(wire: TokenizeRequest, model: Model) -> list[int]:
    if wire.prompt is None:
        first = _first_token(model) if wire.add_special_tokens else []
        begins_answer = wire.add_generation_prompt is not False
        return first + _chat_tokens(_chat(wire), model, begins_answer=begins_answer)
    tokens = model.encode_text(wire.prompt)
    return tokens[len(_first_token(model)) :] if wire.add_special_tokens is False else tokens


def _chat(wire: TokenizeRequest) -> ChatRequest:
    """The chat whose prompt is wanted."""
    return ChatRequest(
        model=wire.model,
        messages=wire.messages or [],
        chat_template_kwargs=wire.chat_template_kwargs,
        continue_final_message=wire.continue_final_message,
        # Only a chat cannot do without an answer begun.
        add_generation_prompt=wire.add_generation_prompt or None,
    )


def _chat_tokens(wire: ChatRequest, model: Model, *, begins_answer: bool = True) -> list[int]:
    options = replace(template_options(wire, model), begins_answer=begins_answer)
    return model.encode_chat(to_messages(wire.messages), options).token_ids


def _first_token(model: Model) -> list[int]:
    """What the model wants before a text: one token or none."""
    tokens = model.manifest.tokens
    return [tokens.bos] if tokens.add_bos and tokens.bos is not None else []


def _is_encoder(package: AnyPackage) -> bool:
    return isinstance(package.manifest, EncoderManifest)


def _check_tokens(wire: DetokenizeRequest, vocab_size: int) -> None:
    if wire.tokens and max(wire.tokens) >= vocab_size:
        raise RequestError(
            f"'tokens' holds ids outside the model's vocabulary of {vocab_size}.", param="tokens"
        )
