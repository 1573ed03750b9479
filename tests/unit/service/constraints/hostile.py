"""Schemas made to do harm: those that are refused, and why, and those that are not."""

from __future__ import annotations

from collections.abc import Callable

from service.constraints.json_types import Json


def chain(length: int, link: Callable[[Json], Json]) -> Json:
    definitions: dict[str, Json] = {
        f"d{index}": link({"$ref": f"#/$defs/d{index + 1}"}) for index in range(length)
    }
    definitions[f"d{length}"] = {"type": "null"}
    return {"$ref": "#/$defs/d0", "$defs": definitions}


def nested(depth: int) -> Json:
    schema: Json = {}
    for _ in range(depth):
        schema = {"items": schema}
    return schema


def nine_deep(reference: Json) -> Json:
    schema = reference
    for _ in range(9):
        schema = {"anyOf": [property_of(schema)]}
    return schema


def plain(reference: Json) -> Json:
    return reference


def property_of(reference: Json) -> Json:
    return {"type": "object", "properties": {"a": reference}}


def either(reference: Json) -> Json:
    return {"anyOf": [reference, reference]}


def both(reference: Json) -> Json:
    return {"allOf": [reference, reference]}


def trees(*lengths: int) -> Json:
    """Recursive types of cycles of those lengths, all at once: their product is how many meet."""
    definitions: dict[str, Json] = {
        f"t{length}_{index}": property_of({"$ref": f"#/$defs/t{length}_{(index + 1) % length}"})
        for length in lengths
        for index in range(length)
    }
    return {
        "allOf": [{"$ref": f"#/$defs/t{length}_0"} for length in lengths],
        "$defs": definitions,
    }


def of_properties(schemas: list[Json]) -> Json:
    return {"type": "object", "properties": {f"p{at}": each for at, each in enumerate(schemas)}}


REFUSED: dict[str, tuple[str, Json]] = {
    "references": ("#/$defs/d200: the keyword '$ref' is behind", chain(3000, plain)),
    "references by properties": ("#/$defs/d200: the keyword '$ref'", chain(1000, property_of)),
    "depth": ("#: the schema is nested more than 96 deep", nested(100)),
    "extreme depth": ("#: the schema is nested more than 96 deep", nested(100_000)),
    "bytes": ("#: the schema is larger than 256 KiB", {"description": "x" * 300_000}),
    "subschemas": ("#: there are more than 3072", {"allOf": [{} for _ in range(5000)]}),
    "divisor": ("#: the keyword 'multipleOf'", {"multipleOf": 999_983}),
    "divisors of one value": (
        "#/allOf/1: the keyword 'multipleOf'",
        {"allOf": [{"multipleOf": 97}, {"multipleOf": 103.1}]},
    ),
    "divisors of one property": (
        "#/allOf/1/properties/a: the keyword 'multipleOf'",
        {
            "allOf": [
                {"properties": {"a": {"multipleOf": 9973}}},
                {"properties": {"a": {"multipleOf": 7}}},
            ]
        },
    ),
    "divisors in sum": (
        "#: the keyword 'multipleOf'",
        of_properties([{"type": "integer", "multipleOf": each} for each in range(9000, 9100)]),
    ),
    "pattern properties": (
        "#: the keyword 'patternProperties'",
        {"patternProperties": {f"^{index}a": {} for index in range(17)}},
    ),
    "pattern properties of one object": (
        "#/allOf/1: the keyword 'patternProperties'",
        {
            "allOf": [
                {"patternProperties": {f"^{base}{index}a": {} for index in range(10)}}
                for base in "xy"
            ]
        },
    ),
    "patterns of one value": (
        "#/allOf/3: the keyword 'pattern'",
        {"allOf": [{"type": "string", "pattern": f"a{{{index}}}b"} for index in range(4)]},
    ),
    "patterns and formats of one property": (
        "#/anyOf/0/items: the keyword 'format'",
        {
            "anyOf": [{"items": {"format": "email", "pattern": "a"}}],
            "allOf": [{"items": {"pattern": "b"}}, {"items": {"pattern": "c"}}],
        },
    ),
    "alternatives": (
        "#: more than 256 alternatives",
        {"allOf": [{"anyOf": [{"const": f"{a}{b}"} for a in range(5)]} for b in range(5)]},
    ),
    "values of two enums": (
        "#: more than 256 alternatives",
        {"allOf": [{"enum": [f"v{index}" for index in range(3000)]} for _ in range(2)]},
    ),
    "properties": ("#: the keyword 'properties' names more", of_properties([{}] * 1501)),
    "keys of a constant": (
        "#: the keyword 'const' has an object of more than 1500 keys",
        {"const": [{str(index): index for index in range(16_000)}]},
    ),
    "long names": (
        "#/properties: a name is longer than 4096 characters",
        {"properties": {"k" * 4097: {}}},
    ),
    "numbers of items": (
        "#: the keyword 'minItems'",
        {"type": "array", "items": {"type": "null"}, "minItems": 10**9},
    ),
    "recursive types that meet": ("too many schemas apply to the same values", trees(7, 8, 9, 11)),
    "keys of constants, together": (
        "#: its constants have more than 3072 keys",
        {"enum": [{f"{each}-{index}": 0 for index in range(1025)} for each in range(3)]},
    ),
    "alternatives of one, too many": (
        "#: the keyword 'anyOf' has more than 1500 alternatives",
        {"anyOf": [{"required": [f"v{at}"]} for at in range(1501)]},
    ),
    "names and patterns": (
        "too many names and patterns to compare",
        {
            "type": "object",
            "additionalProperties": {"$ref": "#"},
            "required": [f"name{index}" for index in range(3000)],
            "patternProperties": {f"^(.*a){{5}}{index}$": {} for index in range(16)},
        },
    ),
    "long names and patterns": (
        "too many names and patterns to compare",
        {
            "required": [char * 4000 for char in "abcdefghijklmnop"],
            "patternProperties": {f"^{char * 4000}$": {} for char in "abcdefghijklmnop"},
            "additionalProperties": False,
        },
    ),
    "one required of another": (
        "every value holds another one",
        {
            "properties": {f"a{index}": {"$ref": f"#/$defs/d{index}"} for index in range(900)},
            "$defs": {
                f"d{index}": {
                    "type": "object",
                    "properties": {"x": {"$ref": f"#/$defs/d{(index * 7 + 1) % 900}"}},
                    "required": ["x"],
                }
                for index in range(900)
            },
        },
    ),
}

