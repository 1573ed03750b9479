"""POST /api/chat"""

from __future__ import annotations

from litestar import post
from litestar.types import ASGIApp

from service.api.body import read_json_body
from service.api.ollama.fields import CHAT
from service.api.ollama.generating import begun
from service.api.ollama.lines import LINES
from service.api.ollama.loading import empty_reply
from service.api.ollama.messages import check_continuation, continues_answer, to_messages
from service.api.ollama.options import (
    asked_form,
    asked_parameters,
    check_answer,
    generation_options,
    load_overrides,
    think_variables,
)
from service.api.ollama.reply import Watch, chat_answer
from service.api.ollama.schema import OllamaChatRequest
from service.api.ollama.tools import chat_tools
from service.api.openai.decoder import RequestDecoder
from service.api.patience import in_time
from service.api.renaming import params_renamed
from service.api.state import HttpRequest, model_of
from service.api.tools import answer_forms
from service.api.work import off_loop_if_large
from service.dialogue.message import Message
from service.dialogue.prompt import TemplateOptions
from service.store.overrides import Parameters

_DECODER = RequestDecoder(OllamaChatRequest, CHAT)
_RENAMED = {"num_ctx": "options.num_ctx", "continue_final_message": "messages"}


@post("/api/chat", status_code=200)
async def chat(request: HttpRequest) -> ASGIApp:
    """Without messages the model is loaded, or unloaded."""
    watch = Watch()
    body = await read_json_body(request.scope, request.receive, allows_unsaid=True)
    wire = _DECODER.decode(body)
    asked = asked_parameters(wire.options)
    check_answer(wire, asked)
    messages = to_messages(wire.messages or ())
    if not messages:
        overrides = load_overrides(asked)
        return empty_reply(request, wire.model, wire.keep_alive, overrides, chat_answer)
    check_continuation(messages)
    preparing = _prepared(request, wire, asked, messages, watch, len(body))
    return await in_time(preparing, None if wire.stream is False else LINES)


async def _prepared(
    request: HttpRequest,
    wire: OllamaChatRequest,
    asked: Parameters,
    messages: list[Message],
    watch: Watch,
    num_bytes: int,
) -> ASGIApp:
    tools = chat_tools(wire)
    with params_renamed(_RENAMED):
        model = await model_of(request, wire.model, wire.keep_alive, load_overrides(asked))
        watch.loaded()
        template = TemplateOptions(
            tuple(think_variables(wire.think, model).items()),
            continues_final_message=continues_answer(messages),
            tools=() if tools is None else tools.use.tools,
        )
        prompt = await off_loop_if_large(num_bytes, lambda: model.encode_chat(messages, template))
    forms = await answer_forms(tools, asked_form(wire), model, prompt, completes=None)
    options = generation_options(
        wire,
        asked,
        model,
        prompt,
        forms,
        continues_text=template.continues_final_message,
        prompt_param="messages",
    )
    return begun(wire, model, prompt.token_ids, options, watch, chat_answer)
