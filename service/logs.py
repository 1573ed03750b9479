"""The log: a line of text for people or of JSON for programs, on standard error."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, TypeAlias

from service.settings import Settings

Field: TypeAlias = str | int | float | None

_FIELDS: Final = "retort_fields"


def log_to_stderr(settings: Settings) -> None:
    """From now on everything that is logged is written as `settings` say."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if settings.log_format == "json" else TextFormatter())
    logging.basicConfig(
        handlers=[handler], level=getattr(logging, settings.log_level.upper()), force=True
    )
    if settings.log_level == "debug":
        # What it has to say of every event loop and connection would hide ours.
        logging.getLogger("asyncio").setLevel(logging.INFO)


def log_fields(log: logging.Logger, level: int, message: str, fields: Mapping[str, Field]) -> None:
    """Logs `message`, a constant, with `fields` that programs find by their names."""
    log.log(level, message, extra={_FIELDS: fields})


class TextFormatter(logging.Formatter):
    """`retort: message name=value ...`, on one line whatever the values hold."""

    def format(self, record: logging.LogRecord) -> str:
        fields = "".join(
            f" {name}={_shown(value)}"
            for name, value in _fields_of(record).items()
            if value is not None
        )
        level = "" if record.levelno == logging.INFO else f"{record.levelname.lower()}: "
        line = f"retort: {level}{_on_one_line(record.getMessage())}{fields}"
        return line + _trace(self, record)


class JsonFormatter(logging.Formatter):
    """One object per line: time, level, logger, message, the fields, and the traceback if any."""

    def format(self, record: logging.LogRecord) -> str:
        told: dict[str, Field] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_fields_of(record),
        }
        if trace := _trace(self, record):
            told["traceback"] = trace.strip()
        return json.dumps(told)


def _fields_of(record: logging.LogRecord) -> Mapping[str, Field]:
    fields: Mapping[str, Field] = getattr(record, _FIELDS, {})
    return fields


def _shown(value: Field) -> str:
    if not isinstance(value, str):
        return f"{value:.3f}" if isinstance(value, float) else str(value)
    is_plain = value.isprintable() and value and not set(value) & set(" \"'=\\")
    return value if is_plain else json.dumps(value)


def _on_one_line(text: str) -> str:
    """Names of models and paths come from clients: none may start a line of its own."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _trace(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    if record.exc_info is None or record.exc_info[0] is None:
        return ""
    return "\n" + formatter.formatException(record.exc_info)
