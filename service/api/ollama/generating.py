"""From what is asked of a model to the reply, for both endpoints that generate."""

from __future__ import annotations

from collections.abc import Sequence

from litestar.types import ASGIApp

from service.api.facade import Model
from service.api.ollama.lines import MEDIA_TYPE, PING
from service.api.ollama.reply import AnswerLines, Head, MakeAnswer, Watch, WholeAnswer
from service.api.ollama.schema import AnswerRequest
from service.api.openai.reply import relaxed_keywords
from service.api.streamed import StreamedReply
from service.api.whole import WholeReply
from service.options import GenerationOptions


def begun(
    wire: AnswerRequest,
    model: Model,
    token_ids: Sequence[int],
    options: GenerationOptions,
    watch: Watch,
    make: MakeAnswer,
) -> ASGIApp:
    """The reply of a generation that this starts. Raises as `Model.generate` does."""
    generations = model.generate([token_ids], options)
    token_bytes = model.token_bytes if wire.logprobs else None
    head = Head(wire.model, make, watch, token_bytes, relaxed_keywords(options.form))
    if wire.stream is False:
        return WholeReply(generations, WholeAnswer(head).make)
    (generation,) = generations
    lines = AnswerLines(head, generation)
    return StreamedReply(generations, lines, ping=PING, media_type=MEDIA_TYPE)
