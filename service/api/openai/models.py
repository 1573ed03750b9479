"""GET /v1/models and GET /v1/models/{id}"""

from __future__ import annotations

from typing import Literal

import msgspec
from litestar import get
from msgspec import UNSET, UnsetType

from service.api.state import HttpRequest, pool_of, settings_of
from service.settings import Settings
from service.store.manifest import AnyManifest, EncoderManifest
from service.store.packages import AnyPackage


class ModelObject(msgspec.Struct, frozen=True, kw_only=True):
    """The first four are OpenAI's; `created` is when the package was made, in epoch seconds.

    `context_length` is what this service lets a request take, in tokens, which may be less than
    the model could; `max_model_len` is another name of it. `capabilities` say what the model is
    for. `dimensions` are those of an embedding model's vectors, and only such a model has the key.
    `license` is null where its files do not tell.
    """

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str = "library"
    capabilities: tuple[str, ...]
    context_length: int
    max_model_len: int
    precision: str
    license: str | None
    dimensions: int | UnsetType = UNSET
    aliases: tuple[str, ...] = ()


class ModelList(msgspec.Struct, frozen=True, kw_only=True):
    object: Literal["list"] = "list"
    data: list[ModelObject]


@get("/v1/models", sync_to_thread=True)
def list_models(request: HttpRequest) -> ModelList:
    settings = settings_of(request)
    packages = pool_of(request).installed()
    return ModelList(
        data=[_described(str(package.name), package, settings) for package in packages]
    )


@get("/v1/models/{model:path}", sync_to_thread=True)
def retrieve_model(request: HttpRequest) -> ModelObject:
    """Ids hold `/` and `:`, so the rest of the path is one. It comes back as it was asked for."""
    name = str(request.path_params["model"]).removeprefix("/")
    return _described(name, pool_of(request).find(name), settings_of(request))


def _described(name: str, package: AnyPackage, settings: Settings) -> ModelObject:
    manifest = package.manifest
    asked = package.overrides.parameters.num_ctx
    context_length = settings.served_context_length(manifest.context_length, asked)
    return ModelObject(
        id=name,
        created=package.created,
        capabilities=manifest.capabilities,
        context_length=context_length,
        max_model_len=context_length,
        precision=manifest.precision,
        license=manifest.source.license,
        dimensions=_dimensions(manifest),
    )


def _dimensions(manifest: AnyManifest) -> int | UnsetType:
    if isinstance(manifest, EncoderManifest) and manifest.embedding is not None:
        return manifest.embedding.dimensions
    return UNSET
