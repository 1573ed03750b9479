"""Every request field of OpenAI's API and of the extensions that local clients send: what is done.

A field is honoured, or it changes nothing whatever its value, or it may only have the values with
which that is so; anything else is refused by name. The structs of the endpoints hold the honoured
ones and nothing else; `python -m service.api.field_table` prints this table for the README.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import msgspec

from service.api.keep_alive import NOTE as KEEP_ALIVE
from service.errors import UnsupportedParameter

_MAX_NO_OP_BYTES = 256
"""No no-op is longer than this, so that a large value need not be decoded to be refused."""

Json: TypeAlias = bool | int | float | str | list["Json"] | dict[str, "Json"] | None


@dataclass(frozen=True, slots=True)
class Honoured:
    """The field does what it says; `note` is what is not obvious of that."""

    note: str = ""


@dataclass(frozen=True, slots=True)
class OneOf:
    """Only these values, besides null, are accepted: with them the field changes nothing."""

    values: tuple[Json, ...] = ()


@dataclass(frozen=True, slots=True)
class AnyValue:
    """The field never changes an answer: it labels requests for OpenAI's own bookkeeping."""


Treatment: TypeAlias = Honoured | OneOf | AnyValue

_GENERATION: Mapping[str, Treatment] = {
    "model": Honoured("a package of the store; the answer repeats the name as it was given"),
    "stream": Honoured(),
    "stream_options": Honoured("`include_usage`, `continuous_usage_stats`"),
    "temperature": Honoured("0 takes the likeliest token; without it, the package's default"),
    "top_p": Honoured(),
    "seed": Honoured("same request, same tokens"),
    "stop": Honoured("up to 4 texts, none of which ever shows"),
    "frequency_penalty": Honoured(),
    "presence_penalty": Honoured(),
    "n": Honoured("1 to 128, one prefill; choice i has a seed of its own"),
    "logit_bias": Honoured("token ids to -100..100"),
    "top_k": Honoured("extension; 0 or -1 is off"),
    "min_p": Honoured("extension"),
    "repetition_penalty": Honoured("extension"),
    "stop_token_ids": Honoured("extension; up to 64"),
    "ignore_eos": Honoured("extension"),
    "min_tokens": Honoured("extension; no stop of any kind before"),
    "response_format": Honoured("text, json_object, json_schema; enforced, `strict` or not"),
    "structured_outputs": Honoured(
        "extension; json, json_object, regex, choice or grammar (Lark); of JSON "
        "`disable_any_whitespace`, `whitespace_pattern`, `disable_additional_properties`, `lenient`"
    ),
    "complete_on_length": Honoured(
        "extension; JSON that the limit of tokens cuts is closed, by tokens that do not count"
    ),
    "keep_alive": Honoured(KEEP_ALIVE),
    "user": AnyValue(),
}

CHAT: Mapping[str, Treatment] = {
    **_GENERATION,
    "messages": Honoured(
        "roles system, developer, user, assistant, tool, function; content null, text or text parts"
    ),
    "max_tokens": Honoured("without it, the rest of the context"),
    "max_completion_tokens": Honoured("wins over `max_tokens`"),
    "logprobs": Honoured("of the raw logits, before temperature and penalties"),
    "top_logprobs": Honoured("0 to 20"),
    "reasoning_effort": Honoured("where the model's template has a way to ask for it"),
    "chat_template_kwargs": Honoured(
        "extension; `enable_thinking`, `thinking`, `preserve_thinking`, `reasoning_effort`"
    ),
    "continue_final_message": Honoured("extension; the answer goes on with the last message"),
    "add_generation_prompt": Honoured("extension; false with `continue_final_message` only"),
    "tools": Honoured("up to 128 functions; arguments always valid under their schemas"),
    "tool_choice": Honoured("none, auto, required, a named function, allowed_tools"),
    "parallel_tool_calls": Honoured("false: one call at most"),
    "functions": Honoured("the older `tools`"),
    "function_call": Honoured("the older `tool_choice`"),
    "audio": OneOf(),
    "metadata": AnyValue(),
    "modalities": OneOf((["text"],)),
    "moderation": OneOf(),
    "prediction": OneOf(),
    "prompt_cache_key": AnyValue(),
    "prompt_cache_options": OneOf(({"mode": "implicit"},)),
    "prompt_cache_retention": OneOf(("in_memory",)),
    "safety_identifier": AnyValue(),
    "service_tier": AnyValue(),
    "store": AnyValue(),
    "verbosity": OneOf(("medium",)),
    "web_search_options": OneOf(),
}

COMPLETION: Mapping[str, Treatment] = {
    **_GENERATION,
    "response_format": Honoured("on completions an extension"),
    "prompt": Honoured("a text, token ids, or a list of either; raw, no chat template"),
    "max_tokens": Honoured("16 without it; 0 with `echo` for the prompt's logprobs alone"),
    "suffix": Honoured("with models whose vocabulary has tokens for it"),
    "echo": Honoured(),
    "logprobs": Honoured("0 to 20; with `echo` those of the prompt too"),
    "best_of": Honoured("1 to 20, by mean logprob; not with `stream`"),
}


def honoured(fields: Mapping[str, Treatment]) -> frozenset[str]:
    """The names of the fields that do what they say."""
    return frozenset(name for name, done in fields.items() if isinstance(done, Honoured))


def check_no_op(name: str, raw: bytes, treatment: OneOf | AnyValue) -> None:
    """Raises UnsupportedParameter if the field's JSON asks for something that is not done."""
    if isinstance(treatment, AnyValue) or raw == b"null" or _is_one_of(raw, treatment.values):
        return
    values = ", ".join(msgspec.json.encode(no_op).decode() for no_op in (None, *treatment.values))
    raise UnsupportedParameter(
        f"The parameter {name!r} is not supported; it may be left out or be one of: {values}.",
        param=name,
    )


def _is_one_of(raw: bytes, no_ops: tuple[Json, ...]) -> bool:
    if len(raw) > _MAX_NO_OP_BYTES:
        return False
    try:
        value = msgspec.json.decode(raw)
    except msgspec.ValidationError:  # a number beyond what floats hold
        return False
    return any(_same(value, no_op) for no_op in no_ops)


def _same(value: Json, no_op: Json) -> bool:
    """Equal, where true is not 1."""
    return value == no_op and isinstance(value, bool) == isinstance(no_op, bool)
