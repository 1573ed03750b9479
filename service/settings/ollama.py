"""Ollama's variables: what they say in our terms, and which of them say something we do not do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

_PREFIX: Final = "OLLAMA_"
_PORTS: Final = {"http": "80", "https": "443"}
_OFF: Final = frozenset({"0", "f", "false"})

OF_NO_CONCERN: Final = frozenset(
    {
        "OLLAMA_API_KEY",  # of its cloud, as the next three
        "OLLAMA_AUTH",
        "OLLAMA_NO_CLOUD",
        "OLLAMA_REMOTES",
        "OLLAMA_EDITOR",  # of its command line, as the next
        "OLLAMA_NOHISTORY",
        "OLLAMA_NOPRUNE",  # nothing is pruned at start here
        "OLLAMA_NEW_ENGINE",  # which of its own engines runs
    }
)
"""Variables that a server which does nothing about them honours all the same."""


@dataclass(frozen=True, slots=True)
class OllamaVariable:
    """`translate` gives the text that our own variable would have; None if it says nothing."""

    name: str
    translate: Callable[[str], str | None] = lambda text: text

    def read(self, environment: Mapping[str, str]) -> str | None:
        """What the variable says. Raises ValueError, saying what it must be."""
        text = given(environment, self.name)
        return self.translate(text) if text else None


def given(environment: Mapping[str, str], name: str) -> str:
    """The variable as Ollama reads it: without spaces and quotes around it."""
    return environment.get(name, "").strip().strip("\"'")


def unless_zero(text: str) -> str | None:
    """0 leaves the choice to the service."""
    return None if text == "0" else text


def endless_if_zero(text: str) -> str:
    return "-1" if text == "0" else text


def host_of(text: str) -> str | None:
    """The host of `[scheme://]host[:port][/path]`."""
    host, _ = _split_address(text)
    return host or None


def port_of(text: str) -> str | None:
    """The port of it, that of the scheme where there is one and no port."""
    _, port = _split_address(text)
    scheme, separator, _ = text.partition("://")
    if port:
        return port
    return _PORTS.get(scheme.lower()) if separator else None


def level_of(text: str) -> str | None:
    """A number or a truth value: all but off is `debug`."""
    return None if text.lower() in _OFF else "debug"


def switch_of(text: str) -> str:
    return "false" if text.lower() in _OFF else "true"


def unhonoured(environment: Mapping[str, str], honoured: frozenset[str]) -> list[str]:
    """The names of Ollama's variables that are set and mean nothing here."""
    known = honoured | OF_NO_CONCERN
    names = [name for name in environment if name.startswith(_PREFIX) and name not in known]
    return sorted(name for name in names if given(environment, name))


def _split_address(text: str) -> tuple[str, str]:
    _, separator, rest = text.partition("://")
    address = (rest if separator else text).partition("/")[0]
    if address.startswith("["):
        host, _, port = address[1:].partition("]")
        return host, port.removeprefix(":")
    if address.count(":") > 1:
        return address, ""
    host, _, port = address.partition(":")
    return host, port
