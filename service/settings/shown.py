"""What `--print-config` prints: a `retort.toml` of all settings, with where each comes from."""

from __future__ import annotations

import json
from collections.abc import Iterator

from service.settings.options import OPTIONS, Option, Scalar
from service.settings.reading import Configuration
from service.settings.unknown import did_you_mean


def shown_configuration(configuration: Configuration) -> str:
    """TOML that gives the same settings; what is not set is a comment, and so are secrets."""
    return "\n".join([*_lines(configuration), ""])


def _lines(configuration: Configuration) -> Iterator[str]:
    yield f"# settings file: {configuration.file or 'none'}"
    for name in configuration.ignored_variables:
        yield f"# {_printable(name)} is set and not honoured{did_you_mean(name)}"
    for option in OPTIONS:
        value = getattr(configuration.settings, option.field)
        origin = configuration.origins[option.field]
        yield f"{_statement(option, value)}  # {_printable(origin)}"


def _statement(option: Option, value: object) -> str:
    if value is None:
        return f"# {option.key}: {option.unset}"
    if option.secret and value:
        assert isinstance(value, tuple)
        return f"# {option.key}: {len(value)} set, not shown"
    if isinstance(value, tuple):
        return f"{option.key} = [{', '.join(_toml(option.show(item)) for item in value)}]"
    if option.switch_to is not None:
        return f"{option.key} = {str(value is option.switch_to).lower()}"
    return f"{option.key} = {_toml(option.show(value))}"


def _toml(value: Scalar) -> str:
    """TOML's basic strings escape as JSON's do."""
    return json.dumps(value) if isinstance(value, str) else str(value)


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in text)
