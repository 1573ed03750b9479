"""What is checked of a constraint before any work on it, each check in linear or bounded time."""

from service.constraints.guard_grammar import check_grammar
from service.constraints.guard_schema import (
    check_document,
    check_nodes,
    check_schema,
    check_together,
)
from service.constraints.guard_texts import check_choices, check_regex, check_whitespace

__all__ = [
    "check_choices",
    "check_document",
    "check_grammar",
    "check_nodes",
    "check_regex",
    "check_schema",
    "check_together",
    "check_whitespace",
]
