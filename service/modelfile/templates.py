"""TEMPLATE: Jinja as it is, Go templates as Jinja."""

from __future__ import annotations

import re

_GO_ACTION = re.compile(r"\{\{-?\s*(?:\.|\$|(?:if|else|end|range|with|block|define)\b)")


def is_go_template(source: str) -> bool:
    """Whether the text is one of Ollama's templates: Jinja has its statements in other brackets."""
    return _GO_ACTION.search(source) is not None


def to_jinja(source: str) -> str:
    """The template in Jinja. Raises ValueError, in one line, where it cannot be told so."""
    if not is_go_template(source):
        return source
    raise ValueError("a Go template cannot be used")
