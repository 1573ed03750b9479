"""Calls in a fence: for models that were trained on Markdown and on no format of calls (Gemma)."""

from service.dialogue.tools.json_calls import JsonCalls

FENCED = JsonCalls(
    name="fenced",
    openings=("```tool_call",),
    before_name='\n{"name": "',
    before_arguments='", "arguments": ',
    after_arguments="}\n```",
    separator="\n```tool_call",
)
