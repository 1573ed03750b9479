"""JSON from files that nobody has checked yet."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from export.checkpoints.base import JsonValue
from export.errors import ExportError

MAX_JSON_BYTES = 64 * 1024 * 1024
"""Twice the largest tokenizer.json in use (Gemma's, 33 MB)."""


def read_bytes(path: Path, max_bytes: int = MAX_JSON_BYTES) -> bytes:
    """The file's content. Raises ExportError where it cannot be read or is unreasonably large."""
    try:
        size = path.stat().st_size
        if size > max_bytes:
            raise ExportError(f"{path}: {size} bytes are more than the {max_bytes} allowed")
        return path.read_bytes()
    except OSError as error:
        raise ExportError(f"{path}: cannot be read ({error.strerror or error})") from error


def read_json_object(path: Path, max_bytes: int = MAX_JSON_BYTES) -> dict[str, JsonValue]:
    """The JSON object in the file. Raises ExportError naming the file for anything else."""
    return parse_json_object(read_bytes(path, max_bytes), str(path))


def parse_json_object(content: bytes, origin: str) -> dict[str, JsonValue]:
    """`content` as a JSON object without repeated keys; `origin` names it in an ExportError."""
    try:
        value: JsonValue = json.loads(content.decode("utf-8"), object_pairs_hook=_unique_keys)
    except (ValueError, RecursionError) as error:
        raise ExportError(f"{origin}: not valid JSON ({one_line(str(error))})") from error
    if not isinstance(value, dict):
        raise ExportError(f"{origin}: a JSON object is expected")
    return value


def one_line(text: str, max_length: int = 120) -> str:
    """`text` made fit for a one-line message: no control characters, not too long."""
    printable = "".join(c if c.isprintable() else " " for c in text[: max_length + 1])
    return printable if len(printable) <= max_length else printable[:max_length] + "…"


def optional_string(values: Mapping[str, JsonValue], key: str, origin: str) -> str | None:
    """A string, or None where the key is missing or null."""
    value = values.get(key)
    if value is None or isinstance(value, str):
        return value
    raise ExportError(f"{origin}: {key!r} is not a string")


def is_count(value: object) -> bool:
    """Whether a JSON value is a whole number of at least 0 (true and false are not)."""
    return type(value) is int and value >= 0


def _unique_keys(pairs: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
    values = dict(pairs)
    if len(values) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise ValueError(f"the key {key!r} is repeated")
            seen.add(key)
    return values
