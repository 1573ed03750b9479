"""POST /v1/responses and POST /v1/responses/input_tokens"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from litestar import post
from litestar.types import ASGIApp

from service.api.body import read_json_body
from service.api.facade import Model
from service.api.keep_alive import KeepAlive
from service.api.openai.decoder import RequestDecoder
from service.api.openai.reply import new_id, relaxed_keywords
from service.api.openai.responses.conversation import to_messages
from service.api.openai.responses.draft import Draft
from service.api.openai.responses.fields import INPUT_TOKENS, RESPONSES
from service.api.openai.responses.input import read_input
from service.api.openai.responses.items import Item
from service.api.openai.responses.parameters import (
    asked_form,
    check,
    check_prompt,
    generation_options,
    template_options,
)
from service.api.openai.responses.reply import EVENTS, ResponseEvents, ResponseReply
from service.api.openai.responses.schema import (
    InputTokenCount,
    InputTokensRequest,
    PlainText,
    ReasoningUsed,
    ResponseObject,
    ResponsesRequest,
    TextUsed,
)
from service.api.openai.responses.store import ResponseStore, StoredResponse
from service.api.openai.responses.tools import asked_tools
from service.api.patience import in_time
from service.api.renaming import params_renamed
from service.api.state import HttpRequest, model_of, responses_of
from service.api.streamed import StreamedReply
from service.api.tools import AskedTools, answer_forms
from service.api.whole import WholeReply
from service.api.work import off_loop_if_large
from service.dialogue.prompt import ChatPrompt
from service.errors import RequestError
from service.options import GenerationOptions

_RESPONSES = RequestDecoder(ResponsesRequest, RESPONSES)
_INPUT_TOKENS = RequestDecoder(InputTokensRequest, INPUT_TOKENS)


@dataclass(frozen=True, slots=True)
class _Prompt:
    """`items` are all that it was made from, but for the instructions."""

    model: Model
    items: Sequence[Item]
    encoded: ChatPrompt


@post("/v1/responses", status_code=200)
async def create_response(request: HttpRequest) -> ASGIApp:
    """Everything that can be refused is refused before the first byte of an answer, unless the
    model takes long to load."""
    body = await read_json_body(request.scope, request.receive)
    wire = _RESPONSES.decode(body)
    check(wire)
    tools = asked_tools(wire)
    preparing = _prepared(request, wire, len(body), tools)
    return await in_time(preparing, EVENTS if wire.stream else None)


async def _prepared(
    request: HttpRequest, wire: ResponsesRequest, num_bytes: int, tools: AskedTools | None
) -> ASGIApp:
    prompt = await _prompt(request, wire, num_bytes, tools, wire.keep_alive)
    model = prompt.model
    forms = await answer_forms(
        tools, asked_form(wire), model, prompt.encoded, completes=wire.complete_on_length
    )
    options = generation_options(wire, model, prompt.encoded, forms)
    generations = model.generate([prompt.encoded.token_ids], options)
    (generation,) = generations
    store = responses_of(request)
    draft = Draft(
        _response(wire, options),
        generation,
        model.token_bytes if wire.wants_logprobs else None,
        lambda response: _keep(store, response, prompt.items),
    )
    if wire.stream:
        return StreamedReply(generations, ResponseEvents(draft))
    return WholeReply(generations, ResponseReply(draft).make)


@post("/v1/responses/input_tokens", status_code=200)
async def count_response_input_tokens(request: HttpRequest) -> InputTokenCount:
    """Those of the prompt that the same input would make."""
    body = await read_json_body(request.scope, request.receive)
    wire = _INPUT_TOKENS.decode(body)
    check_prompt(wire)
    prompt = await _prompt(request, wire, len(body), asked_tools(wire))
    return InputTokenCount(input_tokens=len(prompt.encoded.token_ids))


async def _prompt(
    request: HttpRequest,
    wire: InputTokensRequest,
    num_bytes: int,
    tools: AskedTools | None,
    keep_alive: KeepAlive | None = None,
) -> _Prompt:
    before = _before(responses_of(request), wire.previous_response_id)
    new = await off_loop_if_large(num_bytes, lambda: read_input(wire.input))
    items = (*before, *new)
    messages = await off_loop_if_large(
        num_bytes + len(before), lambda: to_messages(items, wire.instructions)
    )
    model = await model_of(request, wire.model, keep_alive)
    template = template_options(wire, model, () if tools is None else tools.use.tools)
    num_chars = num_bytes + sum(len(message.content) for message in messages)
    with params_renamed({"messages": "input"}):
        encoded = await off_loop_if_large(num_chars, lambda: model.encode_chat(messages, template))
    return _Prompt(model, items, encoded)


def _before(store: ResponseStore, previous_id: str | None) -> Sequence[Item]:
    """The conversation that is to go on."""
    if previous_id is None:
        return ()
    stored = store.get(previous_id)
    if stored is None:
        raise RequestError(
            f"Previous response with id {previous_id[:100]!r} not found: it was not stored, or "
            "has made room for later ones.",
            param="previous_response_id",
            code="previous_response_not_found",
        )
    return stored.conversation


def _keep(store: ResponseStore, response: ResponseObject, items: Sequence[Item]) -> None:
    if response.store:
        store.put(StoredResponse(response, items))


def _response(wire: ResponsesRequest, options: GenerationOptions) -> ResponseObject:
    return ResponseObject(
        id=new_id("resp_"),
        created_at=int(time.time()),
        status="in_progress",
        instructions=wire.instructions,
        max_output_tokens=options.max_tokens,
        metadata=wire.metadata or {},
        model=wire.model,
        parallel_tool_calls=wire.parallel_tool_calls is not False,
        previous_response_id=wire.previous_response_id,
        reasoning=ReasoningUsed(None if wire.reasoning is None else wire.reasoning.effort),
        store=wire.store is not False,
        temperature=options.sampling.temperature,
        text=TextUsed((wire.text and wire.text.format) or PlainText()),
        tool_choice=wire.tool_choice or "auto",
        tools=wire.tools or [],
        top_logprobs=wire.top_logprobs or 0,
        top_p=options.sampling.top_p,
        relaxed_keywords=relaxed_keywords(options.form),
    )
