"""Every request field of OpenAI's responses: what is done. See `service.api.openai.fields`."""

from __future__ import annotations

from collections.abc import Mapping

from service.api.keep_alive import NOTE as KEEP_ALIVE
from service.api.openai.fields import AnyValue, Honoured, OneOf, Treatment

INPUT_TOKENS: Mapping[str, Treatment] = {
    "model": Honoured("a package of the store; the answer repeats the name as it was given"),
    "input": Honoured(
        "a text, or items of type message, reasoning, function_call or function_call_output with "
        "text alone"
    ),
    "instructions": Honoured("a system message at the beginning, for this response alone"),
    "parallel_tool_calls": Honoured("false: one call at most"),
    "previous_response_id": Honoured("one that is still stored"),
    "reasoning": Honoured("`effort`, where the model's template has a way to ask for it"),
    "text": Honoured("`format` of type `text`"),
    "tool_choice": Honoured("none, auto, required, a named function, allowed_tools"),
    "tools": Honoured("up to 128 functions; arguments always valid under their schemas"),
    "conversation": OneOf(),
    "personality": OneOf(),
    "truncation": OneOf(("disabled",)),
}

RESPONSES: Mapping[str, Treatment] = {
    **{name: treatment for name, treatment in INPUT_TOKENS.items() if name != "personality"},
    "keep_alive": Honoured(KEEP_ALIVE),
    "include": Honoured(
        "`message.output_text.logprobs`; reasoning is always there in plain text, so that "
        "`reasoning.encrypted_content` adds nothing, nor do the results of tools that there are "
        "not"
    ),
    "max_output_tokens": Honoured("thoughts counted; without it, the rest of the context"),
    "complete_on_length": Honoured(
        "extension; JSON that the limit of tokens cuts is closed, by tokens that do not count"
    ),
    "metadata": Honoured("comes back with the response"),
    "store": Honoured("in memory, where those unused for longest make room; true without it"),
    "stream": Honoured(),
    "structured_outputs": Honoured(
        "extension; json, json_object, regex, choice or grammar (Lark); of JSON "
        "`disable_any_whitespace`, `whitespace_pattern`, `disable_additional_properties`, `lenient`"
    ),
    "temperature": Honoured("0 takes the likeliest token; without it, the package's default"),
    "top_logprobs": Honoured("0 to 20, with `include`"),
    "top_p": Honoured(),
    "access_programs": OneOf(),
    "background": OneOf((False,)),
    "background_options": OneOf(),
    "context_management": OneOf(([],)),
    "image": OneOf(),
    "max_tool_calls": OneOf(),
    "moderation": OneOf(),
    "prompt": OneOf(),
    "prompt_cache_key": AnyValue(),
    "prompt_cache_options": OneOf(({"mode": "implicit"},)),
    "prompt_cache_retention": OneOf(("in_memory",)),
    "safety_identifier": AnyValue(),
    "service_tier": OneOf(("auto", "default")),
    "stream_options": OneOf(({}, {"include_obfuscation": False})),
    "user": AnyValue(),
}

RETRIEVE: Mapping[str, Treatment] = {
    "include": OneOf(),
    "include_obfuscation": OneOf((False,)),
    "starting_after": OneOf(),
    "stream": OneOf((False,)),
}

INPUT_ITEMS: Mapping[str, Treatment] = {
    "after": Honoured("the id of an item"),
    "limit": Honoured("1 to 100; 20 without it"),
    "order": Honoured("`desc`, the newest first, unless it is `asc`"),
    "include": OneOf(),
}
