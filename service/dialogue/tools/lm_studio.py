"""What LM Studio tells models of that were trained on no format of calls."""

from service.dialogue.tools.json_calls import JsonCalls

LM_STUDIO = JsonCalls(
    name="lm-studio",
    openings=("[TOOL_REQUEST]",),
    before_name='{"name": "',
    before_arguments='", "arguments": ',
    after_arguments="}[END_TOOL_REQUEST]",
    separator="\n[TOOL_REQUEST]",
)
