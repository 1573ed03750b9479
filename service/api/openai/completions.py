"""POST /v1/completions"""

from __future__ import annotations

from litestar import post
from litestar.types import ASGIApp

from service.api.body import read_json_body
from service.api.facade import Model
from service.api.openai.completion_reply import CompletionReply
from service.api.openai.completion_schema import CompletionRequest
from service.api.openai.decoder import RequestDecoder
from service.api.openai.fields import COMPLETION
from service.api.openai.parameters import includes_usage, sampling_params, stop_texts, whole
from service.api.openai.reply import reply_head
from service.api.openai.stream import StreamedReply
from service.api.openai.whole import WholeReply
from service.api.state import HttpRequest, pool_of
from service.api.work import off_loop_if_large
from service.errors import RequestError

DEFAULT_MAX_TOKENS = 16

_DECODER = RequestDecoder(CompletionRequest, COMPLETION)


@post("/v1/completions", status_code=200)
async def create_completion(request: HttpRequest) -> ASGIApp:
    """The prompt enters as it is: no chat template, nothing put before it."""
    body = await read_json_body(request.scope, request.receive)
    wire = _DECODER.decode(body)
    with_usage = includes_usage(wire)
    max_tokens = whole(wire.max_tokens, "max_tokens") or DEFAULT_MAX_TOKENS
    prompt = _single_prompt(wire)
    model = await pool_of(request).get(wire.model)
    token_ids = await off_loop_if_large(len(body), lambda: _token_ids(model, prompt))
    generation = model.generate(
        token_ids,
        max_tokens=max_tokens,
        sampling=sampling_params(wire, model.manifest.generation),
        stop=stop_texts(wire),
        prompt_param="prompt",
        continues_text=True,
    )
    reply = CompletionReply(reply_head("cmpl-", wire.model, model.system_fingerprint), with_usage)
    if wire.stream:
        return StreamedReply(generation, reply.frames())
    return WholeReply(generation, reply.whole)


def _single_prompt(wire: CompletionRequest) -> str | list[int]:
    if isinstance(wire.prompt, str):
        return wire.prompt
    token_ids = [item for item in wire.prompt if isinstance(item, int)]
    if len(token_ids) == len(wire.prompt):
        return token_ids
    if len(wire.prompt) > 1:
        raise RequestError("Only one prompt can be completed per request.", param="prompt")
    (prompt,) = (item for item in wire.prompt if not isinstance(item, int))
    return prompt


def _token_ids(model: Model, prompt: str | list[int]) -> list[int]:
    return model.encode_text(prompt) if isinstance(prompt, str) else prompt
