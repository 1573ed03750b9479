"""From the table of operations to an OpenAPI document; the schemas are those of the structs."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Sequence
from typing import Final, cast

import msgspec

from service.api.openai.fields import AnyValue, Honoured, OneOf
from service.api.openapi.operation import Body, Operation
from service.api.openapi.structs import (
    Components,
    Document,
    Info,
    MediaType,
    OperationObject,
    Parameter,
    PathParameter,
    QueryParameter,
    RequestBody,
    ResponseObject,
    Schema,
    SecurityScheme,
)
from service.errors import RetortError

_REF: Final = "#/components/schemas/{name}"
_JSON: Final = "application/json"
_EVENTS: Final = "text/event-stream"
_PARAMETER: Final = re.compile(r"\{(\w+)\}")
_PATHS: Final = {
    "model": "The model's name, which may hold slashes.",
    "digest": "The sha256 of a file.",
    "response_id": "The id of a response that is still stored.",
}

_DESCRIPTION: Final = (
    "OpenAI's API, Anthropic's messages and Ollama's API over local models. Fields that are not "
    "honoured are refused by name; where one can only have the values listed, these change nothing."
)


def openapi_document(operations: Sequence[Operation], version: str) -> Document:
    """The document of `operations`; `version` is that of the service."""
    schemas = _Schemas(operations)
    paths: dict[str, dict[str, OperationObject]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method] = _described(operation, schemas)
    return Document(
        info=Info(title="Retort", version=version, description=_DESCRIPTION),
        paths=paths,
        components=Components(
            schemas=schemas.components,
            security_schemes={
                "bearer": SecurityScheme(type="http", scheme="bearer"),
                "apiKey": SecurityScheme(type="apiKey", name="x-api-key", place="header"),
            },
        ),
        # Which of these holds depends on whether keys are configured.
        security=[{}, {"bearer": []}, {"apiKey": []}],
    )


class _Schemas:
    """The schemas of all types that the operations name, shared ones once."""

    def __init__(self, operations: Sequence[Operation]) -> None:
        types = list(dict.fromkeys(_types(operations)))
        found, components = msgspec.json.schema_components(types, ref_template=_REF)
        self._by_type = dict(zip(types, found, strict=True))
        self.components: dict[str, Schema] = {
            name: _tidied(schema) for name, schema in components.items()
        }
        for operation in operations:
            if operation.body is not None:
                self._close(operation.body)

    def of(self, type_: type) -> Schema:
        return self._by_type[type_]

    def _close(self, body: Body) -> None:
        """Adds what the decoder accepts beside the struct's fields, and refuses all else."""
        schema = self.components[str(self.of(body.struct)["$ref"]).rpartition("/")[2]]
        properties = cast("Schema", schema["properties"])
        for name, treatment in body.fields.items():
            if not isinstance(treatment, Honoured):
                properties[name] = _no_op(treatment)
        schema["additionalProperties"] = False


def _types(operations: Iterable[Operation]) -> Iterable[type]:
    for operation in operations:
        body = None if operation.body is None else operation.body.struct
        for type_ in (
            body,
            operation.response,
            operation.event,
            operation.error,
            operation.unavailable,
        ):
            if type_ is not None:
                yield type_


def _tidied(schema: Schema) -> Schema:
    description = schema.get("description")
    if not isinstance(description, str):
        return schema
    return {**schema, "description": inspect.cleandoc(description)}


def _no_op(treatment: OneOf | AnyValue) -> Schema:
    if isinstance(treatment, OneOf):
        return {"enum": [None, *treatment.values], "description": "Not supported but for these."}
    return {"description": "Accepted, and changes nothing."}


def _described(operation: Operation, schemas: _Schemas) -> OperationObject:
    body = operation.body
    return OperationObject(
        operation_id=_operation_id(operation),
        summary=operation.summary,
        parameters=[*_path_parameters(operation), *_query_parameters(operation)],
        request_body=None
        if body is None
        else RequestBody(content={_JSON: MediaType(schema=schemas.of(body.struct))}),
        responses={"200": _success(operation, schemas), **_failures(operation, schemas)},
    )


def _path_parameters(operation: Operation) -> Iterable[Parameter]:
    for name in _PARAMETER.findall(operation.path):
        yield PathParameter(name=name, description=_PATHS[name], schema={"type": "string"})


def _query_parameters(operation: Operation) -> Iterable[Parameter]:
    query = operation.query
    if query is None:
        return
    honoured = {field.name: field for field in msgspec.structs.fields(query.struct)}
    for name, treatment in query.fields.items():
        if isinstance(treatment, Honoured):
            schema: Schema = msgspec.json.schema(honoured[name].type)
        else:
            schema = _no_op(treatment)
        yield QueryParameter(name=name, schema=schema)


def _operation_id(operation: Operation) -> str:
    words = re.findall(r"[a-z0-9]+", operation.path.lower()) or ["root"]
    return "_".join((operation.method, *words))


def _success(operation: Operation, schemas: _Schemas) -> ResponseObject:
    content = {}
    if operation.response is not None:
        media_type = "text/plain" if operation.response is str else _JSON
        content[media_type] = MediaType(schema=schemas.of(operation.response))
    if operation.event is not None:
        of_event, of_error = schemas.of(operation.event), schemas.of(operation.error)
        content[operation.event_type] = MediaType(
            schema=_event(operation, of_event, of_error)
            if operation.event_type == _EVENTS
            else {"anyOf": [of_event, of_error]}
        )
    return ResponseObject(description="The answer", content=content)


def _event(operation: Operation, data: Schema, error: Schema) -> Schema:
    """3.1 has no words for streams; these are what later versions say of one event."""
    content: Schema = {
        "type": "string",
        "contentMediaType": _JSON,
        "contentSchema": {"anyOf": [data, error]},
    }
    if operation.ends_with_done:
        content = {"anyOf": [content, {"const": "[DONE]", "description": "The last event."}]}
    return {"type": "object", "properties": {"data": content}, "required": ["data"]}


def _failures(operation: Operation, schemas: _Schemas) -> dict[str, ResponseObject]:
    by_status: dict[int, list[type[RetortError]]] = {}
    for error in operation.errors:
        by_status.setdefault(operation.status_of(error), []).append(error)
    failures = {
        str(status): _response(
            ", ".join(f"`{error.code}`" for error in errors), schemas.of(operation.error)
        )
        for status, errors in sorted(by_status.items())
    }
    if operation.unavailable is not None:
        failures["503"] = _response("Shutting down", schemas.of(operation.unavailable))
    return failures


def _response(description: str, schema: Schema) -> ResponseObject:
    return ResponseObject(description=description, content={_JSON: MediaType(schema=schema)})
