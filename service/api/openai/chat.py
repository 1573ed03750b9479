"""POST /v1/chat/completions"""

from __future__ import annotations

from litestar import post
from litestar.types import ASGIApp

from service.api.body import read_json_body
from service.api.facade import Model
from service.api.openai.chat_messages import check_continuation, template_options, to_messages
from service.api.openai.chat_reply import ChatChunks, ChatReply
from service.api.openai.chat_schema import ChatRequest
from service.api.openai.decoder import RequestDecoder
from service.api.openai.fields import CHAT
from service.api.openai.output_format import asked_form
from service.api.openai.parameters import chat_options, check_stream_options
from service.api.openai.reply import CHUNKS, UsageIn, reply_head
from service.api.openai.tools import CallStyle, chat_tools
from service.api.patience import in_time
from service.api.state import HttpRequest, model_of
from service.api.streamed import StreamedReply
from service.api.tools import AnswerForms, answer_forms
from service.api.whole import WholeReply
from service.api.work import off_loop_if_large
from service.dialogue.prompt import ChatPrompt
from service.errors import RequestError

_DECODER = RequestDecoder(ChatRequest, CHAT)


@post("/v1/chat/completions", status_code=200)
async def create_chat_completion(request: HttpRequest) -> ASGIApp:
    """Everything that can be refused is refused before the first byte of an answer, unless the
    model takes long to load."""
    body = await read_json_body(request.scope, request.receive)
    wire = _DECODER.decode(body)
    _check(wire)
    return await in_time(_prepared(request, wire, len(body)), CHUNKS if wire.stream else None)


async def _prepared(request: HttpRequest, wire: ChatRequest, num_bytes: int) -> ASGIApp:
    tools = chat_tools(wire)
    messages = to_messages(wire.messages)
    model = await model_of(request, wire.model, wire.keep_alive)
    template = template_options(wire, model, tools.shown)
    prompt = await off_loop_if_large(num_bytes, lambda: model.encode_chat(messages, template))
    forms = await answer_forms(
        tools.asked, asked_form(wire), model, prompt, completes=wire.complete_on_length
    )
    return _reply(wire, model, prompt, forms, tools.style)


def _reply(
    wire: ChatRequest, model: Model, prompt: ChatPrompt, forms: AnswerForms, style: CallStyle
) -> ASGIApp:
    options = chat_options(
        wire,
        model.defaults,
        splits_reasoning=prompt.may_reason,
        starts_in_reasoning=prompt.starts_in_reasoning,
        forms=forms,
    )
    generations = model.generate([prompt.token_ids], options)
    head = reply_head("chatcmpl-", wire.model, model.system_fingerprint, forms.form)
    token_bytes = model.token_bytes if wire.logprobs else None
    if wire.stream:
        usage_in = UsageIn.of(wire.stream_options)
        chunks = ChatChunks(head, generations, token_bytes, usage_in, style)
        return StreamedReply(generations, chunks)
    return WholeReply(generations, ChatReply(head, token_bytes, style).make)


def _check(wire: ChatRequest) -> None:
    """Raises RequestError for fields that contradict each other."""
    check_stream_options(wire)
    check_continuation(wire)
    if wire.top_logprobs and not wire.logprobs:
        raise RequestError(
            "'top_logprobs' is only allowed when 'logprobs' is true.", param="top_logprobs"
        )
