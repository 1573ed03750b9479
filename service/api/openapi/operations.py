"""All routes there are, as the OpenAPI document tells them. A test walks the application's."""

from __future__ import annotations

from typing import Final, cast

from service.api.anthropic.errors import AnthropicErrorBody
from service.api.anthropic.events import MessageEvent
from service.api.anthropic.fields import COUNT_TOKENS, MESSAGES
from service.api.anthropic.schema import (
    CountTokensRequest,
    MessageObject,
    MessagesRequest,
    TokenCount,
)
from service.api.openai.chat_schema import ChatChunk, ChatCompletion, ChatRequest
from service.api.openai.completion_schema import CompletionRequest, TextCompletion
from service.api.openai.embedding_schema import EmbeddingList, EmbeddingRequest
from service.api.openai.encoder_fields import EMBEDDING, RERANK
from service.api.openai.fields import CHAT, COMPLETION
from service.api.openai.models import ModelList, ModelObject
from service.api.openai.rerank_schema import RerankReply, RerankRequest
from service.api.openai.responses.events import ResponseEvent
from service.api.openai.responses.fields import INPUT_ITEMS, INPUT_TOKENS, RESPONSES, RETRIEVE
from service.api.openai.responses.schema import (
    DeletedResponse,
    InputTokenCount,
    InputTokensRequest,
    ItemList,
    ItemsQuery,
    ResponseObject,
    ResponsesRequest,
    RetrieveQuery,
)
from service.api.openai.tokenization_schema import (
    DETOKENIZE,
    TOKENIZE,
    Detokenized,
    DetokenizeRequest,
    InputTokens,
    Tokenized,
    TokenizeRequest,
)
from service.api.openapi.operation import Body, Errors, Operation, Query
from service.errors import (
    EngineFailure,
    Forbidden,
    InputTooLong,
    InvalidApiKey,
    ModelNotFound,
    NotEnoughMemory,
    Overloaded,
    PackageCorrupt,
    RequestError,
    RequestTooLarge,
    ResponseNotFound,
    ShuttingDown,
    UnsupportedMediaType,
    WrongDevice,
    WrongModelKind,
)
from service.health import Health

_OPEN: Final[Errors] = (RequestError, Forbidden)
_ANY: Final[Errors] = (*_OPEN, InvalidApiKey, EngineFailure)
_FIND: Final[Errors] = (*_ANY, ModelNotFound, PackageCorrupt)
_BODY: Final[Errors] = (RequestTooLarge, UnsupportedMediaType)
_MODEL: Final[Errors] = (*_FIND, *_BODY, WrongDevice, NotEnoughMemory, ShuttingDown, WrongModelKind)
_GENERATION: Final[Errors] = (*_MODEL, Overloaded)
_STORED: Final[Errors] = (*_ANY, ResponseNotFound)
_ENCODING: Final[Errors] = (*_GENERATION, InputTooLong)

OPERATIONS: Final = (
    Operation(
        "post",
        "/v1/chat/completions",
        "Answer a conversation",
        ChatCompletion,
        _GENERATION,
        body=Body(ChatRequest, CHAT),
        event=ChatChunk,
    ),
    Operation(
        "post",
        "/v1/completions",
        "Go on with a text",
        TextCompletion,
        _GENERATION,
        body=Body(CompletionRequest, COMPLETION),
        event=TextCompletion,
    ),
    Operation(
        "post",
        "/v1/embeddings",
        "Turn texts into vectors",
        EmbeddingList,
        _ENCODING,
        body=Body(EmbeddingRequest, EMBEDDING),
    ),
    *(
        Operation(
            "post",
            path,
            "Order documents by how well they answer a query",
            RerankReply,
            _ENCODING,
            body=Body(RerankRequest, RERANK),
        )
        for path in ("/v1/rerank", "/rerank")
    ),
    *(
        Operation(
            "post",
            path,
            "Tell the tokens of a prompt or of messages",
            Tokenized,
            _MODEL,
            body=Body(TokenizeRequest, TOKENIZE),
        )
        for path in ("/v1/tokenize", "/tokenize")
    ),
    *(
        Operation(
            "post",
            path,
            "Turn tokens into their text",
            Detokenized,
            _MODEL,
            body=Body(DetokenizeRequest, DETOKENIZE),
        )
        for path in ("/v1/detokenize", "/detokenize")
    ),
    Operation(
        "post",
        "/v1/chat/completions/input_tokens",
        "Count the tokens of a conversation",
        InputTokens,
        _MODEL,
        body=Body(ChatRequest, CHAT),
    ),
    Operation(
        "post",
        "/v1/responses",
        "Answer a conversation that may go on later",
        ResponseObject,
        _GENERATION,
        body=Body(ResponsesRequest, RESPONSES),
        event=cast("type", ResponseEvent),
        ends_with_done=False,
    ),
    Operation(
        "post",
        "/v1/responses/input_tokens",
        "Count the tokens of an input",
        InputTokenCount,
        _MODEL,
        body=Body(InputTokensRequest, INPUT_TOKENS),
    ),
    Operation(
        "get",
        "/v1/responses/{response_id}",
        "Tell a stored response",
        ResponseObject,
        _STORED,
        query=Query(RetrieveQuery, RETRIEVE),
    ),
    Operation(
        "delete",
        "/v1/responses/{response_id}",
        "Forget a stored response",
        DeletedResponse,
        _STORED,
    ),
    Operation(
        "get",
        "/v1/responses/{response_id}/input_items",
        "List what a stored response was given",
        ItemList,
        _STORED,
        query=Query(ItemsQuery, INPUT_ITEMS),
    ),
    Operation(
        "post",
        "/v1/messages",
        "Answer a conversation, in Anthropic's dialect",
        MessageObject,
        _GENERATION,
        body=Body(MessagesRequest, MESSAGES),
        event=cast("type", MessageEvent),
        ends_with_done=False,
        error=AnthropicErrorBody,
    ),
    Operation(
        "post",
        "/v1/messages/count_tokens",
        "Count the tokens of a conversation, in Anthropic's dialect",
        TokenCount,
        _MODEL,
        body=Body(CountTokensRequest, COUNT_TOKENS),
        error=AnthropicErrorBody,
    ),
    Operation("get", "/v1/models", "List the models", ModelList, _ANY),
    Operation("get", "/v1/models/{model}", "Describe a model", ModelObject, _FIND),
    Operation("get", "/", "Ask whether the server is there", str, _OPEN),
    Operation("get", "/health", "Tell what runs, and where", Health, _OPEN, unavailable=Health),
    Operation("get", "/metrics", "Tell what is counted, as Prometheus reads it", str, _ANY),
    Operation("get", "/openapi.json", "This document", dict, _ANY),
)
