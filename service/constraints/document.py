"""A schema as one JSON document: how large it is, and what its references point to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import unquote

import msgspec

from service.constraints.drafts import Draft, draft_of
from service.constraints.json_types import Json
from service.constraints.keywords import OF_NAMES, OF_VALUES
from service.constraints.problem import SchemaProblem, Trail, shortened, unenforceable

MAX_NAME_CHARS = 4096
MAX_DEPTH = 96
"""The compiler's reader stops at 128 levels, and what it builds recurses once more per level."""
MAX_BYTES = 256 << 10


@dataclass(frozen=True, slots=True)
class Document:
    root: dict[str, Json]
    draft: Draft
    anchors: Mapping[str, tuple[Trail, Json]]

    def resolve(self, reference: str, trail: Trail) -> tuple[Trail, Json]:
        """What is referred to from `trail`. Raises SchemaProblem if it is not in this document."""
        base = self.root.get(self.draft.id_keyword)
        uri, _, fragment = reference.partition("#")
        if uri and (not isinstance(base, str) or uri != base.removesuffix("#")):
            detail = f": {shortened(reference)!r} is not in this schema"
            raise unenforceable(trail, "$ref", detail)
        fragment = unquote(fragment)
        if not fragment:
            return None, self.root
        found = self._follow(fragment) if fragment[0] == "/" else self.anchors.get(fragment)
        if found is None:
            raise SchemaProblem(trail, "$ref", f"points to nothing: {shortened(reference)!r}")
        return found

    def _follow(self, fragment: str) -> tuple[Trail, Json] | None:
        trail: Trail = None
        value: Json = self.root
        for escaped in fragment[1:].split("/"):
            token = escaped.replace("~1", "/").replace("~0", "~")
            member = _member(value, token)
            if member is None:
                return None
            trail, value = (trail, token), member[0]
        return trail, value


def read_document(schema: Json) -> Document:
    """Raises SchemaProblem for what is no schema, too large, too deep or of no known draft."""
    if not isinstance(schema, dict):
        raise SchemaProblem(None, None, "the schema must be a JSON object")
    draft = draft_of(schema)
    if draft is None:
        raise unenforceable(None, "$schema", ": the version of JSON Schema is not known")
    if "x-guidance" in schema:  # the compiler takes options from it, leniency among them
        raise unenforceable(None, "x-guidance")
    anchors = _scan(schema, draft.id_keyword)
    try:
        num_bytes = len(msgspec.json.encode(schema))
    except UnicodeEncodeError:
        raise SchemaProblem(None, None, "the schema holds half of a surrogate pair") from None
    if num_bytes > MAX_BYTES:
        raise SchemaProblem(None, None, f"the schema is larger than {MAX_BYTES >> 10} KiB")
    return Document(schema, draft, anchors)


def _scan(root: dict[str, Json], id_keyword: str) -> Mapping[str, tuple[Trail, Json]]:
    """The anchors, wherever they are. Checks the depth, and that all is one document."""
    anchors: dict[str, tuple[Trail, Json]] = {}
    stack: list[tuple[Json, Trail, int, frozenset[str] | None]] = [(root, None, 1, None)]
    while stack:
        value, trail, depth, place = stack.pop()
        if depth > MAX_DEPTH:
            raise SchemaProblem(None, None, f"the schema is nested more than {MAX_DEPTH} deep")
        if isinstance(value, dict) and place is None:
            if trail is not None and isinstance(value.get(id_keyword), str):
                # References below it would be relative to it, for the compiler and validators.
                raise unenforceable(trail, id_keyword, " below the root")
            anchor = value.get("$anchor")
            if isinstance(anchor, str):
                anchors[anchor] = (trail, value)
        for key, below in _members(value):
            if isinstance(key, str) and len(key) > MAX_NAME_CHARS:
                detail = f"a name is longer than {MAX_NAME_CHARS} characters"
                raise SchemaProblem(trail, None, detail)
            if isinstance(below, dict | list):
                stack.append((below, (trail, key), depth + 1, _place(value, key, place)))
    return anchors


def _place(value: Json, key: str | int, place: frozenset[str] | None) -> frozenset[str] | None:
    """Of what is below `key`, None where it may be a schema."""
    if place is OF_VALUES:
        return place
    if place is OF_NAMES or not isinstance(value, dict):
        return None
    return next((keywords for keywords in (OF_VALUES, OF_NAMES) if key in keywords), None)


def _members(value: Json) -> Iterator[tuple[str | int, Json]]:
    if isinstance(value, dict):
        yield from value.items()
    elif isinstance(value, list):
        yield from enumerate(value)


def _member(value: Json, token: str) -> tuple[Json] | None:
    if isinstance(value, dict) and token in value:
        return (value[token],)
    is_index = token.isascii() and token.isdigit() and len(token) < 9
    if isinstance(value, list) and is_index and int(token) < len(value):
        return (value[int(token)],)
    return None
