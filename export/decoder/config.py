"""One reader of foreign model configs, so that a wrong value is named where it is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from export.checkpoints.base import JsonValue
from export.checkpoints.json_file import one_line
from export.errors import ExportError

_LARGEST = float(np.finfo(np.float32).max)
"""What weights are multiplied with has no more than 32 bits."""

_LARGEST_WHOLE = (1 << 31) - 1

_LARGEST_SIZES: Mapping[str, int] = {
    **dict.fromkeys(("num_hidden_layers", "n_layers"), 1 << 10),
    **dict.fromkeys(("num_attention_heads", "num_key_value_heads", "head_dim"), 1 << 12),
    **dict.fromkeys(("num_experts", "num_local_experts", "num_experts_per_tok"), 1 << 12),
    **dict.fromkeys(("hidden_size", "dim"), 1 << 20),
    **dict.fromkeys(("intermediate_size", "moe_intermediate_size"), 1 << 20),
    "vocab_size": 1 << 22,
    **dict.fromkeys(("max_position_embeddings", "original_max_position_embeddings"), 1 << 24),
    # Where a text has no limit, some tools write 10^30.
    "max_seq_length": 10**40,
}
"""Well above any model's, so that no size which is a mistake keeps a machine busy before it is
seen for one."""


@dataclass(frozen=True, slots=True)
class ConfigReader:
    """Typed access to a config's keys. Every method raises ExportError naming a wrong key."""

    values: Mapping[str, JsonValue]
    path: str = "config"

    def integer(self, key: str, default: int | None = None) -> int:
        """A positive whole number, not above what any model has under this key."""
        value = self._get(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
            raise self._wrong(key, value, "a positive whole number")
        largest = _LARGEST_SIZES.get(key, _LARGEST_WHOLE)
        if value > largest:
            raise self._wrong(key, value, f"{largest} at most")
        return value

    def number(self, key: str, default: float | None = None) -> float:
        """A finite number."""
        value = self._get(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._wrong(key, value, "a number")
        # JSON's numbers have no bounds, and Python reads NaN and Infinity too.
        if not abs(value) <= _LARGEST:
            raise self._wrong(key, value, "a number")
        return float(value)

    def positive(self, key: str, default: float | None = None) -> float:
        """A finite number greater than zero."""
        value = self.number(key, default)
        if value <= 0:
            raise self._wrong(key, value, "a positive number")
        return value

    def between(
        self, key: str, lowest: float, highest: float, default: float | None = None
    ) -> float:
        """A number from `lowest` to `highest`."""
        value = self.number(key, default)
        if not lowest <= value <= highest:
            raise self._wrong(key, value, f"a number from {lowest:g} to {highest:g}")
        return value

    def optional_between(self, key: str, lowest: float, highest: float) -> float | None:
        """As `between`, or None where it is missing or null."""
        return self.between(key, lowest, highest) if self.has(key) else None

    def optional_number(self, key: str) -> float | None:
        """A number, or None where it is missing or null."""
        return None if self.values.get(key) is None else self.number(key)

    def optional_integer(self, key: str, default: int | None) -> int | None:
        """As `integer`, or None where it is null, which is something else than missing."""
        value = self.values.get(key, default)
        return None if value is None else self.integer(key, default)

    def optional_positive(self, key: str, default: float | None) -> float | None:
        """As `positive`, or None where it is null, which is something else than missing."""
        value = self.values.get(key, default)
        return None if value is None else self.positive(key, default)

    def numbers(self, key: str, *, length: int) -> tuple[float, ...]:
        value = self._get(key, None)
        if not isinstance(value, list) or len(value) != length:
            raise self._wrong(key, value, f"a list of {length} numbers")
        reader = ConfigReader({str(i): item for i, item in enumerate(value)}, f"{self.path}.{key}")
        return tuple(reader.number(str(i)) for i in range(length))

    def texts(self, key: str, *, length: int) -> tuple[str, ...] | None:
        """A list of strings, or None where it is missing or null."""
        value = self.values.get(key)
        if value is None:
            return None
        if not isinstance(value, list) or len(value) != length:
            raise self._wrong(key, value, f"a list of {length} strings")
        reader = ConfigReader({str(i): item for i, item in enumerate(value)}, f"{self.path}.{key}")
        return tuple(reader.text(str(i)) for i in range(length))

    def flag(self, key: str, default: bool) -> bool:
        value = self._get(key, default)
        if not isinstance(value, bool):
            raise self._wrong(key, value, "true or false")
        return value

    def text(self, key: str, default: str | None = None) -> str:
        value = self._get(key, default)
        if not isinstance(value, str):
            raise self._wrong(key, value, "a string")
        return value

    def section(self, key: str) -> ConfigReader | None:
        """A nested object, or None where it is missing or null."""
        value = self.values.get(key)
        if value is None:
            return None
        if not isinstance(value, dict):
            raise self._wrong(key, value, "an object")
        return ConfigReader(value, f"{self.path}.{key}")

    def has(self, key: str) -> bool:
        """Whether it is there and not null."""
        return self.values.get(key) is not None

    def has_items(self, key: str) -> bool:
        """Whether it is a list of at least one thing."""
        value = self.values.get(key)
        if value is not None and not isinstance(value, list):
            raise self._wrong(key, value, "a list")
        return bool(value)

    def without(self, *keys: str) -> ConfigReader:
        """The same config, these keys missing."""
        left = {key: value for key, value in self.values.items() if key not in keys}
        return ConfigReader(left, self.path)

    def with_default(self, key: str, value: JsonValue) -> ConfigReader:
        """The same config, `key` being `value` where it is missing."""
        return ConfigReader({key: value, **self.values}, self.path)

    def with_section(self, key: str, section: ConfigReader) -> ConfigReader:
        """The same config with another section under `key`."""
        return ConfigReader({**self.values, key: dict(section.values)}, self.path)

    def _get(self, key: str, default: JsonValue) -> JsonValue:
        value = self.values.get(key)
        if value is None:
            value = default
        if value is None:
            raise ExportError(f"{self.path} lacks {key!r}")
        return value

    def _wrong(self, key: str, value: JsonValue, expected: str) -> ExportError:
        return ExportError(f"{self.path}.{key} is {one_line(repr(value))}, expected {expected}")
