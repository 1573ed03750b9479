"""One reader of foreign model configs, so that a wrong value is named where it is read."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass

from export.checkpoints.base import JsonValue
from export.checkpoints.json_file import one_line
from export.errors import ExportError

_LARGEST = sys.float_info.max


@dataclass(frozen=True, slots=True)
class ConfigReader:
    """Typed access to a config's keys. Every method raises ExportError naming a wrong key."""

    values: Mapping[str, JsonValue]
    path: str = "config"

    def integer(self, key: str, default: int | None = None) -> int:
        """A positive whole number."""
        value = self._get(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
            raise self._wrong(key, value, "a positive whole number")
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
