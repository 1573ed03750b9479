"""A response from its beginning to its end, whatever way it goes to the client."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from service.api.facade import Generation, TextLogprobs
from service.api.openai.logprobs import TokenBytes, TokenLogprob, chat_logprobs
from service.api.openai.responses.items import Item, ItemStatus
from service.api.openai.responses.schema import (
    IncompleteDetails,
    InputTokensDetails,
    OutputTokensDetails,
    ResponseError,
    ResponseObject,
    ResponseUsage,
)
from service.engine.request import FinishReason
from service.errors import RetortError


@dataclass(frozen=True, slots=True)
class Draft:
    """`response` is in progress, without any output. What has ended is given to `keep`.

    `token_bytes` is None where no logprobs were asked for.
    """

    response: ResponseObject
    generation: Generation
    token_bytes: TokenBytes | None
    keep: Callable[[ResponseObject], None]

    def ended(self, output: list[Item], finish_reason: FinishReason) -> ResponseObject:
        is_cut = finish_reason == "length"
        response = replace(
            self.response,
            status=status_of(finish_reason),
            completed_at=None if is_cut else int(time.time()),
            incomplete_details=IncompleteDetails() if is_cut else None,
            output=output,
            usage=usage_of(self.generation),
        )
        self.keep(response)
        return response

    def failed(self, output: list[Item], error: RetortError) -> ResponseObject:
        return replace(
            self.response,
            status="failed",
            error=ResponseError("server_error", error.message),
            output=output,
            usage=usage_of(self.generation),
        )

    def text_logprobs(
        self, logprobs: Sequence[TextLogprobs], num_before: int
    ) -> list[TokenLogprob]:
        """Of those that come after `num_before` others, the ones that are of no thought."""
        if self.token_bytes is None:
            return []
        num_thoughts = max(0, self.generation.num_reasoning_tokens - num_before)
        return chat_logprobs(logprobs[num_thoughts:], self.token_bytes).content


def status_of(finish_reason: FinishReason) -> ItemStatus:
    return "incomplete" if finish_reason == "length" else "completed"


def usage_of(generation: Generation) -> ResponseUsage:
    num_input, num_output = generation.num_prompt_tokens, generation.num_output_tokens
    return ResponseUsage(
        input_tokens=num_input,
        input_tokens_details=InputTokensDetails(generation.num_cached_tokens),
        output_tokens=num_output,
        output_tokens_details=OutputTokensDetails(generation.num_reasoning_tokens),
        total_tokens=num_input + num_output,
    )
