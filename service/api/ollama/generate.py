"""POST /api/generate"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from litestar import post
from litestar.types import ASGIApp

from service.api.body import read_json_body
from service.api.facade import Model
from service.api.forms import output_form
from service.api.ollama.fields import GENERATE
from service.api.ollama.generating import begun
from service.api.ollama.lines import LINES
from service.api.ollama.loading import empty_reply
from service.api.ollama.options import (
    asked_form,
    asked_parameters,
    check_answer,
    generation_options,
    load_overrides,
    think_variables,
)
from service.api.ollama.reply import Watch, generate_answer
from service.api.ollama.schema import GenerateRequest
from service.api.openai.decoder import RequestDecoder
from service.api.patience import in_time
from service.api.renaming import params_renamed
from service.api.state import HttpRequest, model_of
from service.api.tools import AnswerForms, answer_forms
from service.api.work import off_loop_if_large
from service.dialogue.message import Message
from service.dialogue.prompt import ChatPrompt, TemplateOptions
from service.errors import RequestError
from service.modelfile.templates import check_template
from service.store.overrides import Parameters

_DECODER = RequestDecoder(GenerateRequest, GENERATE)
_RENAMED = {"num_ctx": "options.num_ctx", "messages": "prompt"}


@dataclass(frozen=True, slots=True)
class _Prompt:
    """`chat` is None where the prompt is a text as it stands."""

    token_ids: Sequence[int]
    chat: ChatPrompt | None = None


@post("/api/generate", status_code=200)
async def generate(request: HttpRequest) -> ASGIApp:
    """A conversation of one message, unless the prompt is `raw` or goes around a hole. Without a
    prompt the model is loaded, or unloaded."""
    watch = Watch()
    body = await read_json_body(request.scope, request.receive, allows_unsaid=True)
    wire = _DECODER.decode(body)
    asked = asked_parameters(wire.options)
    check_answer(wire, asked)
    _check(wire)
    if not wire.prompt and not wire.suffix:
        overrides = load_overrides(asked, wire.template)
        return empty_reply(request, wire.model, wire.keep_alive, overrides, generate_answer)
    preparing = _prepared(request, wire, asked, watch, len(body))
    return await in_time(preparing, None if wire.stream is False else LINES)


async def _prepared(
    request: HttpRequest, wire: GenerateRequest, asked: Parameters, watch: Watch, num_bytes: int
) -> ASGIApp:
    await _check_template(wire.template)
    with params_renamed(_RENAMED):
        overrides = load_overrides(asked, wire.template)
        model = await model_of(request, wire.model, wire.keep_alive, overrides)
        watch.loaded()
        prompt = await off_loop_if_large(num_bytes, lambda: _encoded(wire, model))
    forms = await _forms(wire, model, prompt)
    options = generation_options(
        wire,
        asked,
        model,
        prompt.chat,
        forms,
        continues_text=prompt.chat is None,
        prompt_param="prompt",
    )
    return begun(wire, model, prompt.token_ids, options, watch, generate_answer)


def _encoded(wire: GenerateRequest, model: Model) -> _Prompt:
    text = wire.prompt or ""
    if wire.suffix:
        return _Prompt(model.encode_infill(text, wire.suffix))
    if wire.raw:
        return _Prompt(model.encode_text(text))
    own = [Message("system", wire.system)] if wire.system else []
    variables = tuple(think_variables(wire.think, model).items())
    chat = model.encode_chat([*own, Message("user", text)], TemplateOptions(variables))
    return _Prompt(chat.token_ids, chat)


async def _forms(wire: GenerateRequest, model: Model, prompt: _Prompt) -> AnswerForms:
    asked = asked_form(wire)
    if prompt.chat is None:
        return AnswerForms(await output_form(asked, model, completes=None))
    return await answer_forms(None, asked, model, prompt.chat, completes=None)


def _check(wire: GenerateRequest) -> None:
    """Raises RequestError for a prompt that is no conversation, with parts of one."""
    what = "a 'raw' prompt" if wire.raw else "a 'suffix'" if wire.suffix else None
    given = {"system": wire.system, "template": wire.template, "think": wire.think}
    if wire.raw:
        given["suffix"] = wire.suffix
    for name, value in given.items():
        if what is not None and value:
            raise RequestError(f"{name!r} cannot be combined with {what}.", param=name)


async def _check_template(source: str | None) -> None:
    """Raises RequestError. In a thread: a template may compute for a while."""
    if not source:
        return
    try:
        await asyncio.to_thread(check_template, source)
    except ValueError as error:
        raise RequestError(f"The template cannot be used: {error}.", param="template") from None
