"""TEMPLATE: Jinja as it is, Go templates as Jinja."""

from __future__ import annotations

import re

from service.dialogue.template import ChatTemplate
from service.errors import PackageCorrupt
from service.modelfile.go.translation import translated

_GO_ACTION = re.compile(r"\{\{-?\s*(?:\.|\$|/\*|(?:if|else|end|range|with|block|define)\b)")


def is_go_template(source: str) -> bool:
    """Whether the text is one of Ollama's templates: Jinja has its statements in other brackets."""
    return _GO_ACTION.search(source) is not None


def to_jinja(source: str, *, bos_text: str | None = None) -> str:
    """The template in Jinja. Raises ValueError, in one line, where it cannot be told so.

    `bos_text` is the token that the model wants before every text, which Ollama puts there and
    Go templates therefore leave out.
    """
    if not is_go_template(source):
        return source
    jinja = translated(source)
    if bos_text is None or bos_text in source:
        return jinja
    return "{{- bos_token -}}" + jinja


def check_template(source: str) -> None:
    """Raises ValueError, in one line, for what no conversation can be rendered with."""
    try:
        ChatTemplate(to_jinja(source))
    except PackageCorrupt as error:
        raise ValueError(str(error)) from None
