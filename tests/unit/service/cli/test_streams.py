"""Texts in pipes are UTF-8; bytes that are no text are told of."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from service.cli.errors import CommandError
from service.cli.streams import checked_text

ROOT = Path(__file__).parents[4]
_ECHO = """
from service.cli.streams import piped_text, speak_utf8
speak_utf8()
print(piped_text(), end="")
"""
LOCALES = {
    "C": {"LC_ALL": "C"},
    "C without UTF-8": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "Latin-1": {"PYTHONIOENCODING": "latin-1"},
}
every_locale = pytest.mark.parametrize("variables", LOCALES.values(), ids=list(LOCALES))


def _echoed(text: bytes, variables: dict[str, str]) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-c", _ECHO],
        cwd=ROOT,
        env={**os.environ, **variables},
        input=text,
        capture_output=True,
        timeout=60,
        check=False,
    )


@every_locale
def test_pipes_are_utf8_in_every_locale(variables: dict[str, str]) -> None:
    text = "Grüße, 東京 🦊".encode()
    assert _echoed(text, variables).stdout == text


@every_locale
def test_a_pipe_of_what_is_no_text_is_refused(variables: dict[str, str]) -> None:
    echoed = _echoed(b"\xff bad", variables)
    assert echoed.stdout == b""
    assert b"CommandError: standard input holds bytes that are no text in UTF-8" in echoed.stderr


def test_what_was_read_of_bytes_that_are_no_text_is_refused_by_what_it_is() -> None:
    assert checked_text("Grüße 🦊", "the prompt") == "Grüße 🦊"
    with pytest.raises(CommandError, match="the prompt holds bytes"):
        checked_text(b"\xff".decode(errors="surrogateescape"), "the prompt")
