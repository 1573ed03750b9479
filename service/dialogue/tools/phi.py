"""Phi-4-mini: a list between two tokens, or behind a word."""

from dataclasses import replace

from service.dialogue.tools.json_calls import JsonCalls

PHI_TOKENS = JsonCalls(
    name="phi",
    openings=("<|tool_call|>",),
    before_calls="[",
    before_name='{"name": "',
    before_arguments='", "arguments": ',
    after_arguments="}",
    separator=", ",
    closing="]<|/tool_call|>",
)

PHI_FUNCTOOLS = replace(PHI_TOKENS, name="phi-functools", openings=("functools",), closing="]")
