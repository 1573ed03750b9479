r"""\d, \w and \s mean the same in expressions of their own as in the patterns of schemas."""

from __future__ import annotations

import llguidance
import pytest

from service.constraints.compiler import ConstraintCompiler
from service.constraints.prepare import prepare_regex
from service.constraints.short_classes import spelled_out
from service.engine.constraint import Constraint, ConstraintError

pytestmark = pytest.mark.anyio

DIGITS, WORDS, SPACES, OTHERS = "059", "aZ_", " \t\n\u00a0\u2028\ufeff", "٣é🯱-\x85\\"

CASES = [
    (r"\d", DIGITS),
    (r"\w", DIGITS + WORDS),
    (r"\s", SPACES),
    (r"\D", WORDS + SPACES + OTHERS),
    (r"\W", SPACES + OTHERS),
    (r"\S", DIGITS + WORDS + OTHERS),
    (r"[\d]", DIGITS),
    (r"[^\d]", WORDS + SPACES + OTHERS),
    (r"[\d\s_]", DIGITS + SPACES + "_"),
    (r"[\w-]", DIGITS + WORDS + "-"),
    (r"[-\d]", DIGITS + "-"),
    (r"[a-b-\d]", DIGITS + "a-"),
    (r"[\W_]", SPACES + OTHERS + "_"),
    (r"[^\W_]", DIGITS + "aZ"),
    (r"[\]\D]", WORDS + SPACES + OTHERS),
    (r"\\|\p{Nd}", DIGITS + "\\٣🯱"),
    (r"(?i:\d|[\da])", DIGITS + "a"),
]


@pytest.mark.parametrize(("pattern", "expected"), CASES)
async def test_classes_are_those_of_javascript(pattern: str, expected: str) -> None:
    compiler = ConstraintCompiler(lambda: llguidance.LLTokenizer("byte"))
    compiled = await compiler.compile(prepare_regex(pattern, param="p").spec)
    compiler.close()
    allowed = {char for char in DIGITS + WORDS + SPACES + OTHERS if _is_all(compiled.begin(), char)}
    assert allowed == set(expected)


def _is_all(state: Constraint, text: str) -> bool:
    """Whether the text is a whole output, behind which nothing may come."""
    try:
        for byte in text.encode():
            state.consume(byte)
    except ConstraintError:
        return False
    return state.is_finished


def test_all_else_is_left_alone() -> None:
    for pattern in (r"a\\d[b\]c]\.\x41(?P<w>s)", "é[^x]+$", "\\"):
        assert spelled_out(pattern) == pattern
