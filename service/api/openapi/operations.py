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
from service.api.openapi.failures import ANY, ENCODING, FIND, GENERATION, MODEL, OPEN, STORED
from service.api.openapi.ollama import OLLAMA_OPERATIONS
from service.api.openapi.operation import Body, Operation, Query
from service.health import Health

OPERATIONS: Final = (
    Operation(
        "post",
        "/v1/chat/completions",
        "Answer a conversation",
        ChatCompletion,
        GENERATION,
        body=Body(ChatRequest, CHAT),
        event=ChatChunk,
    ),
    Operation(
        "post",
        "/v1/completions",
        "Go on with a text",
        TextCompletion,
        GENERATION,
        body=Body(CompletionRequest, COMPLETION),
        event=TextCompletion,
    ),
    Operation(
        "post",
        "/v1/embeddings",
        "Turn texts into vectors",
        EmbeddingList,
        ENCODING,
        body=Body(EmbeddingRequest, EMBEDDING),
    ),
    *(
        Operation(
            "post",
            path,
            "Order documents by how well they answer a query",
            RerankReply,
            ENCODING,
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
            MODEL,
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
            MODEL,
            body=Body(DetokenizeRequest, DETOKENIZE),
        )
        for path in ("/v1/detokenize", "/detokenize")
    ),
    Operation(
        "post",
        "/v1/chat/completions/input_tokens",
        "Count the tokens of a conversation",
        InputTokens,
        MODEL,
        body=Body(ChatRequest, CHAT),
    ),
    Operation(
        "post",
        "/v1/responses",
        "Answer a conversation that may go on later",
        ResponseObject,
        GENERATION,
        body=Body(ResponsesRequest, RESPONSES),
        event=cast("type", ResponseEvent),
        ends_with_done=False,
    ),
    Operation(
        "post",
        "/v1/responses/input_tokens",
        "Count the tokens of an input",
        InputTokenCount,
        MODEL,
        body=Body(InputTokensRequest, INPUT_TOKENS),
    ),
    Operation(
        "get",
        "/v1/responses/{response_id}",
        "Tell a stored response",
        ResponseObject,
        STORED,
        query=Query(RetrieveQuery, RETRIEVE),
    ),
    Operation(
        "delete",
        "/v1/responses/{response_id}",
        "Forget a stored response",
        DeletedResponse,
        STORED,
    ),
    Operation(
        "get",
        "/v1/responses/{response_id}/input_items",
        "List what a stored response was given",
        ItemList,
        STORED,
        query=Query(ItemsQuery, INPUT_ITEMS),
    ),
    Operation(
        "post",
        "/v1/messages",
        "Answer a conversation, in Anthropic's dialect",
        MessageObject,
        GENERATION,
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
        MODEL,
        body=Body(CountTokensRequest, COUNT_TOKENS),
        error=AnthropicErrorBody,
    ),
    *OLLAMA_OPERATIONS,
    Operation("get", "/v1/models", "List the models", ModelList, ANY),
    Operation("get", "/v1/models/{model}", "Describe a model", ModelObject, FIND),
    Operation("get", "/", "Ask whether the server is there", str, OPEN),
    Operation("get", "/health", "Tell what runs, and where", Health, OPEN, unavailable=Health),
    Operation("get", "/metrics", "Tell what is counted, as Prometheus reads it", str, ANY),
    Operation("get", "/openapi.json", "This document", dict, ANY),
)
