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
from tests.unit.service.api.fakes import Script, fake_pool
from tests.unit.service.api.openapi.served import served

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]

MODEL = "tiny:1b"


def _schema() -> schemathesis.BaseSchema:
    """The document, with a model that is there: else all that can be asked for ends in a 404."""
    document = cast("dict[str, Any]", msgspec.to_builtins(openapi_document(OPERATIONS, "1")))
    for component in document["components"]["schemas"].values():
        properties = component.get("properties", {})
        if "additionalProperties" in component and "model" in properties:
            properties["model"] = {"enum": [MODEL]}
    (parameter,) = document["paths"]["/v1/models/{model}"]["get"]["parameters"]
    parameter["schema"] = {"enum": [MODEL, "no/such:model"]}
    schema = schemathesis.openapi.from_dict(document)
    schema.config.generation.update(modes=[GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
    return schema


schema = _schema()


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with served(fake_pool(Script())) as url:
        yield url


@schema.parametrize()
@settings(
    max_examples=30,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
def test_answers_are_as_documented(case: schemathesis.Case[Any], url: str) -> None:
    case.call_and_validate(base_url=url, checks=CHECKS, timeout=5)
