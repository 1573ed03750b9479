"""The grammars of answers with calls: what they allow is what the formats' parsers read."""

from __future__ import annotations

import json
from collections import Counter
from random import Random

import llguidance
import numpy as np
import pytest

from service.constraints.calls import prepare_calls, prepare_tool
from service.constraints.completion import completion
from service.constraints.spec import OutputKind, OutputSpec
from service.dialogue.tools.format import ToolFormat
from service.dialogue.tools.gemma import FUNCTION_GEMMA, GEMMA4
from service.dialogue.tools.hermes import HERMES
from service.dialogue.tools.llama_json import LLAMA_JSON
from service.dialogue.tools.mistral import MISTRAL_LIST
from service.dialogue.tools.parameters import MAX_PARAMETERS
from service.dialogue.tools.pythonic import PYTHONIC
from service.dialogue.tools.tagged import TAGGED
from service.dialogue.tools.tool import Tool, ToolCall, ToolUse
from service.errors import RequestError, UnsupportedSchema
from tests.unit.service.constraints.walks import allows, walk
from tests.unit.service.dialogue.tools.formats import FORMATS, TOOLS, call, folded

ALL = pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.name)
BYTES = llguidance.LLTokenizer("byte")
JSON_CONTENT = OutputSpec(
    OutputKind.JSON_SCHEMA,
    '{"type":"object","properties":{"x":{"type":"integer"}},"additionalProperties":false}',
    "response_format",
)


def use(*, must: bool = False, one: bool = False, names: tuple[str, ...] = ()) -> ToolUse:
    tools = tuple(prepare_tool(tool, param="tools[0]").tool for tool in TOOLS)
    return ToolUse(tools, frozenset(names or (tool.name for tool in tools)), must, one)


def matcher(
    form: ToolFormat,
    wanted: ToolUse,
    *,
    follows_thoughts: bool = False,
    content: OutputSpec | None = None,
) -> llguidance.LLMatcher:
    """Over single bytes, where all control tokens are text."""
    spec = prepare_calls(wanted, form, {}, follows_thoughts=follows_thoughts, content=content).spec
    grammar = llguidance.LLMatcher.grammar_from_lark(spec.source)
    made = llguidance.LLMatcher(BYTES, grammar, log_level=0)
    assert not made.is_error(), made.get_error()
    return made


TWO = (call("get_weather", city="Paris", days=3, alerts=True), call("ping"))


@ALL
def test_what_a_format_writes_is_allowed(form: ToolFormat) -> None:
    free = matcher(form, use())
    forced = matcher(form, use(must=True))
    for text in (form.written(TWO[:1]), form.written(TWO)):
        assert allows(free, text)
        assert allows(forced, text)
    assert allows(free, "Any other text, < { [ ` and so on.")
    assert allows(free, "")
    assert not allows(forced, "Any other text")
    assert not allows(forced, "")


@ALL
def test_a_second_call_is_not_allowed_where_one_was_asked_for(form: ToolFormat) -> None:
    once = matcher(form, use(must=True, one=True))
    assert allows(once, form.written(TWO[:1]))
    assert not allows(once, form.written(TWO))


@ALL
@pytest.mark.parametrize(
    "wrong",
    [
        call("get_weather"),
        call("get_weather", city=5),
        call("get_weather", city="a", days="b"),
        call("get_weather", city="a", unit="kelvin"),
        call("get_weather", city="a", code="123456789"),
        call("get_weather", city="a", other=1),
        call("ping", x=1),
        call("no_such_tool"),
    ],
    ids=lambda each: f"{each.name}{each.arguments}",
)
def test_calls_that_are_not_valid_are_not_allowed(form: ToolFormat, wrong: ToolCall) -> None:
    text = form.written([wrong])
    # Between tags 5 is a text too.
    is_valid = form is TAGGED and wrong.arguments == '{"city": 5}'
    assert allows(matcher(form, use(must=True)), text) is is_valid
    # Where calls have no mark, what names no tool is text.
    is_text = wrong.name == "no_such_tool" and "" in form.openings
    assert allows(matcher(form, use()), text) is (is_valid or is_text)


@ALL
def test_only_the_tools_that_were_chosen_may_be_called(form: ToolFormat) -> None:
    chosen = matcher(form, use(must=True, names=("ping",)))
    assert allows(chosen, form.written([call("ping")]))
    assert not allows(chosen, form.written([call("get_weather", city="a")]))


