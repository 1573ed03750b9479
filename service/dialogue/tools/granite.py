"""Granite 3.x: a list behind a token."""

from service.dialogue.tools.json_calls import JsonCalls

GRANITE = JsonCalls(
    name="granite",
    openings=("<|tool_call|>",),
    before_calls="[",
    before_name='{"name": "',
    before_arguments='", "arguments": ',
    after_arguments="}",
    separator=", ",
    closing="]",
)
