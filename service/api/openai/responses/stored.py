"""GET and DELETE /v1/responses/{id}, and GET /v1/responses/{id}/input_items"""

from __future__ import annotations

from collections.abc import Sequence

from litestar import delete, get

from service.api.openai.responses.fields import INPUT_ITEMS, RETRIEVE
from service.api.openai.responses.items import Item
from service.api.openai.responses.schema import (
    DeletedResponse,
    ItemList,
    ItemsQuery,
    ResponseObject,
    RetrieveQuery,
)
from service.api.openai.responses.store import StoredResponse
from service.api.query import QueryDecoder
from service.api.state import HttpRequest, responses_of
from service.errors import RequestError, ResponseNotFound

_RETRIEVE = QueryDecoder(RetrieveQuery, RETRIEVE)
_INPUT_ITEMS = QueryDecoder(ItemsQuery, INPUT_ITEMS)


@get("/v1/responses/{response_id:str}", sync_to_thread=False)
def retrieve_response(request: HttpRequest) -> ResponseObject:
    """Only of those that have ended; a stream cannot be taken up again."""
    _RETRIEVE.decode(request.scope)
    return _found(request).response


@delete("/v1/responses/{response_id:str}", status_code=200, sync_to_thread=False)
def delete_response(request: HttpRequest) -> DeletedResponse:
    """Responses that went on with it keep what they were given."""
    response_id = _id(request)
    if not responses_of(request).delete(response_id):
        raise _not_found(response_id)
    return DeletedResponse(id=response_id)


@get("/v1/responses/{response_id:str}/input_items", sync_to_thread=False)
def list_input_items(request: HttpRequest) -> ItemList:
    """All that the model was given, the conversation before included, but for instructions."""
    query = _INPUT_ITEMS.decode(request.scope)
    items = _found(request).input_items
    ordered = items if query.order == "asc" else items[::-1]
    start = 0 if query.after is None else _place_after(ordered, query.after)
    page = ordered[start : start + query.limit]
    return ItemList(
        data=[*page],
        first_id=page[0].id if page else None,
        last_id=page[-1].id if page else None,
        has_more=len(ordered) > start + query.limit,
    )


def _place_after(items: Sequence[Item], item_id: str) -> int:
    for index, item in enumerate(items):
        if item.id == item_id:
            return index + 1
    raise RequestError(f"There is no item with the id {item_id[:100]!r}.", param="after")


def _found(request: HttpRequest) -> StoredResponse:
    response_id = _id(request)
    stored = responses_of(request).get(response_id)
    if stored is None:
        raise _not_found(response_id)
    return stored


def _id(request: HttpRequest) -> str:
    return str(request.path_params["response_id"])


def _not_found(response_id: str) -> ResponseNotFound:
    return ResponseNotFound(f"Response with id {response_id[:100]!r} not found.")
