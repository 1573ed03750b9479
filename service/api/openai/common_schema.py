"""Wire structs that chat completions and completions share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta, UnsetType

from service.api.keep_alive import KeepAlive
from service.api.openai.format_schema import ResponseFormat, StructuredOutputs

MAX_INT32 = 2**31 - 1
MAX_INT64 = 2**63 - 1

ModelId: TypeAlias = Annotated[str, Meta(min_length=1, max_length=512)]
StopText: TypeAlias = Annotated[str, Meta(min_length=1, max_length=1024)]
Penalty: TypeAlias = Annotated[float, Meta(ge=-2, le=2)]

# Whole numbers may be written 5.0, which msgspec takes for a float.
Count: TypeAlias = (
    Annotated[int, Meta(ge=1, le=MAX_INT32)] | Annotated[float, Meta(ge=1, le=MAX_INT32)]
)
Seed: TypeAlias = (
    Annotated[int, Meta(ge=-MAX_INT64 - 1, le=MAX_INT64)]
    | Annotated[float, Meta(ge=-(2.0**63), lt=2.0**63)]
)


NoneOrCount: TypeAlias = (
    Annotated[int, Meta(ge=0, le=MAX_INT32)] | Annotated[float, Meta(ge=0, le=MAX_INT32)]
)
TokenId: TypeAlias = Annotated[int, Meta(ge=0, le=MAX_INT32)]
Choices: TypeAlias = Annotated[int, Meta(ge=1, le=128)] | Annotated[float, Meta(ge=1, le=128)]
Bias: TypeAlias = Annotated[float, Meta(ge=-100, le=100)]

# Divided by less, logits would in the end be more than float32 holds.
RepetitionPenalty: TypeAlias = Annotated[float, Meta(ge=0.01, le=10)]


class StreamOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    include_usage: bool | None = None
    include_obfuscation: bool | None = None
    continuous_usage_stats: bool | None = None


class GenerationRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What both kinds of completion may ask for. null is the default everywhere."""

    model: ModelId
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: Count | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    seed: Seed | None = None
    stop: StopText | Annotated[list[StopText], Meta(max_length=4)] | None = None
    frequency_penalty: Penalty | None = None
    presence_penalty: Penalty | None = None
    n: Choices | None = None
    logit_bias: dict[str, Bias] | None = None
    top_k: Annotated[int, Meta(ge=-1, le=MAX_INT32)] | None = None
    min_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    repetition_penalty: RepetitionPenalty | None = None
    stop_token_ids: Annotated[list[TokenId], Meta(max_length=64)] | None = None
    ignore_eos: bool | None = None
    min_tokens: NoneOrCount | None = None
    response_format: ResponseFormat | None = None
    structured_outputs: StructuredOutputs | None = None
    keep_alive: KeepAlive | None = None
    complete_on_length: bool | None = None


class PromptTokensDetails(msgspec.Struct, frozen=True):
    cached_tokens: int
    audio_tokens: int = 0


class CompletionTokensDetails(msgspec.Struct, frozen=True):
    reasoning_tokens: int = 0
    audio_tokens: int = 0
    accepted_prediction_tokens: int = 0
    rejected_prediction_tokens: int = 0


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptTokensDetails
    completion_tokens_details: CompletionTokensDetails = CompletionTokensDetails()


RelaxedKeywords: TypeAlias = (
    Annotated[
        Sequence[str],
        Meta(
            description="An extension: JSON pointers of what a lenient request's schema asks for "
            "and the answer was not held to."
        ),
    ]
    | UnsetType
)
FinishReason: TypeAlias = Literal["stop", "length", "tool_calls", "function_call"]
