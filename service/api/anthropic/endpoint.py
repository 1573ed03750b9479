"""POST /v1/messages and POST /v1/messages/count_tokens: Anthropic's dialect."""

from __future__ import annotations

from litestar import post
from litestar.types import ASGIApp

from service.api.anthropic.fields import COUNT_TOKENS, MESSAGES
from service.api.anthropic.messages import (
    asked_form,
    continues_answer,
    template_options,
    to_messages,
)
from service.api.anthropic.reply import EVENTS, PING, MessageEvents, MessageHead, MessageReply
from service.api.anthropic.schema import CountTokensRequest, MessagesRequest, TokenCount
from service.api.anthropic.tools import asked_tools, check_tool_ends
from service.api.body import read_json_body
from service.api.facade import Model
from service.api.keep_alive import KeepAlive
from service.api.openai.decoder import RequestDecoder
from service.api.openai.parameters import whole
from service.api.openai.reply import new_id, relaxed_keywords
from service.api.patience import in_time
from service.api.renaming import params_renamed
from service.api.sampling import sampling_params, stop_texts
from service.api.state import HttpRequest, model_of
from service.api.streamed import StreamedReply
from service.api.tools import AnswerForms, AskedTools, answer_forms
from service.api.whole import WholeReply
from service.api.work import off_loop_if_large
from service.dialogue.prompt import ChatPrompt
from service.options import GenerationOptions

_MESSAGES = RequestDecoder(MessagesRequest, MESSAGES)
_COUNT_TOKENS = RequestDecoder(CountTokensRequest, COUNT_TOKENS)


@post("/v1/messages", status_code=200)
async def create_message(request: HttpRequest) -> ASGIApp:
    """The header `anthropic-version` may say what it likes: there is one version here."""
    body = await read_json_body(request.scope, request.receive)
    wire = _MESSAGES.decode(body)
    tools = asked_tools(wire)
    check_tool_ends(wire, tools)
    preparing = _prepared(request, wire, len(body), tools)
    return await in_time(preparing, EVENTS if wire.stream else None)


async def _prepared(
    request: HttpRequest, wire: MessagesRequest, num_bytes: int, tools: AskedTools | None
) -> ASGIApp:
    model, prompt = await _encoded(request, wire, num_bytes, tools, wire.keep_alive)
    max_tokens = whole(wire.max_tokens, "max_tokens")
    assert max_tokens is not None
    forms = await answer_forms(
        tools, asked_form(wire), model, prompt, completes=wire.complete_on_length
    )
    options = _generation_options(wire, max_tokens, model, prompt, forms)
    generations = model.generate([prompt.token_ids], options)
    head = MessageHead(new_id("msg_"), wire.model, max_tokens, relaxed_keywords(forms.form))
    if wire.stream:
        (generation,) = generations
        return StreamedReply(generations, MessageEvents(head, generation), ping=PING)
    return WholeReply(generations, MessageReply(head).make)


@post("/v1/messages/count_tokens", status_code=200)
async def count_message_tokens(request: HttpRequest) -> TokenCount:
    """Those of the prompt that the same messages would make."""
    body = await read_json_body(request.scope, request.receive)
    wire = _COUNT_TOKENS.decode(body)
    _, prompt = await _encoded(request, wire, len(body), asked_tools(wire))
    return TokenCount(len(prompt.token_ids))


async def _encoded(
    request: HttpRequest,
    wire: CountTokensRequest,
    num_bytes: int,
    tools: AskedTools | None,
    keep_alive: KeepAlive | None = None,
) -> tuple[Model, ChatPrompt]:
    messages = to_messages(wire)
    model = await model_of(request, wire.model, keep_alive)
    template = template_options(wire, model, () if tools is None else tools.use.tools)
    with params_renamed({"continue_final_message": "messages"}):
        return model, await off_loop_if_large(
            num_bytes, lambda: model.encode_chat(messages, template)
        )


def _generation_options(
    wire: MessagesRequest,
    max_tokens: int,
    model: Model,
    prompt: ChatPrompt,
    forms: AnswerForms,
) -> GenerationOptions:
    return GenerationOptions(
        max_tokens=max_tokens,
        sampling=sampling_params(
            model.defaults,
            temperature=wire.temperature,
            top_p=wire.top_p,
            top_k=wire.top_k,
        ),
        stop=stop_texts(wire.stop_sequences, model.defaults, forms.form),
        continues_text=continues_answer(wire),
        splits_reasoning=prompt.may_reason,
        starts_in_reasoning=prompt.starts_in_reasoning,
        form=forms.form,
        calls=forms.calls,
    )