@ALL
@pytest.mark.parametrize("must", [True, False])
def test_every_walk_is_read_as_text_or_valid_calls(form: ToolFormat, must: bool) -> None:
    wanted = use(must=must)
    prepared = prepare_calls(wanted, form, {})
    prototype = matcher(form, wanted)
    seen: Counter[str] = Counter()
    for seed in range(40):
        text = walk(prototype, Random(seed))
        if text is None:
            continue
        parser = form.parser(wanted.callable_tools)
        content, calls = folded([parser.feed(text), parser.flush()])
        for name, arguments in calls:
            assert prepared.check(name, arguments) is None, text
            seen[name] += 1
        if must:
            assert calls
            assert not content
    if must:
        assert seen["ping"]
        # A text between tags ends with a whole tag, which hardly any walk hits on.
        assert seen["get_weather"] or form in (TAGGED, FUNCTION_GEMMA, GEMMA4)


def test_text_ends_where_calls_begin() -> None:
    free = matcher(HERMES, use())
    assert allows(free, "I will look. " + HERMES.written(TWO[:1]))
    assert not allows(free, HERMES.written(TWO[:1]) + " Done.")
    assert not allows(free, "I will look. <tool_call>")


def test_json_that_names_a_tool_is_a_call_and_other_json_is_text() -> None:
    free = matcher(LLAMA_JSON, use())
    assert allows(free, '{"name": "Zoë", "parameters": 5}')
    assert not allows(free, '{"name": "ping", "parameters": 5}')
    assert allows(free, '\n {"name": "ping", "parameters": {}}')
    assert not allows(free, '\n {"name": "ping", "parameters": 5}')
    assert allows(free, 'Say {"name": "ping", "parameters": 5}')


def test_calls_behind_thoughts_may_have_lines_free_before_them() -> None:
    forced = matcher(HERMES, use(must=True), follows_thoughts=True)
    assert allows(forced, f"\n\n{HERMES.written(TWO)}")
    assert allows(forced, HERMES.written(TWO))
    assert not allows(forced, f"\n\n\n\n\n{HERMES.written(TWO)}")
    assert not allows(matcher(HERMES, use(must=True)), f"\n{HERMES.written(TWO)}")


@pytest.mark.parametrize("space", [" \n", "\u00a0", "\x0b", "\u2003"])
def test_only_white_space_of_json_may_stand_before_calls(space: str) -> None:
    """What else strips text does not make a call of it: grammar and parser agree."""
    text = space + '{"name": "ping", "parameters": 5}'
    is_text = allows(matcher(LLAMA_JSON, use()), text)
    parser = LLAMA_JSON.parser(use().callable_tools)
    content, calls = folded([parser.feed(text), parser.flush()])
    assert is_text is (space != " \n")
    assert (content, calls) == ((text, []) if is_text else ("", [("ping", "5}")]))


_AN_INTEGER = {"type": "integer", "maximum": 5}


@pytest.mark.parametrize("form", [HERMES, PYTHONIC, TAGGED], ids=lambda form: form.name)
@pytest.mark.parametrize(
    "schema",
    [
        {"properties": {"a": True, "b": False}, "required": ["a"]},
        {"properties": {"a": _AN_INTEGER, "b": {"$ref": "#"}}, "required": ["a"]},
        {"properties": {"a": _AN_INTEGER, "b": {"$ref": "#/properties/a"}}, "required": ["b"]},
        {
            "properties": {"a": {"$ref": "#/$defs/tree"}},
            "required": ["a"],
            "$defs": {"tree": {"properties": {"t": {"$ref": "#/$defs/tree"}, "v": _AN_INTEGER}}},
        },
        {
            "$schema": "http://json-schema.org/draft-04/schema#",
            "properties": {"a": {**_AN_INTEGER, "exclusiveMaximum": True}},
            "required": ["a"],
        },
        {"properties": {f"p{i}": _AN_INTEGER for i in range(400)}, "required": ["p300"]},
    ],
    ids=["booleans", "the root", "a property", "definitions", "draft 4", "many"],
)
def test_parameters_mean_what_they_mean_in_their_schema(
    form: ToolFormat, schema: dict[str, object]
) -> None:
    closed = {"type": "object", "additionalProperties": False, **schema}
    tool = prepare_tool(Tool("f", parameters=json.dumps(closed)), param="tools[0]").tool
    wanted = ToolUse((tool,), frozenset({"f"}), must_call=True, at_most_one=True)
    prepared, prototype = prepare_calls(wanted, form, {}), matcher(form, wanted)
    texts = [text for seed in range(12) if (text := walk(prototype, Random(seed))) is not None]
    assert texts
    for text in texts:
        parser = form.parser(wanted.callable_tools)
        content, calls = folded([parser.feed(text), parser.flush()])
        assert not content
        assert [prepared.check(*each) for each in calls] == [None], text


