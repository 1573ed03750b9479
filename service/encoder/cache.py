"""Keys and values of a sequence that is read in chunks, where an encoder's graph keeps some."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

_PAST, _PRESENT = "past_key_values.", "present."


class GraphInput(Protocol):
    """What ONNX Runtime says of an input; a length that is not fixed is a name."""

    @property
    def name(self) -> str: ...

    @property
    def type(self) -> str: ...

    @property
    def shape(self) -> Sequence[int | str | None]: ...


@dataclass(frozen=True, slots=True)
class Cache:
    """`pasts`: inputs by name, with how many heads of what size each has (float32
    `[B, heads, T, size]`); `presents` are the outputs that become them, in the same order."""

    pasts: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    @classmethod
    def of(cls, inputs: Sequence[GraphInput], outputs: Set[str]) -> Cache:
        """That of a graph, empty where it has none that is kept as said above."""
        pasts: dict[str, tuple[int, int]] = {}
        for value in inputs:
            is_past = value.name.startswith(_PAST) and value.type == "tensor(float)"
            if is_past and _present(value.name) in outputs:
                _, heads, _, size = (*value.shape, *[None] * 4)[:4]
                if isinstance(heads, int) and isinstance(size, int):
                    pasts[value.name] = (heads, size)
        return cls(pasts)

    @property
    def presents(self) -> list[str]:
        return [_present(name) for name in self.pasts]

    def empty(self, num_rows: int) -> dict[str, NDArray[np.generic]]:
        """Before the first chunk."""
        return {
            name: np.zeros((num_rows, heads, 0, size), np.float32)
            for name, (heads, size) in self.pasts.items()
        }


def _present(past: str) -> str:
    return _PRESENT + past.removeprefix(_PAST)
