"""Hermes 2 and 3, Qwen 2.5 and 3, Granite 4, and many others that were tuned on the same."""

from service.dialogue.tools.json_calls import JsonCalls

HERMES = JsonCalls(
    name="hermes",
    openings=("<tool_call>",),
    before_name='\n{"name": "',
    before_arguments='", "arguments": ',
    after_arguments="}\n</tool_call>",
    separator="\n<tool_call>",
)
