"""What can be called, and a call."""

from __future__ import annotations

from dataclasses import dataclass

NO_PARAMETERS = '{"type":"object","properties":{},"additionalProperties":false}'
"""The schema of a function that takes nothing."""


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that a model may call. `parameters` is the JSON of its arguments' schema, which
    is that of an object."""

    name: str
    description: str | None = None
    parameters: str = NO_PARAMETERS


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call in a conversation. `arguments` is the JSON of an object."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class ToolUse:
    """What an answer may do with `tools`, all of which the model is told of.

    It calls those named in `callable_names` and no others; at least one if `must_call`, and no
    second one if `at_most_one`.
    """

    tools: tuple[Tool, ...]
    callable_names: frozenset[str]
    must_call: bool = False
    at_most_one: bool = False

    @property
    def callable_tools(self) -> tuple[Tool, ...]:
        return tuple(tool for tool in self.tools if tool.name in self.callable_names)
