"""Each keyword: what is let pass, and what is refused, by its pointer and name."""

from __future__ import annotations

import copy

import pytest

from service.constraints.guard import check_schema
from service.constraints.json_types import Json
from service.errors import UnsupportedSchema

DRAFT_4 = "http://json-schema.org/draft-04/schema#"
DRAFT_6 = "http://json-schema.org/draft-06/schema#"
DRAFT_7 = "http://json-schema.org/draft-07/schema#"
DRAFT_2019 = "https://json-schema.org/draft/2019-09/schema"
DRAFT_2020 = "https://json-schema.org/draft/2020-12/schema"

OBJECT: dict[str, Json] = {"type": "object"}
CLOSED: dict[str, Json] = {**OBJECT, "additionalProperties": False}


def refusal(schema: Json) -> str:
    with pytest.raises(UnsupportedSchema) as refused:
        check_schema(schema, param="response_format.json_schema.schema")
    assert refused.value.status == 400
    assert refused.value.code == "unsupported_schema"
    assert refused.value.param == "response_format.json_schema.schema"
    return refused.value.message


ACCEPTED: list[Json] = [
    {},
    {"type": "string"},
    {"type": ["string", "null"]},
    {"type": "string", "minLength": 1, "maxLength": 1},
    {"type": "string", "pattern": "^[a-z]+(-[a-z]+)*$", "maxLength": 30, "format": "hostname"},
    {"type": "string", "format": "date-time"},
    {"type": "integer", "format": "int32"},
    {"type": ["number", "null"], "format": "double"},
    {"type": "integer", "minimum": -(2**53) + 1, "maximum": 2**53 - 1},
    {"type": "integer", "minimum": -(2**63), "maximum": 2**63 - 1},
    {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
    {"type": "number", "multipleOf": 0.01},
    {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
    {"type": "number", "exclusiveMinimum": -1, "maximum": -0.5},
    {"type": "integer", "exclusiveMinimum": 0, "maximum": 1.5},
    {"type": "number", "minimum": -1e15, "maximum": 123456789012.3456},
    {"enum": [0.1, -99.99, 1e-7, 3.141592653589793]},
    {"type": "integer", "multipleOf": 10_000},
    {"enum": ["a", 1, None, True, {"b": [2]}, 0.5]},
    {"const": {"a": [1, "x"]}},
    {"const": 'line\n\t"quoted" \\ /'},
    {"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": 10**9},
    {"type": "array", "prefixItems": [{}, {"type": "null"}], "items": False},
    {"type": "object", "properties": {"not": {"type": "string"}, "if": True}},
    {"type": "object", "additionalProperties": {"type": "integer"}, "minProperties": 1},
    {"type": "object", "properties": {"a": {}}, "required": ["a"], "minProperties": 2},
    {"type": "object", "properties": {"a": {}, "b": {}}, "required": ["a"], "minProperties": 1},
    {
        "type": "object",
        "properties": {"a": {}, "b": {}},
        "additionalProperties": False,
        "minProperties": 1,
        "maxProperties": 1,
    },
    {"type": "object", "patternProperties": {"^x-": {"type": "string"}}},
    {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None, "description": "x"},
    {"oneOf": [{"type": "string"}, {"type": "null"}]},
    {"allOf": [{"$ref": "#/$defs/a"}], "$defs": {"a": {"type": "object"}}},
    {"$ref": "#/$defs/a%20b~1c", "$defs": {"a b/c": {"type": "null"}}},
    {"$ref": "#here", "$defs": {"a": {"$anchor": "here", "type": "null"}}},
    {"$id": "https://a.example/s", "$ref": "https://a.example/s#/$defs/a", "$defs": {"a": {}}},
    {"type": "object", "properties": {"next": {"$ref": "#"}}},
    {"type": "array", "items": {"anyOf": [{"$ref": "#"}, {"type": "null"}]}},
    {
        **OBJECT,
        "allOf": [
            {"required": ["a"]},
            {"properties": {"a": {"anyOf": [{"$ref": "#"}, {"type": "null"}]}}},
        ],
    },
    {
        **CLOSED,
        "properties": {"id": {}},
        "required": ["id"],
        "patternProperties": {"^child_": {"$ref": "#"}},
    },
    {**CLOSED, "properties": {"a": {"$ref": "#"}, "b": {}}, "minProperties": 1},
    {
        "anyOf": [{"type": "integer"}, {"$ref": "#/$defs/sum"}],
        "$defs": {
            "sum": {**OBJECT, "properties": {"a": {"$ref": "#"}}, "required": ["a"]},
        },
    },
    {**CLOSED, "patternProperties": {"^(a|b)$": {}}, "required": ["a"]},
    {**CLOSED, "patternProperties": {"^a$": {}, "^b+$": {}}, "required": ["a", "b"]},
    {**CLOSED, "patternProperties": {"^a$": {}}},
    {**CLOSED, "patternProperties": {"^a$": False}, "required": ["b"], "properties": {"b": {}}},
    {"$defs": {"unused": {"not": {}}}, "type": "string"},
    {"type": "string", "examples": [1], "deprecated": True, "x-order": 3, "nullable": True},
    {"type": "string", "contentEncoding": "base64", "contentSchema": {"not": {}}},
    {"default": {"$ref": "nowhere"}, "title": "t", "discriminator": {"propertyName": "kind"}},
    {"const": {"$id": "b", "$anchor": "c"}, "$ref": "#c", "$defs": {"d": {"$anchor": "c"}}},
    {"enum": [1, {"a": {"$id": "b"}}], "default": {"$id": "b"}, "examples": [{"$id": "b"}]},
    {"properties": {"a": {"properties": {"b": {"enum": [{"$id": "c"}]}}}}},
    {"type": "array", "items": {"type": "string"}, "uniqueItems": False},
    {"$schema": DRAFT_4, "type": "integer", "minimum": 1, "exclusiveMinimum": True},
    {"$schema": DRAFT_4, "type": "object", "propertyNames": {}, "if": {}, "contains": {}},
    {"$schema": DRAFT_7, "type": "array", "items": [{}, {}], "additionalItems": False},
    {"$schema": DRAFT_7, "type": "object", "dependentRequired": {"a": ["b"]}},
    {"$schema": DRAFT_2019, "type": "array", "items": [{"type": "null"}]},
    {"$schema": DRAFT_2020, "type": "array", "items": {}},
]


@pytest.mark.parametrize("schema", ACCEPTED, ids=str)
def test_what_can_be_enforced_or_says_nothing_passes(schema: Json) -> None:
    before = copy.deepcopy(schema)
    check_schema(schema, param="p")
    assert schema == before


UNENFORCEABLE: list[tuple[str, Json]] = [
    ("not", {"type": "null"}),
    ("if", {}),
    ("then", {}),
    ("else", {}),
    ("dependentRequired", {"a": ["b"]}),
    ("dependentSchemas", {"a": {}}),
    ("dependencies", {"a": ["b"]}),
    ("contains", {}),
    ("minContains", 1),
    ("maxContains", 2),
    ("uniqueItems", True),
    ("propertyNames", {"maxLength": 3}),
    ("unevaluatedProperties", False),
    ("unevaluatedItems", False),
    ("$dynamicRef", "#a"),
    ("$dynamicAnchor", "a"),
    ("$recursiveRef", "#"),
    ("$recursiveAnchor", True),
    ("additionalItems", False),
    ("format", "int32"),
    ("format", "regex"),
    ("format", "unknown"),
    ("$schema", DRAFT_7),
]
"""In a schema of strings, objects or arrays, below the root."""


@pytest.mark.parametrize(("keyword", "value"), UNENFORCEABLE)
def test_what_cannot_be_enforced_is_refused_by_name(keyword: str, value: Json) -> None:
    schema: Json = {"type": "object", "properties": {"a/b": {"items": {keyword: value}}}}
    message = refusal(schema)
    prefix = f"#/properties/a~1b/items: the keyword {keyword!r} cannot be enforced while decoding"
    assert message.startswith(prefix)


REFUSED: list[tuple[str, str | None, Json]] = [
    # What is not a schema
    ("#", None, True),
    ("#", None, []),
    ("#", "minimum", {"minimum": 10**400}),
    ("#", "multipleOf", {"multipleOf": 10**400}),
    ("#", "const", {"const": [-(10**400)]}),
    ("#", "maxItems", {"maxItems": 10**400}),
    ("#", None, {"enum": ["\ud800"]}),
    ("#", "minimum", {"minimum": float("inf")}),
    ("#", "multipleOf", {"multipleOf": float("nan")}),
    ("#", "type", {"type": "str"}),
    ("#", "type", {"type": []}),
    ("#", "properties", {"properties": []}),
    ("#", "properties", {"properties": {"a": 1}}),
    ("#/properties/a", "minLength", {"properties": {"a": {"minLength": "3"}}}),
    ("#", "maxLength", {"maxLength": -1}),
    ("#", "maxItems", {"maxItems": 1.5}),
    ("#", "minItems", {"minItems": True}),
    ("#", "minimum", {"minimum": "1"}),
    ("#", "exclusiveMinimum", {"minimum": 1, "exclusiveMinimum": True}),
    ("#", "exclusiveMaximum", {"$schema": DRAFT_4, "maximum": 9, "exclusiveMaximum": 8}),
    ("#", "multipleOf", {"multipleOf": 0}),
    ("#", "multipleOf", {"multipleOf": -2}),
    ("#", "pattern", {"pattern": 1}),
    ("#", "enum", {"enum": []}),
    ("#", "anyOf", {"anyOf": []}),
    ("#", "allOf", {"allOf": [1]}),
    ("#", "required", {"required": "a"}),
    ("#", "items", {"items": [{"type": "null"}]}),
    ("#", "$ref", {"$ref": 1}),
    # References
    ("#", "$ref", {"$ref": "#/$defs/missing"}),
    ("#", "$ref", {"$ref": "#missing"}),
    ("#", "$ref", {"$ref": "other.json#/a"}),
    ("#/items", "$ref", {"items": {"$ref": "https://json-schema.org/draft/2020-12/schema"}}),
    ("#", "$ref", {"$ref": "#/required", "required": ["a"]}),
    ("#/$defs/a", "$id", {"$ref": "#/$defs/a", "$defs": {"a": {"$id": "b"}}}),
    ("#/properties/enum", "$id", {"properties": {"enum": {"$id": "b"}}}),
    ("#/default", "$id", {"$ref": "#/default", "default": {"$id": "b"}}),
    ("#", "$ref", {"$ref": "#a", "default": {"$anchor": "a"}}),
    ("#", "$ref", {"$ref": "#"}),
    ("#/$defs/a", "$ref", {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}}),
    ("#/anyOf/0", "$ref", {"anyOf": [{"$ref": "#"}, {"type": "null"}]}),
    (
        "#/$defs/a/allOf/0",
        "$ref",
        {
            "items": {"$ref": "#/$defs/a"},
            "$defs": {"a": {"allOf": [{"$ref": "#/$defs/b"}]}, "b": {"$ref": "#/$defs/a"}},
        },
    ),
    # Without end
    ("#", None, {"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]}),
    ("#", None, {"type": "array", "items": {"$ref": "#"}, "minItems": 1}),
    (
        "#/items",
        None,
        {"type": "array", "items": {"type": "array", "items": {"$ref": "#/items"}, "minItems": 1}},
    ),
    ("#", None, {"allOf": [{"required": ["a"]}, {"properties": {"a": {"$ref": "#"}}, **OBJECT}]}),
    ("#", None, {"allOf": [{"type": "array", "minItems": 1}, {"items": {"$ref": "#"}}]}),
    ("#", None, {**OBJECT, "patternProperties": {"^a$": {"$ref": "#"}}, "required": ["a"]}),
    ("#", None, {**OBJECT, "additionalProperties": {"$ref": "#"}, "minProperties": 1}),
    (
        "#",
        None,
        {
            **OBJECT,
            "properties": {"a": {"type": "null"}, "b": {"$ref": "#"}},
            "required": ["a"],
            "additionalProperties": False,
            "minProperties": 2,
        },
    ),
    (
        "#/items",
        None,
        {
            "items": {"$ref": "#/$defs/both"},
            "$defs": {
                "names": {"required": ["x"]},
                "says": {**OBJECT, "properties": {"x": {"$ref": "#/$defs/both"}}},
                "both": {"allOf": [{"$ref": "#/$defs/names"}, {"$ref": "#/$defs/says"}]},
            },
        },
    ),
    (
        "#/properties/a",
        None,
        {
            "type": ["object", "null"],
            "properties": {"a": {"$ref": "#", **OBJECT}},
            "required": ["a"],
        },
    ),
    # Keys that only names have
    ("#", "patternProperties", {**CLOSED, "patternProperties": {"^a$": {}}, "required": ["a"]}),
    (
        "#",
        "patternProperties",
        {**CLOSED, "patternProperties": {"^a$": {}}, "properties": {"a": {}}},
    ),
    (
        "#",
        "patternProperties",
        {
            **CLOSED,
            "patternProperties": {"^(a|bé?)$": {}, "^c$": False, '^"$': {}},
            "properties": {"a": {}, '"': {}},
            "required": ["b", "bé"],
        },
    ),
    (
        "#/allOf/0",
        "patternProperties",
        {
            "allOf": [
                {**CLOSED, "patternProperties": {"^a$": {}}},
                {"required": ["a"]},
            ],
        },
    ),
    (
        "#",
        "patternProperties",
        {
            **OBJECT,
            "patternProperties": {"^a$": {}},
            "required": ["a"],
            "additionalProperties": {"type": "string", "const": 1},
        },
    ),
    # Numbers
    ("#", "maximum", {"minimum": 5, "maximum": 4}),
    ("#", "maximum", {"exclusiveMinimum": 5, "maximum": 5}),
    ("#", "exclusiveMaximum", {"minimum": 5, "exclusiveMaximum": 5}),
    ("#", "minimum", {"type": "integer", "minimum": 2**53 + 1}),
    ("#", "maximum", {"type": "number", "maximum": 2**63 - 1}),
    ("#", "exclusiveMinimum", {"exclusiveMinimum": -(2**53)}),
    ("#", "maximum", {"type": "number", "maximum": 9007199254740871.0}),
    ("#", "minimum", {"type": "number", "minimum": 1e-30}),
    ("#", "const", {"const": 0.10210024862379385}),
    ("#", "const", {"const": 2**53 + 1}),
    ("#", "enum", {"enum": [{"a": [1e300]}]}),
    ("#", "const", {"const": "a\x00"}),
    ("#", "enum", {"enum": ["a", ["\x7f"]]}),
    ("#", "multipleOf", {"multipleOf": 99_991}),
    ("#", "multipleOf", {"multipleOf": 1.00001}),
    ("#", "exclusiveMinimum", {"type": "number", "exclusiveMinimum": 3, "maximum": 3.5}),
    ("#", "exclusiveMaximum", {"type": "number", "minimum": -0.5, "exclusiveMaximum": 0}),
    (
        "#/allOf/1",
        "exclusiveMinimum",
        {"allOf": [{"exclusiveMinimum": 0}, {"exclusiveMaximum": 0.1}]},
    ),
    # Lengths
    ("#", "maxLength", {"minLength": 5, "maxLength": 4}),
    ("#", "maxItems", {"minItems": 2, "maxItems": 1}),
    ("#", "maxProperties", {"minProperties": 2, "maxProperties": 1}),
    ("#", "maxProperties", {"required": ["a", "b"], "maxProperties": 1}),
    ("#", "minProperties", {"minProperties": 2}),
    ("#", "minProperties", {"patternProperties": {"^x": {}}, "minProperties": 2}),
    ("#", "minProperties", {"properties": {"a": {}}, "minProperties": 1}),
    ("#", "maxProperties", {"properties": {"a": {}}, "maxProperties": 3}),
    (
        "#",
        "maxProperties",
        {"properties": {"a": {}, "b": {}}, "additionalProperties": False, "maxProperties": 2},
    ),
    # What the compiler would read leniently
    ("#", "x-guidance", {"x-guidance": {"lenient": True}, "type": "string"}),
    ("#", "$schema", {"$schema": "http://json-schema.org/draft-03/schema#"}),
    ("#", "$schema", {"$schema": "http://internal.example/"}),
    ("#", "$schema", {"$schema": 7}),
    (
        "#",
        "additionalItems",
        {"$schema": DRAFT_7, "items": [{}], "allOf": [{}], "additionalItems": False},
    ),
    (
        "#",
        "exclusiveMinimum",
        {"$schema": DRAFT_4, "minimum": 5, "allOf": [{}], "exclusiveMinimum": True},
    ),
    ("#/properties/a", "id", {"$schema": DRAFT_4, "properties": {"a": {"id": "b"}}}),
    ("#", "contains", {"$schema": DRAFT_6, "contains": {}}),
    ("#", "if", {"$schema": DRAFT_7, "if": {}}),
    ("#", "dependentRequired", {"$schema": DRAFT_2019, "dependentRequired": {}}),
]


@pytest.mark.parametrize(("pointer", "keyword", "schema"), REFUSED, ids=str)
def test_what_is_refused_is_refused_at_its_place(
    pointer: str, keyword: str | None, schema: Json
) -> None:
    message = refusal(schema)
    subject = "" if keyword is None else f"the keyword {keyword!r} "
    assert message.startswith(f"{pointer}: {subject}")
    if keyword is None:
        assert "the keyword" not in message


PATTERNS = {
    "look-around": ["(?=a)b", "a(?!b)", "(?<=a)b", "(?<!a)b", "((?=a))"],
    "back-references": ["(a)\\1", "(?<n>a)\\k<n>", "(?P<n>a)(?P=n)"],
    "word boundaries": ["\\bfoo\\b", "a\\Bb"],
    "anchors": ["\\Aa", "a\\Z", "a\\z"],
    "atomic groups": ["(?>a)b"],
    "a class in a class": ["[[:alpha:]]", "[a[b]"],
    "an empty class": ["[]", "[^]"],
    "'&&' in a class": ["[a-z&&[^b]]"],
    "a range from or to": ["[\\w-z]", "[+-\\d]", "[\\d-\\w]", "[ab\\s-.]", "[^a-\\S]"],
    "without its": ["a(", "a)", "[a"],
    "possessive quantifiers": ["a++a", "\\D++", "a?+", "[a]*+", "a{2}+"],
    "a repetition of a repetition": ["^a{1000}{1000}$", "a**", "a+?*", "(a{2}){2}{3}"],
    "spaces in the braces": ["x{ 2 }", "x{2, 3}", "x{2 ,}"],
    "repetitions in repetitions": [
        "(a?){500}a{500}",
        "(?:(?:(?:a{1,100}){1,100}){1,100}){1,100}",
        "(a|aa){500}",
        "(a+){252}",
        "(a?){100}(a?){100}a{200}",
        "(\\w+,\\w+,){1,1000}",
        "(a.){1,9999}(?i)(b+ ){1,999}",
    ],
    "groups 96 deep": ["(" * 97 + ")" * 97],
}


@pytest.mark.parametrize(
    ("what", "pattern"), [(what, each) for what, patterns in PATTERNS.items() for each in patterns]
)
def test_patterns_that_cannot_be_followed_are_refused_with_the_reason(
    what: str, pattern: str
) -> None:
    message = refusal({"properties": {"a": {"pattern": pattern}}})
    assert message.startswith("#/properties/a: the keyword 'pattern' cannot be enforced")
    assert what in message
    message = refusal({"patternProperties": {pattern: {}}})
    assert message.startswith("#: the keyword 'patternProperties' cannot be enforced")


@pytest.mark.parametrize(
    "pattern",
    [
        "\\(?=\\)",
        "[(?=]",
        "[\\]]",
        "\\[",
        "a\\\\1",
        "(?:a|b)+",
        "(?i)abc",
        "[\\w\\-]{1,5}",
        "[^\\]a]",
        "[\\w-]",
        "[-\\d]",
        "[^-\\w]",
        "[a-z-\\d]",
        "[+\\-\\d]",
        "[\\\\-d]",
        "^[a-z]{1,64}(\\.[a-z]{1,64}){0,8}$",
        "^[A-Z0-9._%+-]{1,64}@(?:[A-Z0-9-]{1,63}\\.){1,125}[A-Z]{2,63}$",
        "([0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12},){1,1000}",
        "([a-z]{1,20} ){1,1000}",
        "(ab|cd){1,1000}",
        "(\\w+\\s?){1,60}",
        "a{2}?b+?c??(d*)*",
        "a{}\\{ 2 \\}[{ 2 }]",
    ],
)
def test_what_only_looks_like_it_passes(pattern: str) -> None:
    check_schema({"pattern": pattern}, param="p")


def test_a_long_pointer_is_cut_in_the_message() -> None:
    message = refusal({"properties": {"k" * 4000: {"not": {}}}})
    assert len(message) < 400
    assert "'not'" in message
