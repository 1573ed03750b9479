"""Names the nodes of a graph that an execution provider has no kernel for.

ONNX Runtime leaves such nodes to the processor without a word: tokens come out right and slowly.
"""

from __future__ import annotations

from dataclasses import dataclass

import onnx
from onnx import defs

from export.errors import ExportError
from export.operators.kernels import Kernels, Limit, ProviderName, Row
from export.operators.value_types import ValueTypes, name_of, type_name

_MAX_NAMED = 4
"""As many nodes an error names; a graph repeats itself in each layer."""


@dataclass(frozen=True, slots=True)
class Fallback:
    """A node that would not run on the provider, and why."""

    node: str
    operator: str
    reason: str

    def __str__(self) -> str:
        return f"{self.node} ({self.operator}: {self.reason})"


def find_fallbacks(
    model: onnx.ModelProto, provider: ProviderName, kernels: Kernels | None = None
) -> list[Fallback]:
    """The nodes of `model` that `provider` would leave to the processor, in their order."""
    kernels = kernels or Kernels.load()
    opsets = {entry.domain: entry.version for entry in model.opset_import}
    types = ValueTypes(kernels)
    types.declare(model.graph)
    found = []
    for node in model.graph.node:
        bound = types.bind(node)
        reason = _reason(node, bound, opsets, kernels, provider)
        if reason is not None:
            found.append(Fallback(node.name or node.output[0], name_of(node), reason))
    return found


def require_kernels(model: onnx.ModelProto, provider: ProviderName) -> None:
    """Raises ExportError, naming the nodes, if not all of `model` would run on `provider`."""
    found = find_fallbacks(model, provider)
    if not found:
        return
    named = "; ".join(map(str, found[:_MAX_NAMED]))
    more = f"; and {len(found) - _MAX_NAMED} more" if len(found) > _MAX_NAMED else ""
    raise ExportError(
        f"{provider} cannot run all of this model, and no part is left to the processor: "
        f"{named}{more}"
    )


def _reason(
    node: onnx.NodeProto,
    bound: dict[str, str],
    opsets: dict[str, int],
    kernels: Kernels,
    provider: ProviderName,
) -> str | None:
    operator = kernels.operators.get(name_of(node))
    if operator is None:
        return "the table of kernels does not know it"
    version = _version(node, opsets)
    if version != operator.version:
        return f"the table of kernels knows version {operator.version} of it, not {version}"
    reasons = [_limited(node, limit) for limit in kernels.limits_of(name_of(node), provider)]
    reasons.append(_mistyped(operator.rows(provider), bound))
    return next((reason for reason in reasons if reason is not None), None)


def _version(node: onnx.NodeProto, opsets: dict[str, int]) -> int:
    """The version that the operator has in the graph's opset; ONNX Runtime's own have but one."""
    opset = opsets.get(node.domain, 1)
    if node.domain or not defs.has(node.op_type, ""):
        return 1
    return int(defs.get_schema(node.op_type, opset, "").since_version)


def _mistyped(rows: tuple[Row, ...], bound: dict[str, str]) -> str | None:
    if not rows:
        return "it has no kernel there"
    if any(_fits(row, bound) for row in rows):
        return None
    letter = next(
        (letter for letter in bound if all(not _takes(row, letter, bound) for row in rows)),
        next(iter(bound)),
    )
    return f"no kernel there for {letter} = {type_name(bound[letter])}"


def _fits(row: Row, bound: dict[str, str]) -> bool:
    return all(_takes(row, letter, bound) for letter in bound)


def _takes(row: Row, letter: str, bound: dict[str, str]) -> bool:
    return letter not in row or bound[letter] in row[letter].split()


def _limited(node: onnx.NodeProto, limit: Limit) -> str | None:
    given = [index for index, name in enumerate(node.input) if name]
    for index in limit.required:
        if index not in given:
            return f"its kernel there wants input {index}"
    if limit.max_inputs is not None and given[-1] >= limit.max_inputs:
        return f"its kernel there does not know input {given[-1]}"
    for name, values in limit.attributes.items():
        value = _attribute(node, name)
        if value is not None and value not in values:
            return f"its kernel there does not know {name} = {value:g}"
    return None


def _attribute(node: onnx.NodeProto, name: str) -> int | float | None:
    for attribute in node.attribute:
        if attribute.name == name:
            is_real = attribute.type == onnx.AttributeProto.FLOAT
            return float(attribute.f) if is_real else int(attribute.i)
    return None