@pytest.mark.parametrize("form", [HERMES, PYTHONIC, TAGGED], ids=lambda form: form.name)
def test_a_parameter_that_is_required_and_cannot_be_is_refused(form: ToolFormat) -> None:
    schema = '{"properties":{"a":{}},"required":["b"],"additionalProperties":false}'
    tool = prepare_tool(Tool("f", parameters=schema), param="tools[0]").tool
    wanted = ToolUse((tool,), frozenset({"f"}), must_call=True)
    grammar = llguidance.LLMatcher.grammar_from_lark(prepare_calls(wanted, form, {}).spec.source)
    assert "required property" in llguidance.LLMatcher(BYTES, grammar, log_level=0).get_error()


def test_many_optional_parameters_make_no_grammar_that_grows_with_their_square() -> None:
    def length(num: int) -> int:
        names = ", ".join(f'"p{i:02}": {{}}' for i in range(num))
        schema = f'{{"properties": {{{names}}}}}'
        tool = prepare_tool(Tool("f", parameters=schema), param="tools[0]").tool
        wanted = ToolUse((tool,), frozenset({"f"}))
        return len(prepare_calls(wanted, PYTHONIC, {}).spec.source)

    assert length(MAX_PARAMETERS) < 5 * length(MAX_PARAMETERS // 4)


def test_schemas_that_only_together_take_long_to_compile_are_refused() -> None:
    """Ten divisors of each tool take half a second, those of all tools a minute."""

    def of(num_tools: int) -> ToolUse:
        schemas = (
            {"properties": {f"p{j}": {"multipleOf": 9990 - i * 9 - j} for j in range(9)}}
            for i in range(num_tools)
        )
        tools = (Tool(f"f{i}", parameters=json.dumps(each)) for i, each in enumerate(schemas))
        prepared = tuple(prepare_tool(tool, param="tools[0]").tool for tool in tools)
        return ToolUse(prepared, frozenset(tool.name for tool in prepared))

    prepare_calls(of(1), HERMES, {})
    with pytest.raises(UnsupportedSchema, match="multipleOf") as refused:
        prepare_calls(of(2), HERMES, {})
    assert refused.value.param == "tools"


@ALL
@pytest.mark.parametrize("before", ["", 'He said "yes. '])
def test_calls_that_are_cut_anywhere_are_completed(form: ToolFormat, before: str) -> None:
    """Also behind a text whose quotes do not come in pairs."""
    if before and "" in form.openings:
        pytest.skip("calls have no mark, and come first or not at all")
    prototype, ends = matcher(form, use()), prepare_calls(use(), form, {}).spec.text_ends
    text = before + form.written([call("get_weather", city="Zoë", days=3)])
    begun = len(before + (form.openings[0] or form.head("get_weather")))
    for length in (*range(begun, len(text), 7), text.index("Zoë") + 2):
        trial, byte_ids = prototype.deep_copy(), [*text[:length].encode()]
        assert trial.try_consume_tokens(byte_ids) == len(byte_ids)
        rest = bytes(completion(trial, BYTES, text[:length].encode(), ends)).decode()
        parser = form.parser(use().callable_tools)
        _, calls = folded([parser.feed(text[:length] + rest), parser.flush()])
        check = prepare_calls(use(), form, {}).check
        assert [check(*each) for each in calls] == [None], text[:length] + rest


def test_keywords_that_say_nothing_are_not_compiled() -> None:
    schema = {"properties": {"uniqueItems": False, "a": {"type": "array", "uniqueItems": False}}}
    tool = prepare_tool(Tool("f", parameters=json.dumps(schema)), param="tools[0]").tool
    properties = json.loads(tool.parameters)["properties"]
    assert properties == {"uniqueItems": False, "a": {"type": "array"}}


def test_a_call_of_no_tool_fails_the_last_check() -> None:
    prepared = prepare_calls(use(names=("ping",)), HERMES, {})
    assert prepared.check("ping", "{}") is None
    assert prepared.check("get_weather", '{"city": "a"}') == "there is no such tool"


def test_an_answer_without_calls_can_be_held_to_json() -> None:
    either = matcher(HERMES, use(), content=JSON_CONTENT)
    assert allows(either, '{"x": 5}')
    assert not allows(either, '{"x": "a"}')
    assert not allows(either, "Plain text")
    assert allows(either, HERMES.written(TWO))


@pytest.mark.parametrize("form", [LLAMA_JSON, PYTHONIC])
def test_calls_that_could_be_the_answer_are_refused_beside_json(form: ToolFormat) -> None:
    with pytest.raises(UnsupportedSchema) as refused:
        prepare_calls(use(), form, {}, content=JSON_CONTENT)
    assert refused.value.param == "response_format"


def test_a_mark_that_is_a_control_token_is_that_token_and_no_text() -> None:
    prepared = prepare_calls(use(), MISTRAL_LIST, {"[TOOL_CALLS]": 5})
    vocabulary = llguidance.LLTokenizer("byte")
    grammar = llguidance.LLMatcher.grammar_from_lark(prepared.spec.source)
    made = llguidance.LLMatcher(vocabulary, grammar, log_level=0)
    assert "<[5]>" in prepared.spec.source
    assert allows(made, "[TOOL_CALL of another spelling is text")
    # Read back, it could not be told from the token.
    assert not allows(made, "Behind [TOOL_CALLS] there is no call")
    mask = np.zeros((vocabulary.vocab_size + 31) // 32, np.int32)
    made.unsafe_compute_mask_ptr(mask.ctypes.data, mask.nbytes)
    assert mask[0] >> 5 & 1


@pytest.mark.parametrize(
    ("schema", "error"),
    [
        ({"type": "array"}, RequestError),
        ({"type": "string"}, RequestError),
        ({"type": "object", "properties": {"a": {"not": {}}}}, UnsupportedSchema),
        ({"type": "object", "patternProperties": {"^a": {}}, "not": {}}, UnsupportedSchema),
    ],
)
def test_a_schema_that_cannot_be_enforced_is_refused(
    schema: dict[str, object], error: type[RequestError]
) -> None:
    with pytest.raises(error) as refused:
        prepare_tool(Tool("f", parameters=json.dumps(schema)), param="tools[3]")
    assert refused.value.param == "tools[3]"


def test_a_relaxed_tool_says_what_is_not_enforced() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer", "not": {"const": 3}}}}
    prepared = prepare_tool(Tool("f", parameters=json.dumps(schema)), param="p", relaxes=True)
    assert prepared.relaxed == ["p#/properties/a/not"]
    assert "not" not in json.loads(prepared.tool.parameters)["properties"]["a"]


def test_alternatives_that_may_overlap_are_taken_for_any_of_when_relaxed() -> None:
    schema = {"type": "object", "oneOf": [{"required": ["a"]}, {"required": ["b"]}]}
    prepared = prepare_tool(Tool("f", parameters=json.dumps(schema)), param="p", relaxes=True)
    assert prepared.relaxed == ["p#/oneOf"]
    assert json.loads(prepared.tool.parameters)["allOf"] == [{"anyOf": schema["oneOf"]}]


def test_what_is_beside_alternatives_or_only_called_so_stays() -> None:
    schema = {
        "type": "object",
        "properties": {
            "a": {"anyOf": [{"type": "string"}], "oneOf": [{"maxLength": 3}, {"maxLength": 5}]},
            "oneOf": {"const": {"oneOf": [1]}},
        },
        "required": ["oneOf"],
    }
    tool = prepare_tool(Tool("f", parameters=json.dumps(schema)), param="p", relaxes=True).tool
    wanted = ToolUse((tool,), frozenset({"f"}), must_call=True)
    check, forced = prepare_calls(wanted, HERMES, {}).check, matcher(HERMES, wanted)
    for arguments, is_valid in (
        ({"a": "abcde", "oneOf": {"oneOf": [1]}}, True),
        ({"a": "ab", "oneOf": {"anyOf": [1]}}, False),
        ({"a": 5, "oneOf": {"oneOf": [1]}}, False),
        ({"a": "abcdef", "oneOf": {"oneOf": [1]}}, False),
    ):
        assert allows(forced, HERMES.written([call("f", **arguments)])) is is_valid
        assert (check("f", json.dumps(arguments)) is None) is is_valid
