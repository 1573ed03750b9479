"""A Modelfile that would make a model again."""

from __future__ import annotations

from collections.abc import Iterator

from service.store.overrides import Overrides, Parameters

_QUOTES = '"""'


def modelfile_text(base: str, overrides: Overrides) -> str:
    """What `read_modelfile` reads back as the same. `base` goes after FROM.

    Raises ValueError for texts that no Modelfile can hold, which only an API can have set.
    """
    return "\n".join(_lines(base, overrides)) + "\n"


def parameter_lines(parameters: Parameters) -> list[tuple[str, str]]:
    """Names and values as a Modelfile has them, a pair for each stop string."""
    pairs = []
    for name in parameters.named():
        value = getattr(parameters, name)
        values = value if isinstance(value, tuple) else (value,)
        pairs += [(name, _written(each)) for each in values]
    return pairs


def _lines(base: str, overrides: Overrides) -> Iterator[str]:
    yield f"FROM {base}"
    if overrides.template is not None:
        yield f"TEMPLATE {_block(overrides.template)}"
    if overrides.system is not None:
        yield f"SYSTEM {_block(overrides.system)}"
    for name, value in parameter_lines(overrides.parameters):
        yield f"PARAMETER {name} {value}"
    for turn in overrides.messages:
        yield f"MESSAGE {turn.role} {_block(turn.content)}"
    for text in overrides.licenses:
        yield f"LICENSE {_block(text)}"


def _written(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return _block(value) if isinstance(value, str) else str(value)


def _block(text: str) -> str:
    if _QUOTES not in text and not text.endswith('"'):
        return f"{_QUOTES}{text}{_QUOTES}"
    if len(text.splitlines()) > 1 or text != text.strip():
        raise ValueError(f"a text with {_QUOTES} in several lines cannot be put in a Modelfile")
    return f'"{text}"'
