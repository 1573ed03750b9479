"""Wire structs of /v1/responses."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Meta

from service.api.keep_alive import KeepAlive
from service.api.openai.common_schema import Count, ModelId, RelaxedKeywords
from service.api.openai.format_schema import FormatName, StructuredOutputs
from service.api.openai.responses.items import Item
from service.api.openai.responses.tool_schema import ToolChoice, Tools

LOGPROBS = "message.output_text.logprobs"

Includable: TypeAlias = Literal[
    "message.output_text.logprobs",
    "reasoning.encrypted_content",
    "file_search_call.results",
    "web_search_call.results",
    "web_search_call.action.sources",
    "message.input_image.image_url",
    "computer_call_output.output.image_url",
    "code_interpreter_call.outputs",
]
Effort: TypeAlias = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
Metadata: TypeAlias = Annotated[
    dict[Annotated[str, Meta(max_length=64)], Annotated[str, Meta(max_length=512)]],
    Meta(max_length=16),
]
InputItems: TypeAlias = Annotated[
    list[msgspec.Raw],
    Meta(
        min_length=1,
        description="Items of type `message` (the default), `reasoning`, `function_call` or "
        "`function_call_output`.",
    ),
]
Status: TypeAlias = Literal["completed", "failed", "in_progress", "incomplete"]


class ReasoningConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    effort: Effort | None = None
    summary: str | None = None
    generate_summary: str | None = None
    context: str | None = None
    mode: str | None = None


class PlainText(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="text"):
    pass


class JsonObject(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="json_object"):
    pass


class JsonSchema(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="json_schema"
):
    """Enforced whether `strict` or not, as on chat completions."""

    name: FormatName
    schema: msgspec.Raw
    strict: bool | None = None
    description: str | None = None


TextFormat: TypeAlias = PlainText | JsonObject | JsonSchema


class TextConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    format: TextFormat | None = None
    verbosity: str | None = None


class InputTokensRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What makes the prompt, and what has no part in it. null is the default everywhere."""

    model: ModelId
    input: str | InputItems
    instructions: str | None = None
    parallel_tool_calls: bool | None = None
    previous_response_id: str | None = None
    reasoning: ReasoningConfig | None = None
    text: TextConfig | None = None
    tools: Tools | None = None
    tool_choice: ToolChoice | None = None


class ResponsesRequest(InputTokensRequest, frozen=True, kw_only=True):
    complete_on_length: bool | None = None
    include: list[Includable] | None = None
    keep_alive: KeepAlive | None = None
    max_output_tokens: Count | None = None
    metadata: Metadata | None = None
    store: bool | None = None
    stream: bool | None = None
    structured_outputs: StructuredOutputs | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None

    @property
    def wants_logprobs(self) -> bool:
        return LOGPROBS in (self.include or ())


class ResponseError(msgspec.Struct, frozen=True):
    code: str
    message: str


class IncompleteDetails(msgspec.Struct, frozen=True):
    reason: Literal["max_output_tokens"] = "max_output_tokens"


class ReasoningUsed(msgspec.Struct, frozen=True):
    effort: Effort | None
    summary: None = None


class TextUsed(msgspec.Struct, frozen=True):
    format: TextFormat = PlainText()
    verbosity: Literal["medium"] = "medium"


class InputTokensDetails(msgspec.Struct, frozen=True):
    cached_tokens: int
    cache_write_tokens: int = 0


class OutputTokensDetails(msgspec.Struct, frozen=True):
    reasoning_tokens: int


class ResponseUsage(msgspec.Struct, frozen=True, kw_only=True):
    input_tokens: int
    input_tokens_details: InputTokensDetails
    output_tokens: int
    output_tokens_details: OutputTokensDetails
    total_tokens: int


class ResponseObject(msgspec.Struct, frozen=True, kw_only=True):
    """Times are in seconds since the epoch. `usage` is there once the response has ended."""

    id: str
    object: Literal["response"] = "response"
    created_at: int
    completed_at: int | None = None
    status: Status
    background: Literal[False] = False
    error: ResponseError | None = None
    incomplete_details: IncompleteDetails | None = None
    instructions: str | None
    max_output_tokens: int | None
    max_tool_calls: None = None
    metadata: dict[str, str]
    model: str
    output: list[Item] = []
    parallel_tool_calls: bool
    previous_response_id: str | None
    reasoning: ReasoningUsed
    service_tier: Literal["default"] = "default"
    store: bool
    temperature: float
    text: TextUsed = TextUsed()
    tool_choice: ToolChoice
    tools: Tools
    top_logprobs: int
    top_p: float
    truncation: Literal["disabled"] = "disabled"
    usage: ResponseUsage | None = None
    relaxed_keywords: RelaxedKeywords = UNSET


class ItemList(msgspec.Struct, frozen=True, kw_only=True):
    object: Literal["list"] = "list"
    data: list[Item]
    first_id: str | None
    last_id: str | None
    has_more: bool


class DeletedResponse(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    object: Literal["response"] = "response"
    deleted: Literal[True] = True


class InputTokenCount(msgspec.Struct, frozen=True, kw_only=True):
    object: Literal["response.input_tokens"] = "response.input_tokens"
    input_tokens: int


class RetrieveQuery(msgspec.Struct, frozen=True):
    pass


class ItemsQuery(msgspec.Struct, frozen=True, kw_only=True):
    """A page of items: those that come after the one with the id `after`, in that order."""

    after: str | None = None
    limit: Annotated[int, Meta(ge=1, le=100)] = 20
    order: Literal["asc", "desc"] = "desc"
