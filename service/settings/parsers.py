"""From text to the values of settings. All raise ValueError with what the text must be."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from service.settings.durations import parse_duration
from service.settings.values import ModelKeepAlive
from service.store.locations import expanded

_ORIGIN: Final = re.compile(r"\*|null|[a-z][a-z0-9+.-]*://[^*/\s]*\*?[^*/\s]*")
_SIZE: Final = re.compile(r"(\d{1,15}(?:\.\d{1,6})?)\s*([KMGT]?)(I?)B?", re.ASCII | re.IGNORECASE)
_POWERS: Final = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}


def whole(low: int, high: int) -> Callable[[str], int]:
    """Whole numbers from `low` to `high`."""

    def parse(text: str) -> int:
        is_number = text.isascii() and text.isdigit() and len(text) <= len(str(high))
        if not is_number or not low <= int(text) <= high:
            raise ValueError(f"a whole number from {low} to {high}")
        return int(text)

    return parse


def seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 86_400:
        raise ValueError("a number of seconds from 0 to 86400")
    return value


def some_time(text: str) -> float:
    """A duration, which may be without end and not 0."""
    value = parse_duration(text)
    if value == 0:
        raise ValueError("longer than 0")
    return value


def choice(names: Sequence[str]) -> Callable[[str], str]:
    """One of `names`."""

    def parse(text: str) -> str:
        if text not in names:
            raise ValueError(f"one of {', '.join(names)}")
        return text

    return parse


def filled(text: str) -> str:
    if not text.strip() or not text.isprintable():
        raise ValueError("a printable text that is not empty")
    return text


def stripped(text: str) -> str:
    return filled(text).strip()


def key(text: str) -> str:
    if not text.isascii():
        # How others stand in a header is not agreed on, and OpenAI's client does not send them.
        raise ValueError("of ASCII characters alone")
    return stripped(text)


def origin(text: str) -> str:
    pattern = text.strip().lower()
    if not _ORIGIN.fullmatch(pattern):
        raise ValueError(
            "*, null, or an origin such as https://chat.example, https://*.example or "
            "chrome-extension://*, without a path"
        )
    return pattern


def switch(text: str) -> bool:
    if text.lower() not in {"0", "1", "false", "true"}:
        raise ValueError("0, 1, true or false")
    return text.lower() in {"1", "true"}


def folder(text: str) -> Path:
    try:
        return expanded(filled(text))
    except ValueError:
        raise ValueError("a folder that exists or can be made") from None


def size(text: str) -> int:
    """Bytes of "6GB", "512MiB" or "4000000000"."""
    found = _SIZE.fullmatch(text.strip())
    if found is None or (found[3] and not found[2]):
        raise ValueError("a size such as 6GB, 512MiB or a number of bytes")
    base = 1024 if found[3] else 1000
    num_bytes = int(float(found[1]) * base ** _POWERS[found[2].upper()])
    if not 1 <= num_bytes < 2**63:
        raise ValueError("a size of at least one byte that a machine can have")
    return num_bytes


def model_keep_alive(text: str) -> ModelKeepAlive:
    name, separator, duration = text.strip().rpartition("=")
    if not separator or not name.strip():
        raise ValueError("NAME=DURATION, such as llama3.2=30m")
    return ModelKeepAlive(name.strip(), parse_duration(duration))
