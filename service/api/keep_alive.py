"""The request field `keep_alive`, as Ollama has it: how long the model stays loaded afterwards."""

from __future__ import annotations

from typing import Annotated, Final, TypeAlias

from msgspec import Meta

from service.errors import RequestError
from service.settings.durations import duration, parse_duration

KeepAlive: TypeAlias = Annotated[str, Meta(max_length=64)] | int | float

NOTE: Final = 'extension; seconds or a text such as `"5m"`; 0 unloads the model, -1 keeps it'


def keep_alive_s(value: KeepAlive | None) -> float | None:
    """In seconds, without end for anything below zero; None if the request says nothing.

    Raises RequestError.
    """
    if value is None:
        return None
    try:
        return parse_duration(value) if isinstance(value, str) else duration(value)
    except ValueError as error:
        raise RequestError(
            f"Invalid value for 'keep_alive': expected {error}.", param="keep_alive"
        ) from None
