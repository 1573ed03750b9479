"""Errors that name the fields of another dialect than the request's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from service.errors import RetortError


@contextmanager
def params_renamed(names: Mapping[str, str]) -> Iterator[None]:
    """What is raised within names the request's own field in place of the one of chat
    completions, which the rendering of a conversation knows of."""
    try:
        yield
    except RetortError as error:
        if error.param is not None:
            error.param = names.get(error.param, error.param)
        raise
