"""Calls and results that a conversation already holds, whichever dialect they came in."""

from __future__ import annotations

import msgspec

from service.dialogue.tools.tool import ToolCall
from service.errors import RequestError

_MAX_DEPTH = 100


def past_call(call_id: str, name: str, arguments: str, *, param: str) -> ToolCall:
    """A call that an assistant made. No arguments at all are those of an empty object.

    Raises RequestError naming `param` for arguments that are not the JSON of an object.
    """
    if not arguments.strip():
        return ToolCall(call_id, name, "{}")
    try:
        value = msgspec.json.decode(arguments)
    except (msgspec.DecodeError, RecursionError):
        value = None
    if not isinstance(value, dict) or _is_deep(value):
        raise RequestError(
            f"Invalid value for {param!r}: expected the JSON of an object.", param=param
        )
    return ToolCall(call_id, name, arguments)


class PastCalls:
    """The names of the calls made so far, which results refer to by their ids."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}

    def made(self, call: ToolCall) -> None:
        self._names[call.id] = call.name

    def answered(self, call_id: str | None, *, param: str) -> str | None:
        """The name of the tool whose call is answered; None for a result without an id.

        Raises RequestError naming `param` for an id that no earlier call has.
        """
        if call_id is None:
            return None
        name = self._names.get(call_id)
        if name is None:
            raise RequestError(
                f"Invalid value for {param!r}: no earlier message has a call with this id.",
                param=param,
            )
        return name


def _is_deep(value: object) -> bool:
    """Whether a value is nested deeper than what is walked through later can be."""
    level = [value]
    for _ in range(_MAX_DEPTH):
        level = [
            inner
            for item in level
            if isinstance(item, dict | list)
            for inner in (item.values() if isinstance(item, dict) else item)
        ]
        if not level:
            return False
    return True
