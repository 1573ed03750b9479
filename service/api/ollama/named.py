"""The name that a request gives a model."""

from __future__ import annotations

from service.api.ollama.model_schema import NamedRequest
from service.errors import RequestError


def model_named(wire: NamedRequest) -> str:
    """Raises RequestError where there is none."""
    name = wire.model or wire.name
    if name is None:
        raise RequestError(
            "Missing required parameter: 'model'.", param="model", code="missing_parameter"
        )
    return name
