"""For every request field of chat completions and completions: values that it may have, and
values that it may not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from hypothesis import strategies as st

from service.api.openai.chat_messages import TEMPLATE_KWARGS

Values: TypeAlias = st.SearchStrategy[Any]

MAX_INT32: Final = 2**31 - 1
MAX_INT64: Final = 2**63 - 1


_finite = st.floats(allow_nan=False, allow_infinity=False)

anything: Final[Values] = st.recursive(
    st.none() | st.booleans() | st.integers() | _finite | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
"""Whatever JSON can say."""

_lists: Final[Values] = st.lists(anything, max_size=3)
_objects: Final[Values] = st.dictionaries(st.text(), anything, max_size=3)
_no_number: Final[Values] = st.booleans() | st.text() | _lists | _objects
_no_text: Final[Values] = st.booleans() | st.integers() | _finite | _objects
_no_boolean: Final[Values] = st.integers() | _finite | st.text() | _lists | _objects


@dataclass(frozen=True)
class Field:
    """`needs` are other fields without which the `inside` values are refused."""

    inside: Values
    outside: Values
    needs: Mapping[str, object] = field(default_factory=dict)


def _number(low: float, high: float) -> Field:
    return Field(
        st.floats(low, high) | st.just(high),
        st.floats(max_value=low, exclude_max=True, allow_infinity=False)
        | st.floats(min_value=high, exclude_min=True, allow_infinity=False)
        | _no_number,
    )


def _whole(low: int, high: int, *, floats: bool = True) -> Field:
    """Where `floats`, a whole number may be written 5.0 too."""
    near = st.integers(low, min(high, 2**53))
    inside: Values = st.integers(low, high) | st.sampled_from([low, high])
    return Field(
        inside | near.map(float) if floats else inside,
        st.integers(max_value=low - 1)
        | st.integers(min_value=high + 1)
        | st.floats(low, min(high, 2**50)).filter(lambda value: value != int(value))
        | st.floats(max_value=low, exclude_max=True, allow_infinity=False)
        | _no_number,
    )


def _boolean(**needs: object) -> Field:
    return Field(st.booleans(), _no_boolean, needs)


_text = st.text(max_size=20)
_filled = st.text(min_size=1, max_size=20)
_plain = st.text('abc é🦊"', min_size=1, max_size=9)


def _format(**changes: object) -> dict[str, object]:
    named = {"name": "form", "schema": {"type": "object"}, **changes}
    return {"type": "json_schema", "json_schema": named}


_token_id = st.integers(0, MAX_INT32)
_no_token_id: Values = st.integers(max_value=-1) | st.integers(min_value=2**31) | _finite

_GENERATION: Mapping[str, Field] = {
    "model": Field(st.just("tiny:1b"), _no_text | st.just("") | st.text(min_size=513)),
    "stream": _boolean(),
    "stream_options": Field(
        st.fixed_dictionaries(
            {},
            optional={
                "include_usage": st.none() | st.booleans(),
                "include_obfuscation": st.none() | st.just(False),
                "continuous_usage_stats": st.none() | st.booleans(),
            },
        ),
        st.booleans()
        | st.integers()
        | st.text()
        | _lists.filter(bool)
        | st.fixed_dictionaries({"include_usage": _no_boolean})
        | st.just({"include_obfuscation": True})
        | st.dictionaries(_text.filter(lambda name: "include" not in name), anything, min_size=1),
        {"stream": True},
    ),
    "temperature": _number(0, 2),
    "top_p": _number(0, 1),
    "seed": _whole(-MAX_INT64 - 1, MAX_INT64),
    "stop": Field(
        st.text(min_size=1, max_size=1024) | st.lists(_filled, max_size=4),
        st.just("")
        | st.text(min_size=1025, max_size=1100)
        | _no_text
        | st.lists(_filled, min_size=5, max_size=8)
        | st.lists(st.just("") | st.integers() | st.none(), min_size=1, max_size=4),
    ),
    "frequency_penalty": _number(-2, 2),
    "presence_penalty": _number(-2, 2),
    "n": _whole(1, 128),
    "logit_bias": Field(
        st.dictionaries(st.integers(0, 999_999_999).map(str), st.floats(-100, 100), max_size=5),
        st.dictionaries(_token_id.map(str), _number(-100, 100).outside, min_size=1, max_size=3)
        | st.dictionaries(_text.filter(lambda key: not key.isdigit()), st.just(1), min_size=1)
        | st.booleans()
        | st.integers()
        | st.text()
        | _lists.filter(bool),
    ),
    "top_k": _whole(-1, MAX_INT32, floats=False),
    "min_p": _number(0, 1),
    "repetition_penalty": _number(0.01, 10),
    "stop_token_ids": Field(
        st.lists(_token_id, max_size=64),
        st.lists(_token_id, min_size=65, max_size=70)
        | st.lists(_no_token_id, min_size=1, max_size=3)
        | st.booleans()
        | st.integers()
        | st.text()
        | _objects,
    ),
    "ignore_eos": _boolean(),
    "min_tokens": _whole(0, MAX_INT32),
    "keep_alive": Field(
        st.floats(-1e9, 1e9)
        | st.integers(-(10**9), 10**9)
        | st.sampled_from(["5m", "-1", "1h30m"]),
        st.booleans()
        | _lists.filter(bool)
        | _objects.filter(bool)
        | st.floats(min_value=1e9, exclude_min=True, allow_infinity=False)
        | st.sampled_from(["", "soon", "5 m", "1e9", "9" * 65]),
    ),
    "response_format": Field(
        st.sampled_from([{"type": "text"}, {"type": "json_object"}])
        | st.builds(
            lambda schema, strict: _format(schema=schema, strict=strict),
            st.sampled_from([{"type": "string"}, {"const": 1}, {"properties": {"a": {}}}]),
            st.none() | st.booleans(),
        ),
        st.dictionaries(st.just("type"), _text.map("x".__add__), min_size=1)
        | st.dictionaries(_text.filter(lambda name: name != "type"), anything)
        | st.builds(lambda name: _format(name=name), st.text("é $", min_size=1) | st.just(""))
        | st.builds(lambda schema: _format(schema=schema), st.integers() | st.text() | _lists)
        | st.just(_format(schema={"not": {}}))
        | st.booleans()
        | st.integers()
        | st.text()
        | _lists.filter(bool),
    ),
    "structured_outputs": Field(
        st.builds(lambda choices: {"choice": choices}, st.lists(_plain, min_size=1, max_size=5))
        | st.sampled_from(
            [
                {"json": {"type": "integer"}},
                {"json": '{"const": null}'},
                {"json_object": True},
                {"regex": "[a-z]+"},
                {"grammar": 'start: "a" | "b"'},
                {"json": {"not": {}}, "lenient": True, "whitespace_pattern": "[ \n]*"},
                {
                    "json_object": True,
                    "disable_any_whitespace": False,
                    "disable_additional_properties": False,
                },
            ]
        ),
        st.sampled_from(
            [
                {},
                {"regex": "a", "json_object": True},
                {"choice": []},
                {"json": {"not": {}}},
                {"disable_any_whitespace": False},
                {"json_object": True, "whitespace_pattern": "."},
                {"regex": "a", "lenient": True},
            ]
        )
        | st.dictionaries(_text.map("x".__add__), anything, min_size=1, max_size=2)
        | st.booleans()
        | st.integers()
        | st.text()
        | _lists.filter(bool),
    ),
    "complete_on_length": _boolean(response_format={"type": "json_object"}),
}

_content: Values = _text | st.lists(
    st.fixed_dictionaries({"type": st.just("text"), "text": _text}), max_size=3
)
_message: Values = st.fixed_dictionaries(
    {"role": st.sampled_from(["system", "developer", "user", "assistant"]), "content": _content},
    optional={"name": st.none() | _text},
) | st.fixed_dictionaries(
    {"role": st.sampled_from(["tool", "function"]), "content": _content, "name": _text}
)
_wrong_message: Values = (
    st.booleans()
    | st.integers()
    | st.text()
    | _lists
    | st.fixed_dictionaries({"role": st.just("user"), "content": st.none() | st.integers()})
    | st.fixed_dictionaries({"role": _text.map("x".__add__), "content": _text})
    | st.fixed_dictionaries({"role": st.just("user"), "content": st.lists(_text, min_size=1)})
    | st.fixed_dictionaries({"role": st.just("user"), "content": _text, "colour": anything})
)

_function: Values = st.fixed_dictionaries(
    {"name": st.from_regex(r"[a-zA-Z0-9_-]{1,64}", fullmatch=True)},
    optional={
        "description": st.none() | _text,
        "parameters": st.sampled_from(
            [None, {}, {"type": "object", "properties": {"a": {"type": "integer"}}}]
        ),
        "strict": st.none() | st.booleans(),
    },
)
_wrong_function: Values = (
    st.fixed_dictionaries({"name": st.sampled_from(["", "a b", "é", "x" * 65])})
    | st.fixed_dictionaries({"description": _text})
    | st.fixed_dictionaries({"name": st.just("f"), "colour": anything})
    | st.fixed_dictionaries(
        {"name": st.just("f"), "parameters": st.integers() | _text | st.just({"type": "array"})}
    )
    | st.just({"name": "f", "parameters": {"not": {}}})
)


def _tool(function: object) -> dict[str, object]:
    return {"type": "function", "function": function}


_functions: Values = st.lists(_function, max_size=3, unique_by=lambda each: each["name"])
_wrong_functions: Values = (
    st.tuples(_wrong_function).map(list)
    | st.tuples(_function).map(lambda pair: [*pair, *pair])
    | st.integers()
    | st.text()
    | st.booleans()
    | _objects
)
_F: Final = {"name": "f"}

CHAT_FIELDS: Final[Mapping[str, Field]] = {
    **_GENERATION,
    "messages": Field(
        st.lists(_message, min_size=1, max_size=4),
        st.just([]) | _no_text | st.text() | st.tuples(_message, _wrong_message).map(list),
    ),
    "max_tokens": _whole(1, MAX_INT32),
    "max_completion_tokens": _whole(1, MAX_INT32),
    "logprobs": _boolean(),
    "top_logprobs": Field(
        _whole(0, 20, floats=False).inside,
        _whole(0, 20, floats=False).outside,
        {"logprobs": True},
    ),
    "reasoning_effort": Field(
        st.sampled_from(["none", "minimal", "low", "medium", "high", "xhigh"]),
        st.text().map("x".__add__) | _no_text | _lists,
    ),
    "chat_template_kwargs": Field(
        st.dictionaries(st.sampled_from(TEMPLATE_KWARGS), st.booleans() | _text),
        st.dictionaries(
            _text.filter(lambda name: name not in TEMPLATE_KWARGS), st.booleans(), min_size=1
        )
        | st.dictionaries(
            st.sampled_from(TEMPLATE_KWARGS), st.none() | st.integers() | _lists, min_size=1
        )
        | st.booleans()
        | st.integers()
        | st.text()
        | _lists.filter(bool),
    ),
    "add_generation_prompt": Field(st.just(True), st.just(False) | _no_boolean),
    "continue_final_message": Field(st.just(False), st.just(True) | _no_boolean),
    "tools": Field(
        _functions.map(lambda functions: [*map(_tool, functions)]),
        _wrong_functions.map(
            lambda found: [*map(_tool, found)] if isinstance(found, list) else found
        )
        | st.just([{"type": "custom", "custom": {"name": "f"}}]),
    ),
    "tool_choice": Field(
        st.sampled_from(
            [
                *("none", "auto", "required"),
                _tool(_F),
                {
                    "type": "allowed_tools",
                    "allowed_tools": {"mode": "required", "tools": [_tool(_F)]},
                },
            ]
        ),
        st.text().map("x".__add__)
        | st.booleans()
        | st.integers()
        | _lists
        | st.just(_tool({"name": "g"}))
        | st.just({"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": []}}),
        {"tools": [_tool(_F)]},
    ),
    "parallel_tool_calls": _boolean(),
    "functions": Field(_functions, _wrong_functions),
    "function_call": Field(
        st.sampled_from(["none", "auto", _F]),
        st.text().map("x".__add__)
        | st.booleans()
        | st.integers()
        | _lists
        | st.just({"name": "g"}),
        {"functions": [_F]},
    ),
}

COMPLETION_FIELDS: Final[Mapping[str, Field]] = {
    **_GENERATION,
    "prompt": Field(
        _filled
        | st.lists(_filled, min_size=1, max_size=3)
        | st.lists(_token_id, min_size=1, max_size=5)
        | st.lists(st.lists(_token_id, min_size=1, max_size=3), min_size=1, max_size=3),
        st.just([])
        | _no_text
        | st.lists(_no_token_id | _objects, min_size=1, max_size=3)
        | st.tuples(_token_id, _text | st.lists(_token_id)).map(list)
        | st.lists(st.lists(_no_token_id, min_size=1, max_size=3), min_size=1, max_size=3),
    ),
    "max_tokens": _whole(0, MAX_INT32),
    "suffix": Field(_text, _no_text | _lists),
    "echo": _boolean(),
    "logprobs": _whole(0, 20, floats=False),
    "best_of": _whole(1, 20, floats=False),
}
