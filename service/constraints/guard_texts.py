"""Checks of regular expressions and choices that an output must be."""

from __future__ import annotations

import re
from collections.abc import Sequence

from service.constraints.patterns import pattern_problem
from service.errors import UnsupportedSchema

MAX_REGEX_BYTES = 64 << 10
MAX_CHOICES = 7_500
"""Each is an item in a row of the compiler's parser, which may have 8,000."""

MAX_CHOICES_BYTES = 256 << 10
MAX_WHITESPACE_CHARS = 100

_SPACE = r"(?:[ \n\r\t]|\\[nrt]|\\x(?:20|0[9aAdD]))"
_WHITESPACE = re.compile(
    rf"(?:{_SPACE}|\[{_SPACE}+\]|\(\?:|[()|?*+]|\{{\d{{1,3}}(?:,\d{{0,3}})?\}})+"
)


def check_regex(pattern: str, *, param: str) -> None:
    """Raises UnsupportedSchema for a pattern that cannot be enforced while decoding."""
    _check_size(pattern, MAX_REGEX_BYTES, "pattern", param)
    problem = pattern_problem(pattern)
    if problem is not None:
        raise UnsupportedSchema(
            f"The pattern cannot be enforced while decoding: {problem}.", param=param
        )


def check_whitespace(pattern: str, *, param: str) -> None:
    """Raises UnsupportedSchema for a pattern that might match what may not stand in JSON."""
    if len(pattern) > MAX_WHITESPACE_CHARS or not _WHITESPACE.fullmatch(pattern):
        raise UnsupportedSchema(
            "The pattern of white space must be made of spaces, \\n, \\r and \\t, in classes and "
            f"groups, repeated or not, of at most {MAX_WHITESPACE_CHARS} characters.",
            param=param,
        )


def check_choices(choices: Sequence[str], *, param: str) -> None:
    """Raises UnsupportedSchema unless they are texts that can be told apart from no answer."""
    if not 0 < len(choices) <= MAX_CHOICES:
        raise UnsupportedSchema(f"There must be 1 to {MAX_CHOICES} choices.", param=param)
    if "" in choices:
        raise UnsupportedSchema("A choice must not be the empty text.", param=param)
    _check_size("".join(choices), MAX_CHOICES_BYTES, "list of choices", param)


def _check_size(text: str, max_bytes: int, what: str, param: str) -> None:
    if len(text.encode(errors="replace")) > max_bytes:
        raise UnsupportedSchema(f"The {what} is larger than {max_bytes >> 10} KiB.", param=param)
