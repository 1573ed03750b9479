"""The routes of Ollama's dialect."""

from __future__ import annotations

from typing import Final

from service.api.ollama.answers import ChatAnswer, EmbedAnswer, EmbeddingsAnswer, GenerateAnswer
from service.api.ollama.errors import OllamaErrorBody, ollama_status
from service.api.ollama.fields import (
    CHAT,
    COPY,
    CREATE,
    DELETE,
    EMBED,
    EMBEDDINGS,
    GENERATE,
    PULL,
    SHOW,
)
from service.api.ollama.lines import MEDIA_TYPE
from service.api.ollama.model_schema import (
    CopyRequest,
    CreateRequest,
    DeleteRequest,
    ModelEntries,
    Progress,
    PullRequest,
    RunningModels,
    ShownModel,
    ShowRequest,
    Version,
)
from service.api.ollama.schema import (
    EmbeddingsRequest,
    EmbedRequest,
    GenerateRequest,
    OllamaChatRequest,
)
from service.api.openapi.failures import ANY, BODY, CHANGE, ENCODING, FIND, GENERATION
from service.api.openapi.operation import Body, Errors, Method, Operation
from service.errors import (
    BlobNotFound,
    ExportFailed,
    NotSupported,
    Overloaded,
    ShuttingDown,
    StoreFailure,
    UnsupportedMediaType,
    UploadStalled,
)


def _row(
    method: Method,
    path: str,
    summary: str,
    response: type | None,
    errors: Errors,
    body: Body | None = None,
    *,
    streams: bool = False,
) -> Operation:
    return Operation(
        method,
        path,
        summary,
        response,
        errors,
        body=body,
        event=response if streams else None,
        event_type=MEDIA_TYPE,
        ends_with_done=False,
        error=OllamaErrorBody,
        status_of=ollama_status,
    )


_EXPORT: Final[Errors] = (*CHANGE, ExportFailed, Overloaded, ShuttingDown)

OLLAMA_OPERATIONS: Final = (
    _row(
        "post",
        "/api/generate",
        "Answer a prompt, in Ollama's dialect",
        GenerateAnswer,
        GENERATION,
        Body(GenerateRequest, GENERATE),
        streams=True,
    ),
    _row(
        "post",
        "/api/chat",
        "Answer a conversation, in Ollama's dialect",
        ChatAnswer,
        GENERATION,
        Body(OllamaChatRequest, CHAT),
        streams=True,
    ),
    _row(
        "post",
        "/api/embed",
        "Turn texts into vectors, in Ollama's dialect",
        EmbedAnswer,
        ENCODING,
        Body(EmbedRequest, EMBED),
    ),
    _row(
        "post",
        "/api/embeddings",
        "Turn a text into a vector, in Ollama's older dialect",
        EmbeddingsAnswer,
        ENCODING,
        Body(EmbeddingsRequest, EMBEDDINGS),
    ),
    _row("get", "/api/tags", "List the models, in Ollama's dialect", ModelEntries, ANY),
    _row("get", "/api/ps", "List the models that are loaded", RunningModels, ANY),
    _row("get", "/api/version", "Tell the version", Version, ANY),
    _row(
        "post",
        "/api/show",
        "Describe a model, in Ollama's dialect",
        ShownModel,
        (*FIND, *BODY),
        Body(ShowRequest, SHOW),
    ),
    _row(
        "post",
        "/api/create",
        "Make a model from another one or an uploaded file",
        Progress,
        (*_EXPORT, BlobNotFound),
        Body(CreateRequest, CREATE),
        streams=True,
    ),
    _row("post", "/api/copy", "Give a model another name", None, CHANGE, Body(CopyRequest, COPY)),
    _row("delete", "/api/delete", "Remove a model", None, CHANGE, Body(DeleteRequest, DELETE)),
    _row(
        "post",
        "/api/pull",
        "Export a model, unless it is there",
        Progress,
        _EXPORT,
        Body(PullRequest, PULL),
        streams=True,
    ),
    _row(
        "get",
        "/api/blobs/{digest}",
        "Ask whether a file was uploaded",
        None,
        (*ANY, BlobNotFound, StoreFailure),
    ),
    _row(
        "post",
        "/api/blobs/{digest}",
        "Upload a file, the body, for a model to be made of",
        None,
        (*ANY, UnsupportedMediaType, UploadStalled, StoreFailure),
    ),
    _row("post", "/api/push", "Models cannot be pushed", Progress, (*ANY, NotSupported)),
)
