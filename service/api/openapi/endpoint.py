"""GET /openapi.json"""

from __future__ import annotations

from importlib import metadata

from litestar import get

from service.api.openapi.document import openapi_document
from service.api.openapi.operations import OPERATIONS
from service.api.openapi.structs import Document


@get("/openapi.json", sync_to_thread=True)
def describe_api() -> Document:
    """Made anew each time: it is seldom asked for, and takes milliseconds."""
    return openapi_document(OPERATIONS, metadata.version("retort"))
