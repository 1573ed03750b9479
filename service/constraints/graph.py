"""The schemas that a schema consists of, and how they hold each other: a graph, with references."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from service.constraints.document import Document
from service.constraints.json_types import Json
from service.constraints.keywords import check_keywords
from service.constraints.lengths import MAX_SCHEMAS
from service.constraints.problem import SchemaProblem, Trail, Unenforceable

MAX_REFERENCES_DEEP = 200
"""The compiler recurses along references: chains of thousands exhaust its stack."""


@dataclass(slots=True, eq=False)
class Node:
    """One schema. `true` and `false` are schemas without keywords; no value is valid under one
    that `is_false`.

    `ref`, `all_of` and the alternatives in `groups` apply to the same value as the schema itself,
    the others to parts of that value.
    """

    trail: Trail
    keywords: Mapping[str, Json]
    ref: Node | None = None
    all_of: list[Node] = field(default_factory=list)
    groups: list[list[Node]] = field(default_factory=list)
    properties: dict[str, Node] = field(default_factory=dict)
    patterns: dict[str, Node] = field(default_factory=dict)
    additional: Node | None = None
    prefix: list[Node] = field(default_factory=list)
    items: Node | None = None
    is_false: bool = False

    def in_place(self) -> Iterator[Node]:
        if self.ref is not None:
            yield self.ref
        yield from self.all_of
        for group in self.groups:
            yield from group

    def below(self) -> Iterator[Node]:
        yield from self.prefix
        if self.items is not None:
            yield self.items
        yield from self.properties.values()
        yield from self.patterns.values()
        if self.additional is not None:
            yield self.additional

    @property
    def required(self) -> Sequence[str]:
        names = self.keywords.get("required")
        return [str(name) for name in names] if isinstance(names, list) else []


class GraphBuilder:
    """Builds the graph of what can be reached, depth first, checking each schema on the way."""

    def __init__(
        self, document: Document, meet: Callable[[Unenforceable], None] | None = None
    ) -> None:
        """`meet` is told of each keyword that cannot be enforced: it raises that, or takes the
        keyword away."""
        self._document = document
        self._meet = meet
        self._nodes: dict[int, Node] = {}
        """By the identity of what was decoded, which the document keeps alive."""

    def build(self) -> list[Node]:
        """All nodes, the root first. Raises SchemaProblem."""
        order: dict[Node, None] = {}
        stack = [(self._node(None, self._document.root), 0)]
        while stack:
            node, num_references = stack.pop()
            if node in order:
                continue
            if num_references > MAX_REFERENCES_DEEP:
                reason = f"is behind more than {MAX_REFERENCES_DEEP} others"
                raise SchemaProblem(node.trail, "$ref", reason)
            if len(order) == MAX_SCHEMAS:
                raise SchemaProblem(None, None, f"there are more than {MAX_SCHEMAS} subschemas")
            order[node] = None
            self._check(node)
            self._fill(node)
            following = [*node.in_place(), *node.below()]
            stack += [
                (below, num_references + (below is node.ref)) for below in reversed(following)
            ]
        return list(order)

    def _check(self, node: Node) -> None:
        while True:
            try:
                check_keywords(node.keywords, node.trail, self._document.draft)
            except Unenforceable as problem:
                if self._meet is None:
                    raise
                self._meet(problem)
            else:
                return

    def _node(self, trail: Trail, schema: Json, *, may_be_boolean: bool = False) -> Node:
        if not isinstance(schema, dict):
            if not (may_be_boolean or self._document.draft.has_boolean_schemas):
                raise SchemaProblem(trail, None, "this draft has no schemas that are true or false")
            return Node(trail, {}, is_false=schema is False)
        node = self._nodes.get(id(schema))
        if node is None:
            node = self._nodes[id(schema)] = Node(trail, schema)
        return node

    def _fill(self, node: Node) -> None:
        keywords = node.keywords
        node.all_of = self._list(node, "allOf")
        node.groups = [self._list(node, name) for name in ("anyOf", "oneOf") if name in keywords]
        node.properties = self._map(node, "properties")
        node.patterns = self._map(node, "patternProperties")
        if "additionalProperties" in keywords:
            node.additional = self._one(node, "additionalProperties")
        self._fill_items(node)
        reference = keywords.get("$ref")
        if isinstance(reference, str):
            trail, target = self._document.resolve(reference, node.trail)
            if not isinstance(target, dict | bool):
                raise SchemaProblem(node.trail, "$ref", "points to what is not a schema")
            node.ref = self._node(trail, target)

    def _fill_items(self, node: Node) -> None:
        prefix, items = "items", "additionalItems"
        if not isinstance(node.keywords.get("items"), list):
            prefix = "prefixItems" if self._document.draft.has_prefix_items else ""
            items = "items"
        node.prefix = self._list(node, prefix)
        if items in node.keywords:
            node.items = self._one(node, items)

    def _one(self, node: Node, keyword: str) -> Node:
        may_be_boolean = keyword in ("additionalItems", "additionalProperties")
        trail = (node.trail, keyword)
        return self._node(trail, node.keywords[keyword], may_be_boolean=may_be_boolean)

    def _list(self, node: Node, keyword: str) -> list[Node]:
        schemas = node.keywords.get(keyword)
        if not isinstance(schemas, list):
            return []
        trail = (node.trail, keyword)
        return [self._node((trail, index), schema) for index, schema in enumerate(schemas)]

    def _map(self, node: Node, keyword: str) -> dict[str, Node]:
        schemas = node.keywords.get(keyword)
        if not isinstance(schemas, dict):
            return {}
        trail = (node.trail, keyword)
        return {name: self._node((trail, name), schema) for name, schema in schemas.items()}
