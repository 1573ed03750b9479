"""Whatever the document allows, and what it does not, the server answers as the document says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import msgspec
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from service.api.openapi.document import openapi_document
from service.api.openapi.operations import OPERATIONS
from service.pool import ModelPool
from service.runtime.providers import CPU, Device
from service.settings import Settings
from tests.unit.service.api.fakes import Script, fake_pool
from tests.unit.service.api.openapi.served import served
from tests.unit.service.encoder.conftest import EMBEDDER, STORE

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]

MODEL = "tiny:1b"
FEW = settings(
    max_examples=30,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


def _schema(model: str) -> schemathesis.BaseSchema:
    """The document, with a model that is there: else all that can be asked for ends in a 404."""
    document = cast("dict[str, Any]", msgspec.to_builtins(openapi_document(OPERATIONS, "1")))
    for component in document["components"]["schemas"].values():
        properties = component.get("properties", {})
        if "additionalProperties" in component and "model" in properties:
            properties["model"] = {"enum": [model]}
    (parameter,) = document["paths"]["/v1/models/{model}"]["get"]["parameters"]
    parameter["schema"] = {"enum": [model, "no/such:model"]}
    schema = schemathesis.openapi.from_dict(document)
    schema.config.generation.update(modes=[GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
    return schema


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    settings = Settings(models_folder=tmp_path_factory.mktemp("models"))
    with served(settings, lambda _: fake_pool(Script())) as url:
        yield url


@pytest.fixture(scope="module")
def encoder_url() -> Iterator[str]:
    device = Device(CPU, "asked for")
    with served(Settings(models_folder=STORE), lambda found: ModelPool(found, device)) as url:
        yield url


# What exports would export whatever names are made up, and nothing can be pushed.
every_route = _schema(MODEL).exclude(path_regex="/api/(create|pull|push|blobs)")
routes_of_encoders = _schema(EMBEDDER).include(
    path_regex="/v1/embeddings|rerank|/v1/(de)?tokenize|/api/embed"
)


@every_route.parametrize()
@FEW
def test_answers_are_as_documented(case: schemathesis.Case[Any], url: str) -> None:
    case.call_and_validate(base_url=url, checks=CHECKS, timeout=5)


@routes_of_encoders.parametrize()
@FEW
def test_encoders_answer_as_documented(case: schemathesis.Case[Any], encoder_url: str) -> None:
    case.call_and_validate(base_url=encoder_url, checks=CHECKS, timeout=5)
