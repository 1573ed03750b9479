"""Wire structs of what is told of models, and of what is done to them."""

from __future__ import annotations

from datetime import datetime
from typing import TypeAlias

import msgspec

from service.api.openai.common_schema import ModelId
from service.modelfile.parameters import Given
from service.store.overrides import Turn

Info: TypeAlias = dict[str, str | int]


class NamedRequest(msgspec.Struct, frozen=True, kw_only=True):
    """`name` is what older clients call `model`."""

    model: ModelId | None = None
    name: ModelId | None = None


class ShowRequest(NamedRequest, frozen=True, kw_only=True):
    verbose: bool | None = None


class DeleteRequest(NamedRequest, frozen=True, kw_only=True):
    pass


class PullRequest(NamedRequest, frozen=True, kw_only=True):
    stream: bool | None = None


class CreateRequest(NamedRequest, frozen=True, kw_only=True):
    from_: ModelId | None = msgspec.field(default=None, name="from")
    files: dict[str, str] | None = None
    system: str | None = None
    template: str | None = None
    parameters: dict[str, Given] | None = None
    messages: list[Turn] | None = None
    license: str | list[str] | None = None
    stream: bool | None = None


class CopyRequest(msgspec.Struct, frozen=True, kw_only=True):
    source: ModelId
    destination: ModelId


class Details(msgspec.Struct, frozen=True, kw_only=True):
    """`parameter_size` is empty where it is not known: of encoders and of imported packages."""

    parent_model: str
    format: str = "onnx"
    family: str
    families: list[str]
    parameter_size: str = ""
    quantization_level: str


class _Entry(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    model: str
    size: int
    digest: str
    details: Details


class ModelEntry(_Entry, frozen=True, kw_only=True):
    modified_at: datetime
    capabilities: list[str]


class ModelEntries(msgspec.Struct, frozen=True):
    models: list[ModelEntry]


class RunningModel(_Entry, frozen=True, kw_only=True):
    """`size` is the memory reserved for the model, `size_vram` what of it is a device's own."""

    expires_at: datetime
    size_vram: int
    context_length: int


class RunningModels(msgspec.Struct, frozen=True):
    models: list[RunningModel]


class ShownModel(msgspec.Struct, frozen=True, kw_only=True):
    license: str
    modelfile: str
    parameters: str
    template: str
    system: str
    details: Details
    messages: list[Turn]
    model_info: Info
    capabilities: list[str]
    modified_at: datetime


class Version(msgspec.Struct, frozen=True):
    """That of Ollama whose API this is, and the service's own."""

    version: str
    retort: str


class Progress(msgspec.Struct, frozen=True, omit_defaults=True):
    """How far a pull or a creation is; `total` and `completed` in bytes."""

    status: str
    digest: str | None = None
    total: int | None = None
    completed: int | None = None
