"""What an error says where there is no key of its own for the parameter."""

from __future__ import annotations

from service.errors import RetortError


def named_message(error: RetortError) -> str:
    """The message, which names the parameter."""
    if error.param is None or error.param in error.message:
        return error.message
    return f"{error.param}: {error.message}"
