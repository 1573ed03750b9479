"""What msgspec says of a wrong body, said in OpenAI's terms: which parameter, and why."""

from __future__ import annotations

import re

import msgspec

from service.api.body import invalid_json
from service.errors import RequestError

_AT = re.compile(r"(?P<reason>.*?)(?: - at (?:`key` in )?`\$\.?(?P<path>.*)`)?", re.DOTALL)
_FIELD = re.compile(r"Object (?P<kind>missing required|contains unknown) field `(?P<name>.*)`")
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


def request_error(error: msgspec.DecodeError, body: bytes) -> RequestError:
    """A 400 for what a msgspec decoder raised on `body`."""
    if isinstance(error, msgspec.ValidationError):
        return _invalid_value(str(error))
    if "surrogate" in str(error) or ("truncated" in str(error) and _SURROGATE.search(body)):
        return invalid_json("a \\u escape of a surrogate lacks its other half")
    return invalid_json(str(error).removeprefix("JSON is malformed: "))


def _invalid_value(message: str) -> RequestError:
    found = _AT.fullmatch(message)
    assert found is not None
    reason, path = found["reason"], found["path"] or ""
    field = _FIELD.fullmatch(reason)
    if field is None:
        return _error(f"Invalid value for {path!r}: {reason}.", path, "invalid_value")
    param = f"{path}.{field['name']}".removeprefix(".")
    if field["kind"] == "missing required":
        return _error(f"Missing required parameter: {param!r}.", param, "missing_parameter")
    return unknown_parameter(param)


def unknown_parameter(param: str) -> RequestError:
    shown = param[:200]
    message = f"Unknown parameter: {shown!r}."
    return RequestError(message, param=shown, code="unknown_parameter")


def _error(message: str, param: str, code: str) -> RequestError:
    if not param:
        return RequestError("The body must be a JSON object.", code=code)
    return RequestError(message, param=param, code=code)
