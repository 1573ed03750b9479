"""Nodes as function calls, whatever they are gathered for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper

Attribute = int | float | str


class NodeWriter(ABC):
    """Gathers nodes, each named after its first output; "" stands for a value that is left out."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []

    @abstractmethod
    def constant(self, name: str, value: NDArray[np.generic]) -> str:
        """A constant; asking for a name again gives the first one."""

    def integers(self, *values: int) -> str:
        """An int64 vector."""
        return self.constant(f"int64_{'_'.join(map(str, values))}", np.array(values, np.int64))

    def node(
        self, op: str, inputs: Sequence[str], output: str, *, domain: str = "", **attrs: Attribute
    ) -> str:
        """A node with one output, whose name it returns."""
        self.nodes(op, inputs, [output], domain=domain, **attrs)
        return output

    def nodes(
        self,
        op: str,
        inputs: Sequence[str],
        outputs: Sequence[str],
        *,
        domain: str = "",
        **attrs: Attribute,
    ) -> None:
        """A node with several outputs."""
        name = f"{next(filter(None, outputs))}/{op}"
        self._nodes.append(helper.make_node(op, inputs, outputs, name=name, domain=domain, **attrs))
