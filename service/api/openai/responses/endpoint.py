"""POST /v1/responses"""

from __future__ import annotations

import time
from collections.abc import Sequence

from litestar import post
from litestar.types import ASGIApp

from service.api.body import read_json_body
from service.api.facade import Model
from service.api.openai.decoder import RequestDecoder
from service.api.openai.reply import new_id
from service.api.openai.responses.draft import Draft
from service.api.openai.responses.fields import RESPONSES
from service.api.openai.responses.input import read_input, to_messages
from service.api.openai.responses.items import Item
from service.api.openai.responses.parameters import check, generation_options, template_options
from service.api.openai.responses.reply import ResponseEvents, ResponseReply
from service.api.openai.responses.schema import (
    ReasoningUsed,
    ResponseObject,
    ResponsesRequest,
)
from service.api.openai.responses.store import ResponseStore, StoredResponse
from service.api.renaming import params_renamed
from service.api.state import HttpRequest, pool_of, responses_of
from service.api.streamed import StreamedReply
from service.api.whole import WholeReply
from service.api.work import off_loop_if_large
from service.dialogue.prompt import ChatPrompt
from service.errors import RequestError
from service.options import GenerationOptions

_DECODER = RequestDecoder(ResponsesRequest, RESPONSES)


@post("/v1/responses", status_code=200)
async def create_response(request: HttpRequest) -> ASGIApp:
    """Everything that can be refused is refused here, before the first byte of an answer."""
    body = await read_json_body(request.scope, request.receive)
    wire = _DECODER.decode(body)
    check(wire)
    store = responses_of(request)
    before = _before(store, wire.previous_response_id)
    items = (*before, *await off_loop_if_large(len(body), lambda: read_input(wire.input)))
    model = await pool_of(request).get(wire.model)
    prompt = await _encoded(wire, items, model)
    options = generation_options(wire, model, prompt)
    generations = model.generate([prompt.token_ids], options)
    (generation,) = generations
    draft = Draft(
        _response(wire, options),
        generation,
        model.token_bytes if wire.wants_logprobs else None,
        lambda response: _keep(store, response, items),
    )
    if wire.stream:
        return StreamedReply(generations, ResponseEvents(draft))
    return WholeReply(generations, ResponseReply(draft).make)


async def _encoded(wire: ResponsesRequest, items: Sequence[Item], model: Model) -> ChatPrompt:
    messages = to_messages(items, wire.instructions)
    template = template_options(wire, model)
    num_chars = sum(len(message.content) for message in messages)
    with params_renamed({"messages": "input"}):
        return await off_loop_if_large(num_chars, lambda: model.encode_chat(messages, template))


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
        tool_choice=wire.tool_choice if isinstance(wire.tool_choice, str) else "auto",
        top_logprobs=wire.top_logprobs or 0,
        top_p=options.sampling.top_p,
    )
