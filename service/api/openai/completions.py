"""POST /v1/completions"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from litestar import post
from litestar.types import ASGIApp

from service.api.body import read_json_body
from service.api.facade import Model
from service.api.openai.completion_reply import CompletionChunks, CompletionReply, Shape
from service.api.openai.completion_schema import MAX_PROMPTS, CompletionRequest
from service.api.openai.decoder import RequestDecoder
from service.api.openai.echo import Echo
from service.api.openai.fields import COMPLETION
from service.api.openai.output_format import requested_form
from service.api.openai.parameters import (
    check_stream_options,
    completion_options,
    num_choices,
    num_generated,
)
from service.api.openai.reply import CHUNKS, UsageIn, reply_head
from service.api.patience import in_time
from service.api.state import HttpRequest, model_of
from service.api.streamed import StreamedReply
from service.api.whole import WholeReply
from service.api.work import off_loop_if_large
from service.errors import RequestError

Prompts: TypeAlias = Sequence[str | list[int]]

_DECODER = RequestDecoder(CompletionRequest, COMPLETION)


@post("/v1/completions", status_code=200)
async def create_completion(request: HttpRequest) -> ASGIApp:
    """The prompt enters as it is: no chat template, nothing put before it."""
    body = await read_json_body(request.scope, request.receive)
    wire = _DECODER.decode(body)
    _check(wire)
    prompts = _prompts(wire)
    preparing = _prepared(request, wire, prompts, len(body))
    return await in_time(preparing, CHUNKS if wire.stream else None)


async def _prepared(
    request: HttpRequest, wire: CompletionRequest, prompts: Prompts, num_bytes: int
) -> ASGIApp:
    model = await model_of(request, wire.model, wire.keep_alive)
    form = await requested_form(wire, model)
    options = completion_options(wire, model.defaults, form)
    encoded = await off_loop_if_large(
        num_bytes, lambda: [_token_ids(model, prompt, wire.suffix) for prompt in prompts]
    )
    generations = model.generate(encoded, options)
    shape = Shape(
        num_choices=num_choices(wire),
        num_generated=num_generated(wire),
        echoes=_echoes(model, prompts, encoded) if wire.echo else (),
        token_bytes=None if wire.logprobs is None else model.token_bytes,
    )
    head = reply_head("cmpl-", wire.model, model.system_fingerprint, form)
    if wire.stream:
        usage_in = UsageIn.of(wire.stream_options)
        return StreamedReply(generations, CompletionChunks(head, shape, generations, usage_in))
    return WholeReply(generations, CompletionReply(head, shape).make)


def _check(wire: CompletionRequest) -> None:
    """Raises RequestError for fields that contradict each other."""
    check_stream_options(wire)
    if num_generated(wire) < num_choices(wire):
        raise RequestError("'best_of' must not be less than 'n'.", param="best_of")
    if wire.stream and num_generated(wire) > num_choices(wire):
        raise RequestError("'best_of' cannot be streamed.", param="best_of")
    if wire.suffix and wire.echo:
        raise RequestError("A prompt with a 'suffix' cannot be echoed.", param="echo")


def _prompts(wire: CompletionRequest) -> Prompts:
    """One prompt or several: a text, tokens, or a list of either.

    Raises RequestError for token ids beside anything else, for too many prompts, and for token
    ids with a suffix, which are no text to put marks around.
    """
    prompts = _separate(wire.prompt)
    if len(prompts) * num_generated(wire) > MAX_PROMPTS:
        raise RequestError(
            f"A request may have {MAX_PROMPTS} answers, all prompts and 'n' or 'best_of' counted.",
            param="prompt",
        )
    if wire.suffix and not all(isinstance(prompt, str) for prompt in prompts):
        raise RequestError("Prompts with a 'suffix' must be texts.", param="prompt")
    return prompts


def _separate(prompt: str | list[str | int | list[int]]) -> Sequence[str | list[int]]:
    if isinstance(prompt, str):
        return [prompt]
    token_ids = [item for item in prompt if isinstance(item, int)]
    if not token_ids:
        return [item for item in prompt if not isinstance(item, int)]
    if len(token_ids) < len(prompt):
        raise RequestError("'prompt' must not mix token ids with texts or lists.", param="prompt")
    return [token_ids]


def _token_ids(model: Model, prompt: str | list[int], suffix: str | None) -> list[int]:
    if not isinstance(prompt, str):
        return prompt
    return model.encode_infill(prompt, suffix) if suffix else model.encode_text(prompt)


def _echoes(
    model: Model, prompts: Sequence[str | list[int]], encoded: Sequence[list[int]]
) -> list[Echo]:
    hidden = model.manifest.tokens.bos if model.manifest.tokens.add_bos else None
    return [
        Echo(prompt, token_ids, num_hidden=int(token_ids[:1] == [hidden]))
        if isinstance(prompt, str)
        else Echo(model.decode(token_ids), token_ids)
        for prompt, token_ids in zip(prompts, encoded, strict=True)
    ]
