"""Checks of regular expressions and choices that an output must be."""

from __future__ import annotations

from collections.abc import Sequence

from service.constraints.patterns import pattern_problem
from service.errors import UnsupportedSchema

MAX_REGEX_BYTES = 64 << 10
MAX_CHOICES = 10_000
MAX_CHOICES_BYTES = 256 << 10


def check_regex(pattern: str, *, param: str) -> None:
    """Raises UnsupportedSchema for a pattern that cannot be enforced while decoding."""
    _check_size(pattern, MAX_REGEX_BYTES, "pattern", param)
    problem = pattern_problem(pattern)
    if problem is not None:
        raise UnsupportedSchema(
            f"The pattern cannot be enforced while decoding: {problem}.", param=param
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
