"""POST /v1/chat/completions"""

from __future__ import annotations

from litestar import post
from litestar.types import ASGIApp

from service.api.body import read_json_body
from service.api.openai.chat_reply import ChatReply
from service.api.openai.chat_schema import ChatMessage, ChatRequest
from service.api.openai.decoder import RequestDecoder
from service.api.openai.fields import CHAT
from service.api.openai.parameters import includes_usage, sampling_params, stop_texts, whole
from service.api.openai.reply import reply_head
from service.api.openai.stream import StreamedReply
from service.api.openai.whole import WholeReply
from service.api.state import HttpRequest, pool_of
from service.api.work import off_loop_if_large
from service.dialogue.message import Message
from service.errors import RequestError

_DECODER = RequestDecoder(ChatRequest, CHAT)


@post("/v1/chat/completions", status_code=200)
async def create_chat_completion(request: HttpRequest) -> ASGIApp:
    """Everything that can be refused is refused here, before the first byte of an answer."""
    body = await read_json_body(request.scope, request.receive)
    wire = _DECODER.decode(body)
    with_usage = includes_usage(wire)
    max_tokens = _max_tokens(wire)
    messages = [_message(i, message) for i, message in enumerate(wire.messages)]
    model = await pool_of(request).get(wire.model)
    token_ids = await off_loop_if_large(len(body), lambda: model.encode_chat(messages))
    generation = model.generate(
        token_ids,
        max_tokens=max_tokens,
        sampling=sampling_params(wire, model.manifest.generation),
        stop=stop_texts(wire),
    )
    reply = ChatReply(reply_head("chatcmpl-", wire.model, model.system_fingerprint), with_usage)
    if wire.stream:
        return StreamedReply(generation, reply.frames())
    return WholeReply(generation, reply.whole)


def _max_tokens(wire: ChatRequest) -> int | None:
    """The newer name wins where both are given; None leaves the rest of the context."""
    newer = whole(wire.max_completion_tokens, "max_completion_tokens")
    older = whole(wire.max_tokens, "max_tokens")
    return older if newer is None else newer


def _message(index: int, wire: ChatMessage) -> Message:
    """`developer` is OpenAI's newer name of `system`, which is what templates know."""
    role = "system" if wire.role == "developer" else wire.role
    if wire.content is None and role != "assistant":
        param = f"messages[{index}].content"
        raise RequestError(f"Missing required parameter: {param!r}.", param=param)
    if isinstance(wire.content, list):
        return Message(role, "".join(part.text for part in wire.content), wire.name)
    return Message(role, wire.content or "", wire.name)
