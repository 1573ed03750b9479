"""Every request field of Anthropic's API: what is done. See `service.api.openai.fields`."""

from __future__ import annotations

from collections.abc import Mapping

from service.api.keep_alive import NOTE as KEEP_ALIVE
from service.api.openai.fields import AnyValue, Honoured, OneOf, Treatment

COUNT_TOKENS: Mapping[str, Treatment] = {
    "model": Honoured("a package of the store; the answer repeats the name as it was given"),
    "messages": Honoured(
        "roles user, assistant, system; text, thinking, tool_use and tool_result blocks; a final "
        "message of the assistant is continued"
    ),
    "system": Honoured("a text or text blocks"),
    "thinking": Honoured("`disabled`, `adaptive`; no budgets"),
    "output_config": Honoured("`format`; `effort`, where the model's template can ask for it"),
    "tools": Honoured("up to 128 functions; arguments always valid under their schemas"),
    "tool_choice": Honoured("auto, any, tool, none; `disable_parallel_tool_use`"),
    "cache_control": AnyValue(),
    "speed": OneOf(("standard",)),
    "user_profile_id": OneOf(),
    "workspace_id": OneOf(),
}

MESSAGES: Mapping[str, Treatment] = {
    **COUNT_TOKENS,
    "keep_alive": Honoured(KEEP_ALIVE),
    "max_tokens": Honoured(),
    "complete_on_length": Honoured(
        "extension; JSON that the limit of tokens cuts is closed, by tokens that do not count"
    ),
    "stop_sequences": Honoured("up to 64 texts, none of which ever shows"),
    "stream": Honoured(),
    "structured_outputs": Honoured(
        "extension; json, json_object, regex, choice or grammar (Lark); of JSON "
        "`disable_any_whitespace`, `whitespace_pattern`, `disable_additional_properties`, `lenient`"
    ),
    "temperature": Honoured("0 to 1; without it, the package's default"),
    "top_k": Honoured(),
    "top_p": Honoured(),
    "container": OneOf(),
    "diagnostics": OneOf(),
    "inference_geo": OneOf(),
    "metadata": AnyValue(),
    "service_tier": OneOf(("auto", "standard_only")),
}