COMPILED: dict[str, Json] = {
    "references": chain(199, plain),
    "references by properties": chain(199, property_of),
    "references and depth": chain(155, nine_deep),
    "twice as many each time": chain(25, either),
    "twice as many each time, all of them": chain(25, both),
    "depth": nested(90),
    "enum": {"type": "string", "enum": [f"v{index}" for index in range(10_000)]},
    "keys of constants": {
        "enum": [{f"{each}-{index}": 0 for index in range(1024)} for each in range(3)]
    },
    "optional properties": {
        "type": "object",
        "properties": {f"k{index}": {"type": "string"} for index in range(1500)},
        "additionalProperties": False,
    },
    "divisor": {"type": "integer", "multipleOf": 9973},
    "pattern properties": {"patternProperties": {f"^{index:04}": {} for index in range(16)}},
    "pattern properties, often": of_properties(
        [
            {"patternProperties": {f"^{each}-{index}.*a.{{{index}}}b": {} for index in range(16)}}
            for each in range(100)
        ]
    ),
    "patterns that backtrack": of_properties(
        [{"type": "string", "pattern": each} for each in ("(a+)+$", "[01]*1[01]{18}", "(.*a.{20})")]
    ),
    "patterns and formats": of_properties(
        [{"type": "string", "format": "uri", "pattern": f"x.*{each}"} for each in range(200)]
    ),
    "ranges": of_properties(
        [
            {"type": "number", "minimum": at * 137 / 100, "maximum": at * 777 / 100 + 1}
            for at in range(900)
        ]
    ),
    "alternatives": {
        "allOf": [
            {"anyOf": [{"properties": {f"{a}{b}": {}}, "required": [f"{a}{b}"]} for a in range(4)]}
            for b in range(4)
        ]
    },
    "alternatives of one": {
        "type": "object",
        "anyOf": [{"required": [f"v{at}"]} for at in range(1500)],
    },
    "exclusive alternatives": {
        "oneOf": [
            {"type": "object", "properties": {"kind": {"const": f"v{at}"}}, "required": ["kind"]}
            for at in range(1000)
        ]
    },
    "recursive types that meet": trees(2, 3, 5),
    "lengths": {"type": "string", "minLength": 10**9, "maxLength": 10**9},
    "numbers of items": {"type": "array", "items": {"type": "null"}, "minItems": 9999},
    "patterns of closed objects": of_properties(
        [
            {
                "patternProperties": {f"^{each}-{index}$": {} for index in range(16)},
                "required": [f"{each}-{index}" for index in range(15)],
                "additionalProperties": False,
            }
            for each in range(7)
        ]
    ),
    "long names": {"properties": {"k" * 4096: of_properties([{}] * 1500)}},
}
