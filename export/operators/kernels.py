"""The table of kernels: what `kernels.toml` says, read once per question."""

from __future__ import annotations

from importlib import resources
from typing import Literal, Self

import msgspec

ProviderName = Literal["cpu", "cuda", "directml"]

Row = dict[str, str]
"""What each letter of an operator's types may stand for, types separated by spaces."""


class Operator(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An operator's signature in one version, and each provider's kernels for it."""

    version: int
    inputs: str
    outputs: str
    cpu: tuple[Row, ...]
    cuda: tuple[Row, ...]
    directml: tuple[Row, ...]

    def rows(self, provider: ProviderName) -> tuple[Row, ...]:
        rows: dict[ProviderName, tuple[Row, ...]] = {
            "cpu": self.cpu,
            "cuda": self.cuda,
            "directml": self.directml,
        }
        return rows[provider]


class Limit(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a provider's kernel takes of an operator, where that is not all of it."""

    provider: ProviderName
    operator: str
    source: str
    required: tuple[int, ...] = ()
    max_inputs: int | None = None
    attributes: dict[str, tuple[int | float, ...]] = {}


class Kernels(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All operators, by domain and name as in `com.microsoft.MatMulNBits`, and the limits.

    `onnxruntime` is the version whose kernels the rows of the processor are.
    """

    onnxruntime: str
    operators: dict[str, Operator]
    limits: tuple[Limit, ...]

    @classmethod
    def load(cls) -> Self:
        text = resources.files("export.operators").joinpath("kernels.toml").read_text("utf-8")
        return msgspec.toml.decode(text, type=cls)

    def limits_of(self, operator: str, provider: ProviderName) -> list[Limit]:
        return [
            limit
            for limit in self.limits
            if limit.provider == provider and limit.operator == operator
        ]


def signature(text: str, count: int) -> list[str]:
    """The types of `count` inputs or outputs; `T...` stands for any number more of `T`."""
    words = text.split()
    if words and words[-1].endswith("..."):
        last = words.pop().removesuffix("...")
        words += [last] * (count - len(words))
    return words[:count]
