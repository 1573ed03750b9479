"""Random schemas of the keywords that are enforced, mostly of ones that some value meets."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from service.constraints.json_types import Json

_PATTERNS = (
    "^a+b?$",
    "x",
    "^[A-Z][a-z]{1,4}$",
    "\\d{2}",
    "^(foo|bar)$",
    '[^"\\\\]$',
    "^\\w+@\\w+$",
)
_KEY_PATTERNS = ("^x_", "^[0-9]+$", "^(y|z)")
_FORMATS = ("date", "time", "date-time", "email", "ipv4", "ipv6", "uuid", "hostname", "duration")
_NAMES = st.sampled_from(["a", "b", "c", "x_1", "7", "yes", "é", 'q"', ""])
_BOUNDS = st.one_of(
    st.integers(-2, 2),
    st.integers(-200, 200),
    st.sampled_from([0.5, -0.25, 3.75, 1e-3, 99.99, 2**40, -(2**53) + 1]),
)
_SCALARS: SearchStrategy[Json] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-99, 99),
    st.sampled_from([0.5, -1.25]),
    st.text(max_size=4),
)
_LITERALS: SearchStrategy[Json] = st.recursive(
    _SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=2), st.dictionaries(st.text(max_size=2), inner, max_size=2)
    ),
    max_leaves=3,
)


@st.composite
def _strings(draw: st.DrawFn) -> dict[str, Json]:
    schema: dict[str, Json] = {"type": "string"}
    if draw(st.booleans()):
        schema["minLength"] = draw(st.integers(0, 3))
    if draw(st.booleans()):
        schema["maxLength"] = draw(st.integers(3, 30))
    if draw(st.integers(0, 2)) == 0:
        schema["pattern"] = draw(st.sampled_from(_PATTERNS))
    elif draw(st.integers(0, 2)) == 0:
        schema["format"] = draw(st.sampled_from(_FORMATS))
    return schema


@st.composite
def numbers(draw: st.DrawFn) -> dict[str, Json]:
    """Ranges, of whole numbers or not, with or without a divisor."""
    schema: dict[str, Json] = {"type": draw(st.sampled_from(["integer", "number"]))}
    low, width = draw(_BOUNDS), draw(st.sampled_from(["0", "0.5", "0.25", "1", "1.5", "9", "120"]))
    high = float(Decimal(str(low)) + Decimal(width))
    bounds: dict[str, Json] = {
        "minimum": low,
        "exclusiveMinimum": low,
        "maximum": high,
        "exclusiveMaximum": int(high) if high.is_integer() else high,
    }
    for keyword in draw(st.lists(st.sampled_from([*bounds]), max_size=3)):
        schema[keyword] = bounds[keyword]
    if draw(st.integers(0, 3)) == 0:
        schema["multipleOf"] = draw(st.sampled_from([1, 2, 7, 100, 0.5, 0.01, 0.3, 2.5]))
    return schema


@st.composite
def _arrays(draw: st.DrawFn, inner: SearchStrategy[Json]) -> dict[str, Json]:
    schema: dict[str, Json] = {"type": "array"}
    if draw(st.booleans()):
        schema["items"] = draw(st.one_of(inner, st.booleans()))
    if draw(st.integers(0, 2)) == 0:
        schema["prefixItems"] = draw(st.lists(inner, min_size=1, max_size=3))
    if draw(st.booleans()):
        schema["minItems"] = draw(st.integers(0, 2))
    if draw(st.booleans()):
        schema["maxItems"] = draw(st.integers(2, 4))
    return schema


@st.composite
def _objects(draw: st.DrawFn, inner: SearchStrategy[Json]) -> dict[str, Json]:
    schema: dict[str, Json] = {"type": "object"}
    if draw(st.booleans()):
        schema["properties"] = draw(st.dictionaries(_NAMES, inner, max_size=4))
    if draw(st.booleans()):
        schema["required"] = list(draw(st.lists(_NAMES, max_size=3)))
    if draw(st.booleans()):
        schema["additionalProperties"] = draw(st.one_of(inner, st.booleans()))
    if draw(st.integers(0, 2)) == 0:
        patterns = st.sampled_from(_KEY_PATTERNS)
        schema["patternProperties"] = draw(st.dictionaries(patterns, inner, max_size=2))
    if draw(st.integers(0, 4)) == 0:
        schema["minProperties"] = draw(st.integers(0, 3))
    if draw(st.integers(0, 4)) == 0:
        schema["maxProperties"] = draw(st.integers(1, 5))
    return schema


@st.composite
def _combined(draw: st.DrawFn, inner: SearchStrategy[Json]) -> dict[str, Json]:
    """With keywords of its own or not, in any order: the compiler reads them in order."""
    schema: dict[str, Json] = {}
    for keyword in draw(
        st.lists(st.sampled_from(["allOf", "anyOf", "oneOf"]), min_size=1, max_size=2)
    ):
        schema[keyword] = draw(st.lists(inner, min_size=1, max_size=3))
    own = draw(inner)
    if isinstance(own, dict) and draw(st.booleans()):
        schema = {**own, **schema} if draw(st.booleans()) else {**schema, **own}
    return dict(draw(st.permutations(list(schema.items()))))


@st.composite
def _chosen(draw: st.DrawFn) -> dict[str, Json]:
    if draw(st.booleans()):
        return {"const": draw(_LITERALS)}
    return {"enum": draw(st.lists(_LITERALS, min_size=1, max_size=4))}


_TYPES: SearchStrategy[Json] = st.sampled_from(
    [{"type": "null"}, {"type": "boolean"}, {"type": ["string", "null"]}, {"minLength": 2}, {}]
)
_REFERENCES: SearchStrategy[Json] = st.sampled_from(
    [{"$ref": "#/$defs/one"}, {"$ref": "#/$defs/two"}, {"$ref": "#"}, {"$ref": "#two"}]
)


def _composed(inner: SearchStrategy[Json]) -> SearchStrategy[Json]:
    return st.one_of(_arrays(inner), _objects(inner), _objects(inner), _combined(inner))


_PARTS: SearchStrategy[Json] = st.recursive(
    st.one_of(_strings(), numbers(), _chosen(), _TYPES, _REFERENCES), _composed, max_leaves=8
)


@st.composite
def schemas(draw: st.DrawFn) -> dict[str, Json]:
    """With two definitions, that may refer to each other and to the whole."""
    schema = draw(_composed(_PARTS))
    one, two = draw(_PARTS), draw(_PARTS)
    assert isinstance(schema, dict)
    anchored = {**two, "$anchor": "two"} if isinstance(two, dict) else two
    return {**schema, "$defs": {"one": one, "two": anchored}}
