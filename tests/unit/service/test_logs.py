from __future__ import annotations

import json
import logging
import sys

from service.logs import Field, JsonFormatter, TextFormatter

HOSTILE = "a\nretort: forged\r\x1b[31m\u2028b"


def record(message: str, level: int = logging.INFO, **fields: Field) -> logging.LogRecord:
    made = logging.LogRecord("service.test", level, __file__, 1, message, (), None)
    made.retort_fields = fields
    return made


def test_text_is_for_people() -> None:
    told = TextFormatter().format(record("request", status=200, seconds=1.23456, model=None))
    assert told == "retort: request status=200 seconds=1.235"
    assert TextFormatter().format(record("so", logging.WARNING)) == "retort: warning: so"


def test_json_is_for_programs() -> None:
    told = json.loads(JsonFormatter().format(record("request", status=200, model=None)))
    assert told.pop("time").endswith("+00:00")
    assert told == {
        "level": "info",
        "logger": "service.test",
        "message": "request",
        "status": 200,
        "model": None,
    }


def test_nothing_that_clients_send_starts_a_line_of_its_own() -> None:
    for formatter in (TextFormatter(), JsonFormatter()):
        told = formatter.format(record(f"loaded {HOSTILE}", model=HOSTILE))
        assert told.isprintable()
    assert json.loads(JsonFormatter().format(record("x", model=HOSTILE)))["model"] == HOSTILE


def test_a_traceback_comes_along() -> None:
    failed = record("a step failed", logging.ERROR)
    try:
        raise ValueError("why")
    except ValueError:
        failed.exc_info = sys.exc_info()
    assert "ValueError: why" in TextFormatter().format(failed)
    assert "ValueError: why" in json.loads(JsonFormatter().format(failed))["traceback"]
