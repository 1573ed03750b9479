"""GET /v1/models and GET /v1/models/{id}"""

from __future__ import annotations

from typing import Literal

import msgspec
from litestar import get

from service.api.state import HttpRequest, pool_of
from service.store.packages import Package


class ModelObject(msgspec.Struct, frozen=True, kw_only=True):
    """`created` is when the package was made, in seconds since the epoch."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str = "library"


class ModelList(msgspec.Struct, frozen=True, kw_only=True):
    object: Literal["list"] = "list"
    data: list[ModelObject]


@get("/v1/models", sync_to_thread=True)
def list_models(request: HttpRequest) -> ModelList:
    packages = pool_of(request).installed()
    return ModelList(data=[_described(str(package.name), package) for package in packages])


@get("/v1/models/{model:path}", sync_to_thread=True)
def retrieve_model(request: HttpRequest) -> ModelObject:
    """Ids hold `/` and `:`, so the rest of the path is one. It comes back as it was asked for."""
    name = str(request.path_params["model"]).removeprefix("/")
    return _described(name, pool_of(request).find(name))


def _described(name: str, package: Package) -> ModelObject:
    return ModelObject(id=name, created=package.manifest.created)
